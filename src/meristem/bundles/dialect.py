"""What differs between the training configurations of MMARs and of MONAI bundles, as far as a search must know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meristem.bundles.places import Place

NOTATION = ("search", "apply")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How components are written.

    Attributes:
        marks: A mapping with text under one of these keys is a component.
        args_key: Under which a component's arguments stand; None: beside the mark.
        disabled: The key by which a component is switched off.
        has_domains: Items of `search` name their domain, and parameters are named by PRLs.
    """

    marks: tuple[str, ...]
    args_key: str | None
    disabled: str
    has_domains: bool

    def is_component(self, node: Any) -> bool:
        return isinstance(node, Mapping) and any(isinstance(node.get(mark), str) for mark in self.marks)

    def label(self, component: Mapping[str, Any]) -> str:
        """How errors name the component."""
        return next(str(component[mark]) for mark in self.marks if isinstance(component.get(mark), str))

    def args_of(self, component: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.args_key is not None:
            args = component.get(self.args_key)
            return args if isinstance(args, Mapping) else {}
        return {
            key: value
            for key, value in component.items()
            if not str(key).startswith("_") and not self.is_notation(key, value)
        }

    def arg_place(self, component: Place, arg: str) -> Place:
        return (*component, arg) if self.args_key is None else (*component, self.args_key, arg)

    def is_notation(self, key: str, value: Any, *, first_level: bool = False) -> bool:
        """Whether this key of a component, or of the first level, is ours.

        Where arguments stand beside the mark, one of them may be named `search` or `apply`, too; then only what
        looks like notation is.
        """
        if self.args_key is not None:
            return key in NOTATION or (first_level and key == "lr_search")
        if key == "search":
            return isinstance(value, list) and any(isinstance(item, Mapping) for item in value)
        if key != "apply" or not isinstance(value, Mapping):
            return False
        return all(isinstance(alias, str) and not str(name).startswith("_") for name, alias in value.items())


MMAR = Dialect(marks=("name", "path"), args_key="args", disabled="disabled", has_domains=True)
MONAI = Dialect(marks=("_target_",), args_key=None, disabled="_disabled_", has_domains=False)

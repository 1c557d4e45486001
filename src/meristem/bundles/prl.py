"""The parameter range locator (PRL): the name under which something is searched in a training configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from meristem.errors import InputError

_TEXT = re.compile(
    r"(?P<domain>[^.]+)\.(?P<dtype>[^.]+)\.(?P<path>.*)\$(?P<index>0|[1-9][0-9]*):(?P<args>[^$]+)", re.DOTALL
)
_FORM = "domain.dtype.path$index:args, such as net.enum.train.model$0:init_filters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prl:
    """What is searched: of which kind, and where it stands in the configuration.

    As text: `domain.dtype.path$index:args`, several args with a comma between them:
    `transform.enum.train.pre_transforms.3$0:@disabled`. At the first level of a configuration the
    path is empty and its dot stays, so that every PRL has the same parts: `lr.float.$0:learning_rate`.

    Args:
        domain: Of what kind the object is: lr, net, transform.
        dtype: Of what kind the range is: float, enum, int.
        path: Keys and positions that lead to the component, with a dot between them; empty at the first level.
        index: Position of the item in the component's `search` list.
        args: Names of the arguments, without aliases; attributes with their `@`.

    Raises:
        InputError: A part would make the text ambiguous.
    """

    domain: str
    dtype: str
    path: str
    index: int
    args: tuple[str, ...]

    def __post_init__(self) -> None:
        problems = [
            f"{name} {value!r} must be text without '.'"
            for name, value in (("domain", self.domain), ("dtype", self.dtype))
            if not value or "." in value
        ]
        if self.index < 0:
            problems.append(f"index must be at least 0, not {self.index}")
        if not self.args:
            problems.append("args is empty")
        problems += [problem for arg in self.args if (problem := arg_problem(arg))]
        if problems:
            raise InputError("This PRL cannot be made", problems)

    def __str__(self) -> str:
        return f"{self.domain}.{self.dtype}.{self.path}${self.index}:{','.join(self.args)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The PRL that is written so.

        Raises:
            InputError: It is no PRL.
        """
        match = _TEXT.fullmatch(text)
        if match is None or not all(match["args"].split(",")):
            raise InputError(f"{text!r} is no PRL.", fix=f"A PRL is {_FORM}.")
        return cls(
            domain=match["domain"],
            dtype=match["dtype"],
            path=match["path"],
            index=int(match["index"]),
            args=tuple(match["args"].split(",")),
        )


def arg_problem(arg: str) -> str | None:
    """Why `arg` cannot be the name of an argument in a PRL, if it cannot."""
    if not arg:
        return "the name of an argument is empty"
    return f"the name of an argument has no ',' or '$', as {arg!r} has" if set(arg) & {",", "$"} else None

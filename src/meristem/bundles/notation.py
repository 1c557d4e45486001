"""Reads the search notation of a training configuration: its `search` items, and what `apply` takes from them.

Everything is read before anything is said to be wrong, so that all mistakes are told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from meristem.bundles.dialect import NOTATION, Dialect
from meristem.bundles.drafts import Column, Draft, Drafts
from meristem.bundles.places import Place, Problems, shown
from meristem.bundles.prl import Prl, arg_problem
from meristem.bundles.ranges import read_range
from meristem.bundles.variables import ENVIRONMENT, Variables
from meristem.bundles.walking import Role, mappings
from meristem.errors import did_you_mean
from meristem.space.values import describe, shorten

DOMAINS = ("lr", "net", "transform")
HasArgument: TypeAlias = Callable[[Mapping[str, Any], str], bool | None]
_SWITCH = "@disabled"


def cannot_tell(component: Mapping[str, Any], name: str) -> bool | None:
    """Says of no component which arguments it has beyond those that are written."""
    return None


@dataclass(slots=True, kw_only=True)
class Reader:
    """Reads one configuration; `drafts` has what was found, `problems` what is wrong.

    Args:
        has_argument: Whether a component has an argument that it is not given; None where that cannot be told.
    """

    config: Mapping[str, Any]
    dialect: Dialect
    variables: Variables
    has_argument: HasArgument
    problems: Problems
    drafts: Drafts
    _applied: list[tuple[Place, Mapping[str, Any], Any]] = field(default_factory=list)

    def read(self) -> None:
        """Reads all items first: an alias may be applied before it is given."""
        for place, node, role in mappings(self.config, self.dialect):
            if role is Role.SECTION:
                self._say_stray(place, node)
            elif role is Role.ARGS:
                self._say_misplaced(place, node)
            else:
                self._read_at(place, node)
        for place, node, applied in self._applied:
            self._read_apply(place, node, applied)

    def _read_at(self, place: Place, node: Mapping[str, Any]) -> None:
        given = "search" in node and self.dialect.is_notation("search", node["search"])
        search = node["search"] if given else []
        if not isinstance(search, list):
            self.problems.say((*place, "search"), f"must be a list of items, not {describe(search)}")
            search = []
        elif given and not search:
            self.problems.say((*place, "search"), "is empty; give an item, or leave it out")
        for index, item in enumerate(search):
            self._read_item(place, node, index, item)
        if not place and "lr_search" in node and self.dialect.has_domains:
            self._read_lr_search(node, len(search))
        if "apply" in node and self.dialect.is_notation("apply", node["apply"]):
            self._applied.append((place, node, node["apply"]))

    def _read_item(self, component: Place, node: Mapping[str, Any], index: int, item: Any) -> None:
        place = (*component, "search", index)
        if not isinstance(item, Mapping):
            self.problems.say(place, f"must be {{domain, type, args, targets}}, not {describe(item)}")
            return
        if not component and ("id" in item or "ids" in item) and not self.dialect.has_domains:
            return  # a bundle's own form, which `bundle_search` reads
        item = self.variables.resolve(item)
        domain = self._read_domain(item, place)
        columns = self._read_args(item, place, component, node)
        names = [column.name for column in columns] if columns else None
        found = read_range(item, names, place, self.problems)
        prl = name = None
        if found and names and domain:
            path = ".".join(map(str, component))
            prl = Prl(domain=domain, dtype=found.dtype, path=path, index=index, args=tuple(names))
        elif names and not self.dialect.has_domains:
            name = ",".join("::".join(map(str, (*component, arg))) for arg in names)
        self.drafts.add(Draft(place=place, columns=columns or [], range=found, prl=prl, name=name))

    def _read_lr_search(self, node: Mapping[str, Any], index: int) -> None:
        """The older `"lr_search": [min, max]`, as if it stood last in the first level's `search`."""
        place, name = ("lr_search",), "learning_rate"
        site = self._first_level_site(name, place)
        if name not in node:
            self.problems.say(place, f"there is no {name} at the first level of the configuration")
        targets = self.variables.resolve(node["lr_search"])
        found = read_range({"type": "float", "targets": targets}, [name], place, self.problems, targets_at=place)
        prl = Prl(domain="lr", dtype="float", path="", index=index, args=(name,))
        column = Column(name=name, alias=name, site=site, args_at=place)
        self.drafts.add(Draft(place=place, columns=[column] if site else [], range=found, prl=prl))

    def _read_domain(self, item: Mapping[str, Any], place: Place) -> str | None:
        if not self.dialect.has_domains:
            return None
        domain = item.get("domain")
        if domain in DOMAINS:
            return str(domain)
        if "domain" not in item:
            self.problems.say(place, f"domain is missing: one of {', '.join(DOMAINS)}")
        else:
            hint = did_you_mean(str(domain), DOMAINS)
            known = f"{hint}Known: {', '.join(DOMAINS)}"
            self.problems.say((*place, "domain"), f"there is no domain {shorten(domain)}. {known}")
        return None

    def _read_args(
        self, item: Mapping[str, Any], place: Place, component: Place, node: Mapping[str, Any]
    ) -> list[Column] | None:
        where = (*place, "args")
        if "args" not in item:
            self.problems.say(place, "args is missing: the names of what is searched")
            return None
        args = [item["args"]] if isinstance(item["args"], str) else item["args"]
        if not isinstance(args, list) or not all(isinstance(arg, str) for arg in args):
            self.problems.say(where, f"must be a list of names, not {describe(item['args'])}")
            return None
        if not args:
            self.problems.say(where, "is empty; name what is searched")
            return None
        columns = [self._read_arg(arg, where, component, node) for arg in args]
        found = [column for column in columns if column is not None]
        names = [column.name for column in found]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.problems.say(where, f"names {name} twice")
        if len(found) == len(columns) and len(set(names)) == len(names):
            return found
        for column in found:
            self.drafts.register(column)
        return None

    def _read_arg(self, arg: str, where: Place, component: Place, node: Mapping[str, Any]) -> Column | None:
        name, mark, alias = arg.partition("#")
        if not component:
            name = name.removeprefix("@")  # shipped configurations write aliases of the first level so, too
        if problem := arg_problem(name) or (mark and not alias and f"{arg!r} has no alias after its #") or None:
            self.problems.say(where, problem)
            return None
        if component:
            site = self._site(component, node, name, where)
            known = site is not None
        else:
            site = self._first_level_site(name, where)
            known = site is not None or not mark
            if not known:
                self.problems.say(where, f"there is no {name} at the first level of the configuration")
        column = Column(
            name=name,
            alias=alias or (None if component else name),
            site=site,
            args_at=where,
            is_switch=bool(component) and name == _SWITCH,
        )
        if not known:
            self.drafts.register(column)  # so that what applies its alias is not said to be wrong, too
            return None
        return column

    def _first_level_site(self, name: str, where: Place) -> Place | None:
        """Where a first-level parameter stands; None: there is none of that name."""
        if name not in self.config or self.dialect.is_notation(name, self.config[name], first_level=True):
            return None
        if self.dialect.has_domains and _is_section(self.config[name]):
            self.problems.say(where, f"{name} is a section, not a parameter; put search beside a component in it")
        if source := self.variables.overrides(name):
            gives = f"{source} gives {name} a value" if source == ENVIRONMENT else f"{name} is set by {source}"
            self.problems.say(where, f"{gives}, which counts more than the configuration: no trial could change it")
        return (name,)

    def _site(self, component: Place, node: Mapping[str, Any], name: str, where: Place) -> Place | None:
        """Where the argument `name` of a component stands, or would stand; None with a problem: it has none such."""
        if name == _SWITCH:
            return (*component, self.dialect.disabled)
        if name.startswith("@"):
            self.problems.say(where, f"a component has no attribute {name}; there is only {_SWITCH}")
            return None
        if not isinstance(node.get(self.dialect.args_key or "") or {}, Mapping):
            self.problems.say(where, f"args of {self.dialect.label(node)} is no mapping of names to values")
            return None
        args = self.dialect.args_of(node)
        if name in args:
            return self.dialect.arg_place(component, name)
        has, label = self.has_argument(node, name), self.dialect.label(node)
        if has:
            return self.dialect.arg_place(component, name)
        hint = did_you_mean(name, [*args, _SWITCH])
        if has is None:
            problem = f"{label} has no {name} among its arguments. {hint}If it takes one, write its usual value there"
        else:
            problem = f"{label} takes no argument {name}. {hint}"
        self.problems.say(where, problem)
        return None

    def _read_apply(self, component: Place, node: Mapping[str, Any], applied: Any) -> None:
        where = (*component, "apply")
        if not isinstance(applied, Mapping) or not all(isinstance(alias, str) for alias in applied.values()):
            self.problems.say(where, f'must be {{"argument": "alias"}}, not {describe(applied)}')
            return
        for name, written in applied.items():
            alias = str(self.variables.resolve(written)).removeprefix("@")
            column = self.drafts.aliases.get(alias)
            if column is None:
                known = list(self.drafts.aliases)
                listed = f"Known: {', '.join(known)}" if known else "No search item gives one (args: name#alias)"
                hint = did_you_mean(alias, known)
                self.problems.say((*where, name), f"nobody defines the alias {alias!r}. {hint}{listed}")
            site = self._applied_site(component, node, name, where)
            if column is not None:
                column.applied = True
                if site is not None:
                    self.drafts.apply(column, site, (*where, name), is_switch=bool(component) and name == _SWITCH)

    def _applied_site(self, component: Place, node: Mapping[str, Any], name: str, where: Place) -> Place | None:
        if component:
            return self._site(component, node, name, (*where, name))
        site = self._first_level_site(name, (*where, name))
        if site is None:
            self.problems.say((*where, name), "there is no such parameter at the first level of the configuration")
        return site

    def _say_stray(self, place: Place, node: Mapping[str, Any]) -> None:
        marks = " or ".join(self.dialect.marks)
        for key in NOTATION:
            if key in node and _looks_like_notation(key, node[key]):
                if "ref" in node:
                    problem = f"stands beside a ref; put it beside the component that {node['ref']!r} refers to"
                else:
                    problem = f"stands beside no component (a mapping with {marks}), so that nothing would be searched"
                self.problems.say((*place, key), problem)

    def _say_misplaced(self, place: Place, node: Mapping[str, Any]) -> None:
        if _looks_like_notation("search", node.get("search")):
            beside = shown(place[:-1])
            self.problems.say((*place, "search"), f"stands among the arguments; put it beside them, into {beside}")


def _is_section(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(item, Mapping) for item in value))


def _looks_like_notation(key: str, value: Any) -> bool:
    if key == "search":
        return isinstance(value, list) and any(isinstance(item, Mapping) and "targets" in item for item in value)
    return isinstance(value, Mapping) and bool(value) and all(isinstance(alias, str) for alias in value.values())

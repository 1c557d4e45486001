"""Which parameter of a task a short name such as `lr` stands for (pure)."""

from __future__ import annotations

from collections.abc import Collection

DEFAULT_SECTION = "General"
_FIRST_SECTIONS = (DEFAULT_SECTION, "Args")


def parameter_name(name: str, known: Collection[str]) -> str:
    """The parameter of a task with the parameters `known` that `name` stands for.

    That of this very name; else that of this name in the section General, in Args, in the one section that has it; else
    a new one: in General, where it names no section.
    """
    if name in known:
        return name
    for section in _FIRST_SECTIONS:
        if f"{section}/{name}" in known:
            return f"{section}/{name}"
    elsewhere = [one for one in known if one.partition("/")[2] == name]
    if len(elsewhere) == 1:
        return elsewhere[0]
    return name if "/" in name else f"{DEFAULT_SECTION}/{name}"

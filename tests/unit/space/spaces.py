"""Random spaces with conditions, for the property tests of this folder."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from meristem.space import Choice, Fixed, Float, Int, Parameter, Space

scalars = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=3), st.just(0.5))
json_values = st.one_of(scalars, st.lists(scalars, max_size=2))
names = st.one_of(
    st.sampled_from(["lr", "model", "größe", "学习率", "a b", "x.y", "`q`"]), st.text("abcxyz", min_size=1)
)


@st.composite
def floats(draw: st.DrawFn, when: Any) -> Float:
    low = draw(st.floats(-1e6, 1e6))
    width = draw(st.floats(0, 1e6))
    match draw(st.sampled_from(["plain", "log", "step"])):
        case "log":
            low = draw(st.floats(1e-12, 1e6))
            return Float(low, low * draw(st.floats(1, 1e9)), log=True, when=when)
        case "step":
            step, count = draw(st.sampled_from([0.1, 0.25, 1 / 3, 7.0])), draw(st.integers(1, 30))
            return Float(low, low + step * count, step=step, when=when)
    return Float(low, low + width, when=when)


@st.composite
def ints(draw: st.DrawFn, when: Any) -> Int:
    if draw(st.booleans()):
        low = draw(st.integers(1, 10**6))
        return Int(low, low + draw(st.integers(0, 2**42)), log=True, when=when)
    low, width = draw(st.integers(-(2**48), 2**48)), draw(st.one_of(st.integers(0, 9), st.integers(0, 2**48)))
    return Int(low, low + width, step=draw(st.sampled_from([None, 1, min(3, width) or None])), when=when)


@st.composite
def small(draw: st.DrawFn, when: Any) -> Parameter:
    """A parameter with few values."""
    match draw(st.sampled_from(["choice", "fixed", "int", "float"])):
        case "fixed":
            return Fixed(draw(json_values), when=when)
        case "int":
            low = draw(st.integers(-3, 3))
            return Int(low, low + draw(st.integers(0, 3)), when=when)
        case "float":
            return Float(0, 0.3, step=0.1, when=when)
    choices = draw(st.lists(json_values, min_size=1, max_size=4, unique_by=_identity))
    return Choice(choices, ordered=draw(st.booleans()), when=when)


@st.composite
def spaces(draw: st.DrawFn, finite: bool = False) -> Space:
    parameters: dict[str, Parameter] = {}
    for name in draw(st.lists(names, min_size=1, max_size=6, unique=True)):
        when = draw(whens(parameters)) if parameters and draw(st.booleans()) else None
        kinds = [small(when)] if finite else [small(when), floats(when), ints(when)]
        parameters[name] = draw(st.one_of(kinds))
    order = draw(st.permutations(list(parameters)))
    try:
        return Space({name: parameters[name] for name in order})
    except Exception as error:
        assert "never be active" in str(error)  # noqa: PT017 - contradicting parents may be drawn
        return Space({name: Choice([True, 1, "1", None]) for name in parameters})


@st.composite
def whens(draw: st.DrawFn, parameters: dict[str, Parameter]) -> dict[str, Any]:
    parents = draw(st.lists(st.sampled_from(sorted(parameters)), min_size=1, max_size=2, unique=True))
    return {parent: draw(st.lists(values(parameters[parent]), min_size=1, max_size=2)) for parent in parents}


def values(parameter: Parameter) -> st.SearchStrategy[Any]:
    if isinstance(parameter, Choice):
        return st.sampled_from(parameter.choices)
    return st.just(parameter.value if isinstance(parameter, Fixed) else parameter.low)  # type: ignore[attr-defined]


def _identity(value: Any) -> str:
    return (
        repr(float(value))
        if isinstance(value, (int, float)) and value is not True and value is not False
        else repr(value)
    )

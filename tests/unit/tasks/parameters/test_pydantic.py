"""pydantic models keep their own checks, which see all new values at once."""

from __future__ import annotations

from typing import Any

import pytest

from meristem.errors import InputError
from meristem.tasks.parameters.sections import flatten, replace

pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")


class Inner(pydantic.BaseModel):
    sizes: tuple[int, ...] = (1,)


class Limits(pydantic.BaseModel):
    low: int = pydantic.Field(1, alias="Low", ge=0)
    high: int = 2
    inner: Inner | None = None

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> Any:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


def test_a_model_is_changed_in_place_with_all_values_at_once():
    limits = Limits(inner=Inner())
    inner = limits.inner
    assert flatten(limits) == {"low": 1, "high": 2, "inner/sizes": [1]}
    replace(limits, {"low": "5", "high": 9, "inner/sizes": ["3", 4]})
    assert (limits.low, limits.high, inner.sizes) == (5, 9, (3, 4))
    assert limits.inner is inner


def test_its_checks_refuse_with_the_name():
    with pytest.raises(InputError, match="low: Input should be greater"):
        replace(Limits(), {"low": -1})
    with pytest.raises(InputError, match="low is above high"):
        replace(Limits(), {"low": 5})


def test_a_frozen_model_has_a_successor():
    class Frozen(pydantic.BaseModel, frozen=True):
        lr: float = 0.1

    first = Frozen()
    assert replace(first, {"lr": 0.5}).holder == Frozen(lr=0.5)
    assert first.lr == 0.1

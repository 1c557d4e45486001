"""Places a parameter's values in [0, 1] and reads them back: one codec a kind of parameter.

Value k of n lies at (k + 0.5) / n, the middle of its share, so that rounding never reaches a neighbour.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Protocol

from meristem.space.parameters import Choice, Fixed, Float, Int, Parameter
from meristem.space.values import dumps, identity, plain


class Codec(Protocol):
    """How the values of one parameter are placed, read back, listed and written.

    `encode` may raise KeyError, TypeError, ValueError or OverflowError for what is not a value;
    `canonical` and `text` take anything.
    """

    def encode(self, value: Any) -> float: ...

    def decode(self, unit: float) -> Any: ...

    def canonical(self, value: Any) -> Any:
        """The value as plain Python; what is not a value comes back unchanged."""
        ...

    def text(self, value: Any) -> str:
        """The value as canonical JSON: equal texts for equal values only."""
        ...

    def values(self, levels: int) -> Iterator[Any]:
        """All values in order, or `levels` of them from end to end where they are infinitely many."""
        ...

    def center(self) -> Any: ...


def codec_of(parameter: Parameter) -> Codec:
    """The codec for `parameter`, which must be free of problems."""
    match parameter:
        case Float() if parameter.cardinality is None:
            return _Continuous(parameter)
        case Float():
            return _FloatGrid(parameter)
        case Int(log=True):
            return _LogInt(parameter)
        case Int():
            return _IntGrid(parameter)
        case Choice():
            return _Category(parameter)
        case Fixed():
            return _Constant(parameter)
    raise TypeError(f"no codec for {type(parameter).__name__}")


class _Continuous:
    def __init__(self, parameter: Float) -> None:
        self.low, self.high, self.default = parameter.low, parameter.high, parameter.default
        self.log = parameter.log
        self.start = math.log(self.low) if self.log else self.low
        self.width = (math.log(self.high) if self.log else self.high) - self.start

    def encode(self, value: Any) -> float:
        position = math.log(value) if self.log else float(value + 0.0)
        # Neighbouring floats may have the same logarithm.
        return min(max((position - self.start) / self.width, 0.0), 1.0) if self.width > 0 else 0.5

    def decode(self, unit: float) -> float:
        if unit <= 0.0:
            return self.low
        if unit >= 1.0:
            return self.high
        position = self.start + unit * self.width
        value = math.exp(min(position, 709.78)) if self.log else position
        return min(max(value, self.low), self.high) + 0.0

    def canonical(self, value: Any) -> Any:
        value = plain(value)
        return value if isinstance(value, (bool, str)) or not _is_number(value) else float(value) + 0.0

    def text(self, value: Any) -> str:
        try:
            return repr(float(value + 0.0))
        except (TypeError, ValueError, OverflowError):
            return dumps(value)

    def values(self, levels: int) -> Iterator[float]:
        if levels == 1:
            yield self.decode(0.5)
        last = None
        for level in range(levels if levels > 1 else 0):
            value = self.decode(level / (levels - 1))
            if value != last:  # a very narrow range has fewer floats than levels
                yield value
            last = value

    def center(self) -> float:
        return self.decode(0.5) if self.default is None else self.default


class _Grid:
    """Evenly spaced values; `index_of` and `value_at` tell what they are."""

    count: int
    default: Any
    tolerance = 0.0  # how far a value may lie from the grid and still count as on it

    def index_of(self, value: Any) -> int:
        raise KeyError(value)

    def value_at(self, index: int) -> Any:
        raise KeyError(index)

    def encode(self, value: Any) -> float:
        return (min(max(self.index_of(value), 0), self.count - 1) + 0.5) / self.count

    def decode(self, unit: float) -> Any:
        return self.value_at(min(max(int(unit * self.count), 0), self.count - 1))

    def canonical(self, value: Any) -> Any:
        try:
            return self.value_at(self._exact_index(value))
        except (KeyError, TypeError, ValueError, OverflowError):
            return plain(value)

    def text(self, value: Any) -> str:
        try:
            return repr(self.value_at(self._exact_index(value)))
        except (KeyError, TypeError, ValueError, OverflowError):
            return dumps(plain(value))

    def values(self, levels: int) -> Iterator[Any]:
        return map(self.value_at, range(self.count))

    def center(self) -> Any:
        return self.decode(0.5) if self.default is None else self.canonical(self.default)

    def _exact_index(self, value: Any) -> int:
        value = plain(value)
        index = self.index_of(value)
        if not 0 <= index < self.count or abs(self.value_at(index) - value) > self.tolerance:
            raise KeyError(value)
        return index


class _FloatGrid(_Grid):
    def __init__(self, parameter: Float) -> None:
        self.low, self.high, self.default = parameter.low, parameter.high, parameter.default
        self.step = parameter.step or 1.0
        self.count = parameter.cardinality or 1
        self.digits = max(_decimals(self.low), _decimals(self.step))
        self.tolerance = 0.0 if parameter.step is None else 1e-6 * parameter.step

    def index_of(self, value: Any) -> int:
        return round((float(value + 0.0) - self.low) / self.step)

    def value_at(self, index: int) -> float:
        # 0.1 + 2 * 0.1 is 0.30000000000000004; people expect 0.3.
        return min(round(self.low + index * self.step, self.digits), self.high) + 0.0


class _IntGrid(_Grid):
    def __init__(self, parameter: Int) -> None:
        self.low, self.default = parameter.low, parameter.default
        self.step = parameter.step or 1
        self.count = parameter.cardinality or 1

    def index_of(self, value: Any) -> int:
        return (int(value + 0) - self.low) // self.step  # + 0: text is no number

    def value_at(self, index: int) -> int:
        return self.low + index * self.step

    def text(self, value: Any) -> str:
        try:
            whole = int(value + 0)
            return str(whole) if whole == value else dumps(plain(value))
        except (TypeError, ValueError, OverflowError):
            return dumps(plain(value))


class _LogInt(_IntGrid):
    def __init__(self, parameter: Int) -> None:
        super().__init__(parameter)
        self.start = math.log(self.low - 0.5)
        self.width = math.log(parameter.high + 0.5) - self.start

    def encode(self, value: Any) -> float:
        return min(max((math.log(value) - self.start) / self.width, 0.0), 1.0)

    def decode(self, unit: float) -> int:
        nearest: float = round(math.exp(self.start + min(max(unit, 0.0), 1.0) * self.width))
        return int(min(max(nearest, self.low), self.low + self.count - 1))


class _Category:
    def __init__(self, parameter: Choice) -> None:
        self.choices = tuple(parameter.choices)
        self.count = len(self.choices)
        self.default = self.choices[0] if parameter.default is None else parameter.default
        self.indices = {identity(choice): index for index, choice in enumerate(self.choices)}
        self.texts = {identity(choice): dumps(choice) for choice in self.choices}

    def encode(self, value: Any) -> float:
        return (self.indices[identity(value)] + 0.5) / self.count

    def decode(self, unit: float) -> Any:
        return _own(self.choices[min(max(int(unit * self.count), 0), self.count - 1)])

    def canonical(self, value: Any) -> Any:
        index = self.indices.get(identity(value))
        return plain(value) if index is None else _own(self.choices[index])

    def text(self, value: Any) -> str:
        return self.texts.get(identity(value)) or dumps(plain(value))

    def values(self, levels: int) -> Iterator[Any]:
        return map(_own, self.choices)

    def center(self) -> Any:
        return _own(self.choices[self.indices[identity(self.default)]])


class _Constant:
    def __init__(self, parameter: Fixed) -> None:
        self.value = parameter.value
        self.written = dumps(self.value)

    def encode(self, value: Any) -> float:
        return 0.5

    def decode(self, unit: float) -> Any:
        return _own(self.value)

    def canonical(self, value: Any) -> Any:
        return _own(self.value) if identity(value) == identity(self.value) else plain(value)

    def text(self, value: Any) -> str:
        return self.written if identity(value) == identity(self.value) else dumps(plain(value))

    def values(self, levels: int) -> Iterator[Any]:
        return iter((_own(self.value),))

    def center(self) -> Any:
        return _own(self.value)


def _own(value: Any) -> Any:
    """A copy where the caller could change it."""
    return copy.deepcopy(value) if isinstance(value, (list, dict)) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _decimals(value: float) -> int:
    exponent = Decimal(repr(value)).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0

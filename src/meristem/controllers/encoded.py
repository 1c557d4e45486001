"""A space as columns of numbers, which is how Gaussian processes see it, and what the columns allow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from meristem.bayesopt.kernel import Array, Kinds, Mask, Points
from meristem.bayesopt.optimize import Domain
from meristem.controllers.earlier import Lessons
from meristem.controllers.pins import Pins
from meristem.controllers.protocol import Observation
from meristem.errors import ParameterError
from meristem.space import Parameters, Space
from meristem.space.encoding import codec_of

_MOST_REMEMBERED = 2000
_MOST_ENTRIES = 16_000_000  # of distances between points: fewer points where there are many parameters
_FEWEST_ROWS = 50
_ENUMERABLE = 256
_COARSE = 16  # parameters of at most so many values are searched value by value, not along a gradient
_FINE = 1000  # of more values neighbours cannot be told apart


class EncodedSpace:
    """Encodes points of `space`; encoded trials are remembered, and found again by content.

    Attributes:
        kinds: What each column is.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        parameters = [space.parameters[name] for name in space.dimensions]
        self.kinds = Kinds(
            categorical=np.array([not p.ordinal for p in parameters], dtype=bool),
            conditional=np.array([p.when is not None for p in parameters], dtype=bool),
        )
        sizes = [p.cardinality for p in parameters]
        codecs = [codec_of(parameter) for parameter in parameters]
        self._smooth = np.array([size is None or size > _COARSE for size in sizes]) & ~self.kinds.categorical
        self._stepped = tuple((c, codec) for c, (codec, size) in enumerate(zip(codecs, sizes, strict=True)) if size)
        self._levels = tuple(
            None if size is None or size > _FINE else np.array([codec.encode(v) for v in codec.values(size)])
            for codec, size in zip(codecs, sizes, strict=True)
        )
        self._plain = not space.constraints and not self.kinds.conditional.any() and not any(sizes)
        self._rows: dict[tuple[int, int], tuple[Parameters, tuple[Array, Mask]]] = {}
        self._pool = self._whole_space()

    def rows_left(self, others: int) -> int:
        """Of how many trials a process may be, beside `others` points, for its memory to stay bounded."""
        return max(_FEWEST_ROWS, int((_MOST_ENTRIES / max(1, self.kinds.count)) ** 0.5) - others)

    def points(self, given: Sequence[Parameters]) -> Points:
        return Points.stack([self._encode(parameters) for parameters in given], self.kinds.count)

    def snapped(self, unit: Array) -> Array:
        """Places of the unit cube, shape (m, d), moved column by column to those of the values they stand for."""
        found = np.clip(unit, 0.0, 1.0)
        for column, codec in self._stepped:
            found[:, column] = [codec.encode(codec.decode(place)) for place in found[:, column].tolist()]
        return found

    def observed(self, observations: Sequence[Observation], study: int = -1) -> Points:
        """The points of trials; of an earlier study by its number."""
        if len(self._rows) > _MOST_REMEMBERED:
            self._rows.clear()
        rows = []
        for observation in observations:
            key = (study, observation.number)
            remembered = self._rows.get(key)
            if remembered is None or remembered[0] is not observation.parameters:
                remembered = (observation.parameters, self._encode(observation.parameters))
                self._rows[key] = remembered
            rows.append(remembered[1])
        return Points.stack(rows, self.kinds.count)

    def encodable(self, study: int, observations: Sequence[Observation]) -> tuple[Points, Mask]:
        """Points of another study as far as they lie in this space, and which these are."""
        fits = np.zeros(len(observations), dtype=bool)
        for row, observation in enumerate(observations):
            try:
                self.space.check(observation.parameters)
            except ParameterError:
                continue
            fits[row] = True
        return self.observed([o for o, fit in zip(observations, fits, strict=True) if fit], study), fits

    def domain(self, pins: Pins, lessons: Lessons) -> Domain:
        """Where to look for the next point: the space without what `pins` fix, with the column that `lessons` add."""
        count = self.kinds.count
        more = lessons.kinds.count - count
        smooth = np.append(self._smooth, np.zeros(more, dtype=bool))
        smooth[pins.columns] = False
        plain = self._plain and not pins

        def repair(vector: Array) -> tuple[Array, Mask] | None:
            unit = vector[:count]
            if plain:
                row = np.clip(unit, 0.0, 1.0), np.ones(count, dtype=bool)
            else:
                parameters = pins.point(self.space, unit)
                if not self.space.is_feasible(parameters):
                    return None
                row = self._encode(parameters)
            return lessons.extend(*row)

        pool = self._pool
        if pool is not None:
            rows = [row for row in map(repair, pool.unit) if row is not None]
            unique = {row[0].tobytes(): row for row in rows} if pins else dict(enumerate(rows))
            pool = Points.stack(list(unique.values()), lessons.kinds.count)
        levels = [None if column in pins.columns else places for column, places in enumerate(self._levels)]
        return Domain(kinds=lessons.kinds, smooth=smooth, levels=(*levels, *[None] * more), repair=repair, pool=pool)

    def _encode(self, parameters: Parameters) -> tuple[Array, Mask]:
        return self.space.encode(parameters), self.space.active_mask(parameters)

    def _whole_space(self) -> Points | None:
        if self.space.size is None or self.space.size > _ENUMERABLE:
            return None
        return self.points(list(self.space.points()))

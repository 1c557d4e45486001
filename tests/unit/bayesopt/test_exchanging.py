"""Exchanging a column is the same as predicting anew, also where other columns come and go with it."""

from __future__ import annotations

import numpy as np
import pytest

import meristem as ms
from meristem.bayesopt.exchanging import Exchange
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Hyperparameters
from meristem.controllers.activity import Activity
from meristem.controllers.encoded import EncodedSpace

CONDITIONAL = ms.Space({
    "model": ms.Choice(["a", "b", "c"]), "rate": ms.Float(1e-4, 1, log=True, when={"model": ["a", "b"]}),
    "kind": ms.Choice(["u", "v"], when={"model": "b"}), "deep": ms.Int(1, 5, when={"kind": "v"}), "x": ms.Float(0, 1),
})  # fmt: skip
PLAIN = ms.Space({"x": ms.Float(0, 1), "y": ms.Int(0, 4), "z": ms.Choice(["a", "b"]), "w": ms.Float(0, 2)})


@pytest.mark.parametrize("share", [0.0, 0.4])
@pytest.mark.parametrize("space", [PLAIN, CONDITIONAL], ids=["plain", "conditional"])
def test_exchanged_columns_are_predicted_as_the_points_that_they_make(space: ms.Space, share: float) -> None:
    rng, encoded, count = np.random.default_rng(3), EncodedSpace(space), len(space.dimensions)
    tried = encoded.points([space.decode(row) for row in rng.random((12, count))])
    hyper = Hyperparameters(scales=np.linspace(0.3, 0.9, count), signal=1.3, noise=0.01, share=share, narrowing=0.5)
    process = GaussianProcess(tried, rng.normal(size=12), encoded.kinds, hyper)
    activity = Activity(space)
    exchange = Exchange(process, activity, activity.dependants)

    def predicted(unit: np.ndarray) -> np.ndarray:
        return process.predict(encoded.points([space.decode(row) for row in unit])).mean

    one, other = (encoded.snapped(rng.random((9, count))) for _ in range(2))
    assert exchange.means(one) == pytest.approx(predicted(one))
    found = exchange.exchanged(one, other)
    for column in range(count):
        mixed = one.copy()
        mixed[:, column] = other[:, column]
        assert found[column] == pytest.approx(predicted(mixed)), space.dimensions[column]


def test_columns_are_active_as_in_the_space() -> None:
    unit = EncodedSpace(CONDITIONAL).snapped(np.random.default_rng(1).random((40, 5)))
    expected = [CONDITIONAL.active_mask(CONDITIONAL.decode(row)) for row in unit]
    assert (Activity(CONDITIONAL)(unit) == np.array(expected)).all()
    assert [found.tolist() for found in Activity(CONDITIONAL).dependants] == [[1, 2, 3], [], [3], [], []]

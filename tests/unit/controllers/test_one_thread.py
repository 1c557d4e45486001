"""Linear algebra takes one thread inside, and as many as before afterwards, whoever else asked meanwhile."""

from __future__ import annotations

import threading

import pytest
from threadpoolctl import threadpool_info

import meristem.controllers.insight as insight_module
from meristem.bayesopt.cross_validation import leave_one_out
from meristem.controllers.insight import Insight
from meristem.controllers.one_thread import one_thread, pools
from meristem.space import Float, Space


def counts() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_the_limit_ends_with_the_last_that_asked_for_it() -> None:
    with pools().limit(limits=2):  # as on a machine with two cores
        first, second = one_thread(), one_thread()
        first.__enter__()
        second.__enter__()
        assert counts() == {1}
        first.__exit__(None, None, None)
        assert counts() == {1}
        second.__exit__(None, None, None)
        assert counts() == {2}


def test_one_thread_in_many_threads_leaves_things_as_they_were() -> None:
    def work() -> None:
        for _ in range(20):
            with one_thread():
                pass

    with pools().limit(limits=2):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts() == {2}


def test_what_trials_tell_is_computed_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []

    def watched(process: object) -> object:
        seen.append(counts())
        return leave_one_out(process)  # type: ignore[arg-type]

    monkeypatch.setattr(insight_module, "leave_one_out", watched)
    points = [{"x": place / 9} for place in range(10)]
    with pools().limit(limits=2):
        Insight(Space({"x": Float(0, 1)}), points, [p["x"] ** 2 for p in points], maximize=False).cross_validation()
    assert seen == [{1}]

"""What recognises Clara's components, finds what they import, and is shipped with them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from meristem.clara import (
    Context,
    Controller,
    Executor,
    FloatRange,
    Handler,
    Outcome,
    Recommendation,
    SearchSpace,
    TestController,
    WorkerConfig,
    make_automl_importable,
    vendor_class,
)
from meristem.clara.interfaces import is_claras
from meristem.clara.scores import is_missing, score_told
from meristem.components import ComponentSpec, find_class
from meristem.errors import InputError, UnknownComponent
from meristem.executors.clara import ClaraExecutor
from meristem.handlers.clara import ClaraHandler
from meristem.handlers.stats import Stats


class Plain:
    def determine_search_space(self, ctx: Any) -> None: ...
    def execute(self, recommendation: Any, ctx: Any) -> None: ...


class OnlyEnds:
    def end_automl(self, ctx: Any) -> None: ...


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An interpreter that has not seen `automl`."""
    shims = [entry for entry in sys.path if entry.endswith("shim")]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *(e for e in sys.path if e not in shims)])
    for name in [n for n in sys.modules if n.partition(".")[0] == "automl"]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    return tmp_path


def test_components_are_known_by_their_methods() -> None:
    assert is_claras("executor", Plain)
    assert is_claras("executor", Plain())
    assert is_claras("handler", OnlyEnds())
    assert is_claras("handler", Handler)
    assert not is_claras("handler", Stats())
    assert not is_claras("executor", ClaraExecutor(Plain()))
    assert not is_claras("handler", Plain)
    assert not is_claras("controller", Plain)


def test_the_abstract_classes_ask_for_what_clara_s_asked_for() -> None:
    for kind, methods in (
        (Controller, {"set_search_space", "initial_recommendation", "refine_recommendation"}),
        (Executor, {"determine_search_space", "execute"}),
    ):
        assert kind.__abstractmethods__ == methods  # type: ignore[attr-defined]
        with pytest.raises(TypeError):
            kind()


def test_a_handler_passes_events_on_to_its_methods() -> None:
    seen: list[Any] = []

    class Mine(Handler):
        def end_job(self, ctx: Context) -> None:
            seen.append(ctx)

    context = Context()
    Mine().handle_event("end_job", context)
    Mine().handle_event("something new", context)
    assert seen == [context]


@pytest.mark.parametrize("adapter", [ClaraExecutor, ClaraHandler])
@pytest.mark.parametrize("given", [5, Plain, OnlyEnds])
def test_adapters_take_nothing_else(adapter: Any, given: Any) -> None:
    with pytest.raises(InputError, match="in the style of Clara AutoML"):
        adapter(given)


def test_a_component_that_imports_automl_is_found_by_path(clean: Path) -> None:
    (clean / "automl" / "run1").mkdir(parents=True)  # an MMAR keeps its runs in a folder of that name
    (clean / "their_handler.py").write_text(
        "from automl.defs import ContextKey, MMARPropKey, ProcessStatus, SearchResult, Status\n"
        "from automl.workflows import TestController, WorkerConfig\n"
        "from automl.components.handlers.handler import Handler\n"
        "class Mine(Handler): pass\n"
    )
    found = find_class("handler", ComponentSpec(path="their_handler.Mine"))
    assert issubclass(found, Handler)


def test_an_installed_automl_comes_first(clean: Path) -> None:
    (clean / "automl").mkdir()
    (clean / "automl" / "__init__.py").write_text("mine = True\n")
    make_automl_importable()
    make_automl_importable()
    assert importlib.import_module("automl").mine
    (clean / "needs_more.py").write_text("import automl.defs\n")
    with pytest.raises(UnknownComponent, match=r"No module named 'automl\.defs'"):
        find_class("handler", ComponentSpec(path="needs_more.X"))
    assert sum(entry.endswith("shim") for entry in sys.path) == 1


def test_other_modules_that_are_missing_bring_no_stand_in(clean: Path) -> None:
    (clean / "broken.py").write_text("import automlx\n")
    with pytest.raises(UnknownComponent, match="No module named 'automlx'"):
        find_class("handler", ComponentSpec(path="broken.X"))
    assert not any(entry.endswith("shim") for entry in sys.path)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("nvmidl.apps.automl.mmar_executor.MMARExecutor", "MMARExecutor"),
        ("medl.apps.automl.handlers:StatsHandler", "StatsHandler"),
        ("automl.workflows.TestController", "TestController"),
        ("my_automl.MMARExecutor", None),
        ("automlx.A", None),
        ("nvmidl.apps.MMARExecutor", None),
        ("MMARExecutor", None),
    ],
)
def test_paths_into_claras_own_packages_name_a_class(path: str, name: str | None) -> None:
    assert vendor_class(path) == name


def test_a_worker_lists_its_gpus() -> None:
    assert WorkerConfig("W1", [0, 2]).gpu_list_string() == "0,2"


def test_the_test_controller_gives_so_many_at_once_and_in_all() -> None:
    space, context = SearchSpace({"a.float": [FloatRange(1, 2)], "b.enum": [[1], [2]]}), Context()
    context.set_prop("seed", 3)

    def play() -> list[Recommendation]:
        controller = TestController(total_recs=5, max_recs_each_time=3)
        controller.set_search_space(space, context)
        found = controller.initial_recommendation(context)
        assert len(found) == 3
        for _ in range(3):
            found += controller.refine_recommendation(Outcome(score=1, recommendation_id=0), context)
        return found

    found = play()
    assert [r.rec_id for r in found] == [0, 1, 2, 3, 4]
    assert [r.result.values for r in found] == [r.result.values for r in play()]
    assert all(1 <= r.result.values["a.float"] <= 2 and r.result.values["b.enum"] in (0, 1) for r in found)


# Scores


@pytest.mark.parametrize(
    ("score", "loss", "as_returned", "several", "told"),
    [
        (0.9, -0.9, False, False, 0.9),
        (0.3, 0.3, True, False, -0.3),  # the study makes it small: higher is better all the same
        ({"a": 0.9}, -0.9, False, False, 0.9),
        ({"a": 0.9}, -0.9, True, False, {"a": 0.9}),
        ([0.9, 0.1], -0.9, False, False, 0.9),
        ("fine", -0.9, False, False, "fine"),
        ({"a": 1.0, "b": 2.0}, 1.0, False, True, {"a": 1.0, "b": 2.0}),
        (None, -0.9, True, False, 0.9),
        (None, None, True, False, None),
        ({"other": 1.0}, None, False, False, None),
    ],
)
def test_higher_scores_are_better(score: Any, loss: Any, as_returned: bool, several: bool, told: Any) -> None:
    assert score_told(score, loss, as_returned=as_returned, several=several) == told


def test_claras_mark_is_no_score() -> None:
    assert is_missing(-1000000.0)
    assert is_missing(-1000000)
    assert not is_missing(-999999.0)
    assert not is_missing("x")

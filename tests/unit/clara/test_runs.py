"""Clara's components in runs of a study: one context, recommendations as they were given, what ends a run."""

from __future__ import annotations

import time
from typing import Any

import pytest

import meristem as ms
from fakes import Recorder, ScriptedExecutor, failed
from meristem.clara import Context, ContextKey, FloatRange, Recommendation, SearchResult, SearchSpace, Status
from meristem.clara.run import ClaraRun
from meristem.controllers.asha import AshaController
from meristem.errors import ComponentFailed, InputError
from meristem.study.clara_parts import clara_parts


class Stepper:
    """Gives its points in order, one after each outcome; the ids are its own."""

    def __init__(self, points: list[dict[str, Any]], at_once: int = 1, stop_after: int | None = None) -> None:
        self.points, self.at_once, self.stop_after = points, at_once, stop_after
        self.given: list[Recommendation] = []
        self.outcomes: list[Any] = []
        self.contexts: list[Context] = []

    def set_search_space(self, space: Any, ctx: Context) -> None:
        self.space = space
        ctx.set_prop("from controller", 1)

    def initial_recommendation(self, ctx: Context) -> list[Recommendation]:
        return self._next(self.at_once)

    def refine_recommendation(self, outcome: Any, ctx: Context) -> list[Recommendation]:
        self.contexts.append(ctx)
        self.outcomes.append(outcome)
        if self.stop_after == len(self.outcomes):
            ctx.stop_work(self, "done")
        return self._next(1)

    def _next(self, count: int) -> list[Recommendation]:
        points, self.points = self.points[:count], self.points[count:]
        new = [Recommendation(f"r{len(self.given) + i}", SearchResult(self.space, p)) for i, p in enumerate(points)]
        self.given += new
        return new


class Runner:
    """Returns its lr; remembers what it was given."""

    targets: Any = {"lr.float": [FloatRange(0, 1)], "net.enum": [["a"], ["b"]]}  # noqa: RUF012

    def __init__(self, score: Any = None) -> None:
        self.score, self.seen, self.contexts, self.ended = score, [], [], 0

    def determine_search_space(self, ctx: Context) -> Any:
        ctx.set_prop("from executor", 2)
        return SearchSpace(self.targets) if self.targets else None

    def execute(self, recommendation: Any, ctx: Context) -> Any:
        self.seen.append(recommendation)
        self.contexts.append(ctx)
        return self.score(ctx) if self.score else recommendation.result.values["lr.float"]

    def shutdown(self, ctx: Context) -> None:
        self.ended += 1


class Watcher:
    def __init__(self) -> None:
        self.jobs: list[Context] = []
        self.main: list[Context] = []
        self.recommended: list[Any] = []

    def start_automl(self, ctx: Context) -> None:
        self.main.append(ctx)

    def recommendations_available(self, ctx: Context) -> None:
        self.recommended += ctx.get_prop(ContextKey.RECOMMENDATIONS)

    def end_job(self, ctx: Context) -> None:
        self.jobs.append(ctx)


POINTS = [{"lr.float": 0.2, "net.enum": 1}, {"lr.float": 0.4, "net.enum": 0}, {"lr.float": 0.6, "net.enum": 1}]


def study_of(parts: Any, **options: Any) -> ms.Study:
    return ms.Study("c", space=parts.space, objective=parts.objective, controller=parts.controller, **options)


def run(controller: Any, executor: Any, handlers: Any = (), **options: Any) -> ms.Study:
    parts = clara_parts(controller, executor, handlers)
    return study_of(parts).run(executor=parts.executor, handlers=[*parts.handlers, Recorder()], **options)


def test_all_components_share_one_context_and_jobs_have_children_of_it() -> None:
    controller, executor, watcher = Stepper(POINTS), Runner(), Watcher()
    parts = clara_parts(controller, executor, [watcher])
    parts.context.set_prop("set before", 3)
    study_of(parts).run(executor=parts.executor, handlers=parts.handlers, parallel=2)
    [main] = watcher.main
    assert all(context is main for context in controller.contexts)
    assert main is parts.context
    found = [main.get_prop(key) for key in ("from controller", "from executor", "set before")]
    assert found == [1, 2, 3]
    assert executor.contexts == watcher.jobs
    assert [job.get_prop("from executor") for job in watcher.jobs] == [2, 2, 2]
    assert main.get_prop(ContextKey.SEARCH_SPACE) is controller.space
    assert isinstance(controller.space, SearchSpace)


def test_recommendations_reach_executor_and_handlers_as_they_were_given() -> None:
    controller, executor, watcher = Stepper(POINTS), Runner(), Watcher()
    study = run(controller, executor, [watcher])
    assert executor.seen == controller.given
    assert watcher.recommended == controller.given
    assert [o.recommendation_id for o in controller.outcomes] == ["r0", "r1", "r2"]
    assert [o.score for o in controller.outcomes] == [0.2, 0.4, 0.6]
    assert [t.parameters["net.enum"] for t in study.trials] == ["b", "a", "b"]
    assert [job.get_prop(ContextKey.JOB_NAME) for job in watcher.jobs] == ["W1_1_J1", "W1_2_J2", "W1_3_J3"]


def test_other_controllers_recommendations_are_made_for_claras_executors() -> None:
    executor = Runner()
    study = run("random", executor, trials=3)
    assert [r.rec_id for r in executor.seen] == [1, 2, 3]
    for seen, trial in zip(executor.seen, study.trials, strict=True):
        assert seen.result.values == {
            "lr.float": trial.parameters["lr.float"], "net.enum": "ab".index(trial.parameters["net.enum"]),
        }  # fmt: skip


def test_a_fresh_controller_that_repeats_itself_goes_on_after_a_resume() -> None:
    store = ms.Study("c", space=ms.Space({"x": ms.Float(0, 1)}), objective="a").store
    points = [{"lr.float": n / 10, "net.enum": 0} for n in range(1, 9)]

    def go(trials: int) -> tuple[Stepper, Runner]:
        controller, executor = Stepper(list(points), at_once=2), Runner()
        parts = clara_parts(controller, executor)
        study = ms.Study("d", space=parts.space, objective="score", controller=parts.controller, store=store, seed=1)
        study.run(executor=parts.executor, handlers=[], trials=trials)
        return controller, executor

    go(3)
    controller, executor = go(6)
    assert [o.score for o in controller.outcomes[:5]] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert [r.rec_id for r in executor.seen] == ["r3", "r4", "r5"]


def test_what_a_controller_gave_for_other_parameters_is_not_taken_for_a_trials_own() -> None:
    run, space = ClaraRun(), ms.Space({"x.float": ms.Float(0, 1)})
    mine = Recommendation("mine", SearchResult(run.know(space).search_space, {"x.float": 0.5}))
    run.recommended = [(mine, {"x.float": 0.5})]
    origin = {"by": "component", "index": 0, "rec_id": "before"}
    assert run.recommendation(7, {"x.float": 0.5}, origin) is mine
    assert run.recommendation(7, {"x.float": 0.5}, {"by": "asha", "inner": origin}) is mine
    anew = run.recommendation(7, {"x.float": 0.25}, origin)  # it did not repeat itself after a resume
    assert (anew.rec_id, anew.result.values) == ("before", {"x.float": 0.25})
    assert run.recommendation(7, {"x.float": 0.5}, {"by": "sobol", "index": 0}).rec_id == 7


def test_failures_have_no_score_and_fail_alone() -> None:
    def score(ctx: Context) -> Any:
        if len(executor.seen) == 1:
            raise ValueError("bad luck")
        if len(executor.seen) == 2:
            try:
                raise OSError("disk")
            except OSError:
                ctx.exception_occurred("runner")
        return {3: None, 4: -1000000.0, 5: "text", 6: float("nan")}.get(len(executor.seen), 0.5)

    executor, controller, watcher = Runner(score), Stepper([POINTS[0]] * 7), Watcher()
    study = run(controller, executor, [watcher], max_failure_rate=1.0)
    assert [t.error for t in study.trials] == [
        "ValueError: bad luck",
        "runner: OSError: disk",
        "Runner.execute returned None; return a number or a dict of metrics, such as {\"accuracy\": 0.93}.",
        "it never validated: -1000000.0 is Clara's mark for no score",
        "Runner.execute returned 'text' (str); return a number or a dict of metrics, such as {\"accuracy\": 0.93}.",
        "the objective 'score' is nan, which no search can use",
        None,
    ]  # fmt: skip
    assert [o.score for o in controller.outcomes] == [-1e6] * 6 + [0.5]
    statuses = [job.get_prop(ContextKey.JOB_STATUS) for job in watcher.jobs]
    assert statuses == [Status.FAILED] * 6 + [Status.COMPLETED]
    assert [job.get_prop(ContextKey.SCORE, "none") for job in watcher.jobs] == ["none"] * 6 + [0.5]


def test_metrics_by_name_stay_so_between_claras_components() -> None:
    controller, watcher = Stepper(POINTS), Watcher()
    run(controller, Runner(lambda ctx: {"score": 0.5, "dice": 0.7}), [watcher])
    assert controller.outcomes[0].score == {"score": 0.5, "dice": 0.7}
    assert watcher.jobs[0].get_prop(ContextKey.SCORE) == {"score": 0.5, "dice": 0.7}


def test_a_job_that_times_out_is_aborted_and_told_so_alone() -> None:
    aborted: list[Context] = []

    class Slow(Runner):
        def execute(self, recommendation: Any, ctx: Context) -> Any:
            if recommendation.result.values["lr.float"] < 0.3:
                while not ctx.stop_work_asked():
                    time.sleep(0.005)
            return 0.5

        def abort(self, ctx: Context) -> None:
            aborted.append(ctx)
            raise RuntimeError("abort is broken, too")

    watcher = Watcher()
    study = run(Stepper(POINTS), Slow(), [watcher], timeout=0.05, max_failure_rate=1.0)
    assert [t.error for t in study.trials] == ["timed out after 0.05 s", None, None]
    assert aborted == [watcher.jobs[0]]
    assert not watcher.main[0].stop_work_asked()


def test_a_second_run_goes_on_though_a_handler_stopped_the_first() -> None:
    class Once(Watcher):
        def end_job(self, ctx: Context) -> None:
            super().end_job(ctx)
            if len(self.jobs) == 1:
                ctx.set_prop("mine", 1)
                ctx.stop_work(self, "enough")

    controller, executor, handler = Stepper(POINTS), Runner(), Once()
    parts = clara_parts(controller, executor, [handler])
    study = study_of(parts)
    study.run(executor=parts.executor, handlers=parts.handlers)
    assert study.counts() == {"completed": 1}
    study.run(executor=parts.executor, handlers=parts.handlers)
    assert study.counts() == {"completed": 3}
    first, second = handler.main
    assert first is not second
    assert second.get_prop("from controller") == 1
    assert not second.stop_work_asked()


def test_a_second_run_ends_at_once_where_the_controller_had_asked_to_stop() -> None:
    controller = Stepper(POINTS, stop_after=1)
    parts = clara_parts(controller, Runner(), [watcher := Watcher()])
    study = study_of(parts)
    for _ in range(2):
        study.run(executor=parts.executor, handlers=parts.handlers)
        assert (study.counts(), study.status) == ({"completed": 1}, "completed")
    assert watcher.main[1].get_stop_message() == "Stepper: done"


def test_a_controller_inside_another_shares_the_context_too() -> None:
    controller, watcher = Stepper(POINTS), Watcher()
    executor = Runner()
    run(AshaController(controller), executor, [watcher])
    assert executor.seen == controller.given
    assert controller.contexts[0] is watcher.main[0]


def test_an_executor_without_a_space_uses_the_study_s() -> None:
    class Blank(Runner):
        targets = None

    executor = Blank(lambda ctx: 0.5)
    study = ms.Study("b", space={"x": ms.Float(0, 1)}, objective="score", controller="random")
    study.run(executor=executor, trials=1, handlers=[])
    assert list(executor.seen[0].result.values) == ["space.float.$0:x"]
    assert executor.ended == 1
    with pytest.raises(InputError, match="Blank determines no search space"):
        _ = clara_parts("random", Blank()).space


def test_a_space_that_cannot_be_determined_is_told_before_anything_starts() -> None:
    class Broken(Runner):
        def determine_search_space(self, ctx: Context) -> Any:
            raise KeyError("config")

    study = ms.Study("b", space={"x": ms.Float(0, 1)}, objective="score", controller="random")
    with pytest.raises(InputError, match=r"(?s)Broken could not determine its search space.*KeyError: 'config'"):
        study.run(executor=Broken(), trials=1)
    assert study.status == "created"


def test_a_handler_that_raises_is_told_by_its_own_name() -> None:
    class Bad:
        def end_job(self, ctx: Context) -> None:
            raise RuntimeError("no")

    with pytest.raises(ComponentFailed, match="The handler Bad raised: RuntimeError: no"):
        run(Stepper(POINTS), Runner(), [Bad()])


def test_handlers_hear_of_retries_and_of_other_executors_trials() -> None:
    watcher = Watcher()
    script = ScriptedExecutor(lambda a: failed() if a.attempt == 1 else 0.25)
    study = ms.Study("b", space={"x": ms.Float(0, 1)}, objective="-loss", controller="random")
    study.run(executor=script, handlers=[watcher], trials=1, retries=1)
    assert [job.get_prop(ContextKey.JOB_STATUS) for job in watcher.jobs] == ["failed", "completed"]
    assert [job.get_prop(ContextKey.SCORE) for job in watcher.jobs] == [None, -0.25]


def test_gpus_and_slots_come_from_the_adapter() -> None:
    study = ms.Study("b", space={"x": ms.Float(0, 1)}, objective="score", controller="random")
    executor = Runner(lambda ctx: 0.5)
    executor.targets = None
    study.run(executor=executor, gpus="0,1:GPU-7", parallel=5, trials=4, handlers=[watcher := Watcher()])
    gpus = {job.get_prop(ContextKey.JOB_NAME)[:2]: job.get_prop(ContextKey.GPUS) for job in watcher.jobs}
    assert gpus == {"W1": [0, 1], "W2": ["GPU-7"]}
    assert watcher.main[0].get_prop(ContextKey.NUM_WORKERS) == 2


def test_a_controller_that_cannot_work_with_the_space_ends_the_study_with_its_reason() -> None:
    class Picky(Stepper):
        def set_search_space(self, space: Any, ctx: Context) -> None:
            ctx.stop_work(self, "only floats, please")

        def initial_recommendation(self, ctx: Context) -> list[Recommendation]:
            raise AssertionError("it is not asked any more")

    study = run(Picky([]), Runner())
    row = study.store.studies.get("c")
    assert (row.status, row.message) == ("completed", "the controller asked to stop: Picky: only floats, please")


def test_recommendations_may_come_in_any_sequence() -> None:
    class Lazy(Stepper):
        def _next(self, count: int) -> Any:
            return iter(super()._next(count))

    executor = Runner()
    run(Lazy(POINTS, at_once=2), executor)
    assert [seen.rec_id for seen in executor.seen] == ["r0", "r1", "r2"]


def test_positions_that_there_are_not_are_told_as_the_controllers_mistake() -> None:
    with pytest.raises(
        ComponentFailed, match=r"(?s)controller Stepper raised.*net\.enum: must be the position of a choice"
    ):
        run(Stepper([{"lr.float": 0.5, "net.enum": 2}]), Runner())

"""TensorBoard logs, read back by TensorBoard's own reader and HPARAMS tab."""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import meristem as ms
from fakes import ScriptedExecutor, failed
from meristem.errors import InputError
from meristem.handlers.event_file import EventFile, SessionStatus, event_files, is_complete
from meristem.handlers.handler import Handler
from meristem.handlers.tensorboard import TensorboardLog
from meristem.spool import Measurement
from meristem.study.protocols import Attempt, Report

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
SPACE = {"x": ms.Float(0, 1), "n": ms.Int(1, 9), "kind": ms.Choice(["a", "b"]), "flag": ms.Choice([True, False])}


class Read:
    """What TensorBoard shows of a log directory."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install 'meristem[tensorboard]'")
        from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
        from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
        from tensorboard.context import RequestContext
        from tensorboard.plugins.base_plugin import TBContext
        from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

        self.multiplexer = EventMultiplexer()
        self.multiplexer.AddRunsFromDirectory(str(folder))
        self.multiplexer.Reload()
        provider = MultiplexerDataProvider(self.multiplexer, str(folder))
        context = backend_context.Context(TBContext(data_provider=provider, logdir=str(folder)))
        asked, of = RequestContext(), ""
        data = context.hparams_metadata(asked, of)
        hparams = context.hparams_from_data_provider(asked, of, None)
        self.experiment = context.experiment_from_metadata(asked, of, True, data, hparams)
        wanted = api_pb2.ListSessionGroupsRequest(
            start_index=0,
            slice_size=1000,
            allowed_statuses=[0, 1, 2, 3],
            col_params=[api_pb2.ColParams(hparam=i.name) for i in self.experiment.hparam_infos]
            + [api_pb2.ColParams(metric=i.name) for i in self.experiment.metric_infos],
        )
        found = list_session_groups.Handler(asked, context, of, wanted).run()
        self.groups = {group.name.rpartition("/")[2]: group for group in found.session_groups}

    @property
    def runs(self) -> list[str]:
        return sorted(self.multiplexer.Runs())

    def tags(self, run: str) -> set[str]:
        return {tag for tag in self.multiplexer.Runs()[run]["tensors"] if not tag.startswith("_hparams_")}

    def scalars(self, run: str, tag: str) -> list[tuple[int, float]]:
        return [(e.step, float(e.tensor_proto.float_val[0])) for e in self.multiplexer.Tensors(run, tag)]

    def text(self, run: str, tag: str) -> str:
        (event,) = self.multiplexer.Tensors(run, tag)
        return str(event.tensor_proto.string_val[0].decode())

    def metrics(self, group: str) -> dict[str, float]:
        return {value.name.tag: value.value for value in self.groups[group].metric_values}

    def statuses(self, group: str) -> list[int]:
        return [session.status for session in self.groups[group].sessions]


def reporting(attempt: Attempt, executor: ScriptedExecutor, steps: int = 3) -> float:
    executor.measured[attempt.number] = [
        Measurement(metric="a", step=step, value=attempt.number + step / 10, at=100.0 + step) for step in range(steps)
    ]
    return float(attempt.number)


def run(
    log: TensorboardLog, script: Any = None, *, trials: int = 3, store: str | None = None, **options: Any
) -> ms.Study:
    study = ms.Study("s", space=SPACE, objective="a", controller="random", seed=1, store=store)
    executor = ScriptedExecutor(script or (lambda a: reporting(a, executor)))
    return study.run(executor=executor, handlers=[log], trials=trials, **options)


def test_tensorboard_shows_curves_results_and_parameters_of_each_trial() -> None:
    study = run(TensorboardLog())
    seen = Read(study.folder / "tensorboard")
    assert seen.runs == ["00001", "00002", "00003"]
    assert seen.scalars("00002", "a") == [(0, 2.0), (1, float(np.float32(2.1))), (2, float(np.float32(2.2)))]
    assert seen.scalars("00002", "final/a") == [(2, 2.0)]
    parameters = study.trials[1].parameters
    assert seen.text("00002", "trial 2").splitlines()[0] == f"    x => {parameters['x']}"
    assert {line.split("=>")[0].strip() for line in seen.text("00002", "trial 2").splitlines()} == set(SPACE)


def test_tensorboard_compares_trials_by_parameters_and_results() -> None:
    study = run(TensorboardLog())
    seen = Read(study.folder / "tensorboard")
    assert {i.name: i.type for i in seen.experiment.hparam_infos} == {"x": 3, "n": 3, "kind": 1, "flag": 2}
    assert {i.name.tag for i in seen.experiment.metric_infos} == {"a", "final/a"}
    for trial in study.trials:
        group = f"{trial.number:05d}"
        hparams = seen.groups[group].hparams
        assert hparams["x"].number_value == trial["x"]
        assert hparams["kind"].string_value == trial["kind"]
        assert hparams["flag"].bool_value == trial["flag"]
        assert seen.metrics(group)["final/a"] == trial.value
        assert seen.statuses(group) == [1]


def test_trials_that_fail_or_are_tried_again_are_shown_as_such() -> None:
    study = run(TensorboardLog(), lambda a: failed("no <memory>") if a.attempt == 1 else 1.0, trials=1, retries=1)
    seen = Read(study.folder / "tensorboard")
    assert seen.runs == ["00001", "00001.2"]
    assert "no <memory>" in seen.text("00001", "error")
    assert seen.statuses("00001") == [2, 1]
    assert seen.metrics("00001")["final/a"] == 1.0


def test_values_that_are_no_numbers_do_not_hide_the_others(tmp_path: Path) -> None:
    study = run(TensorboardLog(tmp_path / "with space ü"), lambda a: {"a": 1.0, "b": math.nan, "c": 1e300}, trials=1)
    seen = Read(tmp_path / "with space ü")
    (name,) = seen.runs
    assert name == f"{study.folder.name}/00001"
    assert math.isnan(seen.metrics("00001")["final/b"])
    assert seen.metrics("00001")["final/c"] == pytest.approx(3.4e38, rel=0.01)


def test_a_job_is_shown_under_its_own_name() -> None:
    class Deploying(ScriptedExecutor):
        def poll(self, timeout: Any) -> Any:
            found = list(super().poll(timeout))
            return [Report(number=r.number, deployment={"folder": f"/jobs/W1_{r.number}_J7"}) for r in found] + found

    study = ms.Study("s", space=SPACE, objective="a", controller="random", seed=1)
    study.run(executor=Deploying(), handlers=[TensorboardLog()], trials=1)
    assert Read(study.folder / "tensorboard").tags("00001") == {"W1_1_J7", "final/a"}


def test_what_a_killed_engine_left_is_put_right_by_the_next_run(tmp_path: Path) -> None:
    class Dies(Handler):
        def trial_ended(self, event: Any, run: Any) -> None:
            if event.trial.number == 2:
                raise KeyboardInterrupt

    store = f"sqlite:///{tmp_path}/store.db"
    study = ms.Study("s", space=SPACE, objective="a", controller="random", seed=1, store=store)
    executor = ScriptedExecutor(lambda a: reporting(a, executor))
    with pytest.raises(KeyboardInterrupt):  # before the log hears of the end of the second trial
        study.run(executor=executor, handlers=[Dies(), TensorboardLog()], trials=3, parallel=1)
    logs = study.folder / "tensorboard"
    (torn,) = event_files(logs / "00002")
    os.truncate(torn, torn.stat().st_size - 3)
    assert not is_complete(torn)
    shutil.rmtree(logs / "00001")
    run(TensorboardLog(), store=store)
    seen = Read(logs)
    assert seen.runs == ["00001", "00002", "00003"]
    for number in (1, 2, 3):
        assert len(seen.scalars(f"0000{number}", "a")) == 3
        assert seen.metrics(f"0000{number}")["final/a"] == number


def test_a_trial_that_is_taken_up_goes_on_without_doubling_what_was_told() -> None:
    class Again(ScriptedExecutor):
        lasting = True

        def adopt(self, attempt: Attempt) -> bool:
            self.start(attempt)
            return True

    class Interrupt(Handler):
        def measurement_reported(self, event: Any, run: Any) -> None:
            if event.measurement.step == 1:
                raise KeyboardInterrupt

    study = ms.Study("s", space={"x": ms.Float(0, 1)}, objective="a", controller="random", seed=1)
    told = [Measurement(metric="a", step=step, value=float(step), at=1.0 + step) for step in range(4)]
    first = Again(lambda a: None)
    first.measured[1] = told[:2]
    with pytest.raises(KeyboardInterrupt):
        study.run(executor=first, handlers=[TensorboardLog(), Interrupt()], trials=1)
    second = Again()
    second.measured[1] = told
    study.run(executor=second, handlers=[TensorboardLog()], trials=1)
    seen = Read(study.folder / "tensorboard")
    assert seen.scalars("00001", "a") == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert seen.statuses("00001") == [1]


def test_a_folder_that_cannot_be_written_is_told_once_and_does_not_stop_the_study(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "logs").write_text("a file, where a folder should be")
    with caplog.at_level(logging.WARNING, logger="meristem.handlers"):
        study = run(TensorboardLog(tmp_path / "logs"))
    assert study.status == "completed"
    assert [r.getMessage()[:50] for r in caplog.records] == [
        f"TensorBoard logs cannot be written to {tmp_path}"[:50],
        "TensorBoard logs of 3 trials are not whole; the next run of the study writes them."[:50],
    ]


def test_what_could_not_be_written_is_written_when_the_trial_ends(tmp_path: Path) -> None:
    class Mend(Handler):
        def trial_ended(self, event: Any, run: Any) -> None:
            (tmp_path / "logs").unlink(missing_ok=True)

    class Look(Handler):
        def trial_ended(self, event: Any, run: Any) -> None:
            written.extend((tmp_path / "logs").rglob("*.meristem"))

    written: list[Path] = []
    (tmp_path / "logs").write_text("")
    study = ms.Study("s", space=SPACE, objective="a", controller="random", seed=1)
    executor = ScriptedExecutor(lambda a: reporting(a, executor))
    study.run(executor=executor, handlers=[Mend(), TensorboardLog(tmp_path / "logs"), Look()], trials=1)
    assert is_complete(written[0])
    seen = Read(tmp_path / "logs")
    assert len(seen.scalars(seen.runs[0], "a")) == 3


@pytest.mark.parametrize("log_dir", ["", "  ", 3])
def test_a_log_dir_that_is_no_folder_is_refused(log_dir: Any) -> None:
    with pytest.raises(InputError, match=r"log_dir=.*Give a folder"):
        TensorboardLog(log_dir)


def records(path: Path) -> Iterator[Any]:
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    return iter(loader.EventFileLoader(str(path)).Load())


@settings(max_examples=15)
@given(
    tag=st.text(min_size=1).filter(lambda t: "\0" not in t),
    step=st.integers(-(1 << 63), (1 << 63) - 1),
    value=st.floats(width=32),
    text=st.text(),
    hparams=st.dictionaries(st.text(min_size=1), st.floats(allow_nan=False) | st.booleans() | st.text()),
)
def test_any_values_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, tag: str, step: int, value: float, text: str, hparams: dict[str, Any]
) -> None:
    file = EventFile(tmp_path_factory.mktemp("log"))
    file.session_start(hparams, group="g", at=1.5)
    file.scalar(tag, value, step=step, at=2.5)
    file.text("t", text, at=3.5)
    assert not is_complete(file.path)
    file.session_end(SessionStatus.FAILURE, at=4.5)
    file.close()
    assert is_complete(file.path)
    _version, start, scalar, shown, end = records(file.path)
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    def content(event: Any) -> Any:
        return HParamsPluginData.FromString(event.summary.value[0].metadata.plugin_data.content)

    found = {name: getattr(v, v.WhichOneof("kind")) for name, v in content(start).session_start_info.hparams.items()}
    assert found == hparams
    assert (scalar.step, scalar.wall_time, scalar.summary.value[0].tag) == (step, 2.5, tag)
    assert scalar.summary.value[0].tensor.float_val[0] == pytest.approx(value, nan_ok=True)
    assert shown.summary.value[0].tensor.string_val[0].decode() == text
    assert content(end).session_end_info.status == 2
    assert content(end).session_end_info.end_time_secs == 4.5

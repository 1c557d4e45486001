"""Logs trials to MLflow: a run for each trial, nested in one for the study.

The store has all that is logged, so nothing is lost when MLflow is away or an engine is killed: a run of the study asks
MLflow which trials are not logged to their end, and logs these from the store.
"""

from __future__ import annotations

import json
import logging
import os
import time
from importlib.util import find_spec

from meristem.errors import InputError
from meristem.handlers.handler import Handler
from meristem.handlers.mlflow_entry import STUDY, Entry, Names, Point, milliseconds, params_of, tag
from meristem.handlers.mlflow_store import MlflowStore
from meristem.handlers.shipping import Shipping
from meristem.spool import Measurement
from meristem.statuses import StudyStatus, TrialStatus
from meristem.study.happenings import (
    Happening,
    MeasurementReported,
    StudyEnded,
    StudyStarted,
    TrialEnded,
    TrialStarted,
)
from meristem.study.run import StudyRun
from meristem.trial import Trial

log = logging.getLogger("meristem.handlers")

FINAL = "final"
_MOST_POINTS = 100_000  # that may wait; beyond, they are read from the store once there is room again
_LOOK_SECONDS = 0.2
_OPENING_SECONDS = 300.0  # a database that MLflow sets up is left half-made when its process ends meanwhile
_TRIAL_STATUS = {TrialStatus.COMPLETED: "FINISHED", TrialStatus.FAILED: "FAILED"}
_STUDY_STATUS = {StudyStatus.COMPLETED: "FINISHED", StudyStatus.STOPPED: "FINISHED", StudyStatus.FAILED: "FAILED"}


class MlflowLog(Handler):
    """Logs to MLflow: parameters, what trials report by step, what they came to (`final/METRIC`), status and error.

    The study never waits for MLflow, but at its end for what is not logged yet. MLflow's telemetry is turned off unless
    `MLFLOW_DISABLE_TELEMETRY` says otherwise.

    Args:
        tracking_uri: Of the server or database; by default as MLflow is configured (`MLFLOW_TRACKING_URI`).
        experiment: In which the study's run is; by default `MLFLOW_EXPERIMENT_NAME`, else the study's name.
        wait: Seconds for which the study's end waits for MLflow to take anything more.

    Raises:
        InputError: MLflow is not installed, or an argument cannot be used.
    """

    def __init__(self, tracking_uri: str | None = None, experiment: str | None = None, wait: float = 30.0) -> None:
        for name, given in (("tracking_uri", tracking_uri), ("experiment", experiment)):
            if given is not None and not (isinstance(given, str) and given.strip()):
                raise InputError(f"mlflow got {name}={given!r:.60}.", fix="Give text, or leave it out.")
        if isinstance(wait, bool) or not isinstance(wait, (int, float)) or not 0 <= wait < float("inf"):
            raise InputError(f"mlflow got wait={wait!r:.60}.", fix="Give seconds, such as 30.")
        if find_spec("mlflow") is None:
            raise InputError(
                "The handler 'mlflow' needs the package mlflow, which is not installed.",
                fix="Install it with: pip install 'meristem[mlflow]'",
            )
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before it is imported
        self.tracking_uri, self.experiment, self.wait = tracking_uri, experiment, wait
        self._shipping: Shipping | None = None
        self._names = Names()
        self._metrics = Names()
        self._later: dict[int, None] = {}  # trials that are logged from the store once there is room

    def handle(self, event: Happening, run: StudyRun) -> None:
        super().handle(event, run)
        self._supply(run)

    def study_started(self, event: StudyStarted, run: StudyRun) -> None:
        store = MlflowStore(self.tracking_uri, self.experiment, study=run.name, key=run.folder.name)
        self._names, self._metrics, self._later = Names(run.space.parameters), Names(), {}
        self._shipping = Shipping(f"MLflow at {_where(self.tracking_uri)}", store.write, store.unlogged)
        tags = {"meristem.objective": tag(str(run.goals)), "meristem.status": StudyStatus.RUNNING.value}
        self._put(Entry(number=STUDY, status="RUNNING", tags=tags))
        if ended := [trial.number for trial in run.ended_trials()]:
            self._shipping.ask(ended)

    def trial_started(self, event: TrialStarted, run: StudyRun) -> None:
        self._put(self._begun(event.trial))

    def measurement_reported(self, event: MeasurementReported, run: StudyRun) -> None:
        if event.measurement.step is None or self._shipping is None:
            return
        if self._shipping.points >= _MOST_POINTS:
            self._later[event.trial.number] = None
            return
        point = self._point(event.measurement, event.trial)
        self._put(Entry(number=event.trial.number, points=(point,)))

    def trial_ended(self, event: TrialEnded, run: StudyRun) -> None:
        if event.trial.number not in self._later or event.again:
            self._put(self._ended(event.trial, again=event.again))

    def study_ended(self, event: StudyEnded, run: StudyRun) -> None:
        tags = {"meristem.status": event.status.value, "meristem.message": tag(event.message)}
        points: tuple[Point, ...] = ()
        if leaders := run.leaders:
            tags["meristem.best"] = tag(", ".join(str(trial.number) for trial in leaders))
            points = self._finals(leaders[0]) if run.goals.single else ()
        status = _STUDY_STATUS.get(event.status, "KILLED")
        ended = milliseconds(time.time())
        self._put(Entry(number=STUDY, status=status, tags=tags, points=points, ended_ms=ended))

    def shutdown(self, run: StudyRun) -> None:
        if (shipping := self._shipping) is None:
            return
        seen, since = shipping.handed_over, time.monotonic()
        while not shipping.idle(within=_LOOK_SECONDS) or self._later:
            self._supply(run)
            if shipping.handed_over != seen:
                seen, since = shipping.handed_over, time.monotonic()
            patience = self.wait if seen or self._is_remote() else max(self.wait, _OPENING_SECONDS)
            if time.monotonic() - since >= patience:
                break
        self._shipping = None
        left = {*shipping.close(), *self._later, *shipping.refused}
        if left:
            self._tell_unlogged(len(left - {STUDY}), shipping)

    def _is_remote(self) -> bool:
        return _where(self.tracking_uri).startswith(("http:", "https:", "databricks"))

    def _tell_unlogged(self, trials: int, shipping: Shipping) -> None:
        why = shipping.why_away or next(iter(shipping.refused.values()), f"it took nothing for {self.wait:g} s")
        log.warning(
            "What %s came to is not, or not all, in MLflow at %s: %.200s. Running the study again logs it.",
            f"{trials} trials" if trials else "the study", _where(self.tracking_uri), why.rstrip("."),
        )  # fmt: skip

    def _supply(self, run: StudyRun) -> None:
        """Logs trials from the store as far as there is room: those that MLflow lacks, those that had no room."""
        if self._shipping is None:
            return
        self._later |= dict.fromkeys(self._shipping.take_answer())
        for number in list(self._later):
            if self._shipping.points >= _MOST_POINTS:
                return
            trial = run.get_trial(number)
            del self._later[number]
            known = tuple(self._point(m, trial) for m in run.measurements(number) if m.step is not None)
            entry = self._begun(trial).then(Entry(number=number, points=known))
            if trial.status not in (TrialStatus.RUNNING, TrialStatus.WAITING):
                entry = entry.then(self._ended(trial))
            self._put(entry)

    def _put(self, entry: Entry) -> None:
        if self._shipping is not None:
            self._shipping.put(entry)

    def _begun(self, trial: Trial) -> Entry:
        params, tags = params_of(trial.parameters, self._names)
        tags |= {"meristem.status": TrialStatus.RUNNING.value, "meristem.attempt": str(trial.attempt)}
        return Entry(
            number=trial.number, status="RUNNING", params=params, tags=tags, started_ms=milliseconds(trial.started_at)
        )

    def _ended(self, trial: Trial, *, again: bool = False) -> Entry:
        tags = {"meristem.status": str(TrialStatus.WAITING if again else trial.status)}
        if trial.error:
            tags["meristem.error"] = tag(trial.error)
        if trial.folder is not None:
            tags["meristem.folder"] = tag(str(trial.folder))
        if changed := self._metrics.changed(trial.metrics):
            tags["meristem.metric_names"] = tag(json.dumps(changed, ensure_ascii=False))
        status = "SCHEDULED" if again else _TRIAL_STATUS.get(trial.status, "KILLED")
        points = () if again else self._finals(trial)
        return Entry(
            number=trial.number, status=status, tags=tags, points=points, ended_ms=milliseconds(trial.ended_at)
        )

    def _finals(self, trial: Trial) -> tuple[Point, ...]:
        at = milliseconds(trial.ended_at) or 0
        return tuple(
            Point(key=self._metrics.of(f"{FINAL}/{metric}"), value=value, step=0, at_ms=at)
            for metric, value in trial.metrics.items()
        )

    def _point(self, m: Measurement, trial: Trial) -> Point:
        at = milliseconds(m.at or trial.started_at) or 0
        return Point(key=self._metrics.of(m.metric), value=m.value, step=m.step or 0, at_ms=at)


def _where(tracking_uri: str | None) -> str:
    return tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "its default place"

"""Speaks with MLflow: one parent run for a study, one run nested in it for each trial, both found by their tags.

It translates entries into calls and errors into two kinds, and decides nothing. It is used from one thread.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from meristem.errors import one_line
from meristem.handlers.mlflow_entry import ENDED, STUDY, Entry, tag

_KEY, _KIND, _TRIAL = "meristem.study_key", "meristem.kind", "meristem.trial"
_MOST_PARAMS, _MOST_POINTS, _PAGE = 100, 1000, 1000  # of one request
# What is wrong with that entry alone, and is as wrong if it is sent again.
_REFUSALS = frozenset({"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "MALFORMED_REQUEST"})


class MlflowAway(Exception):
    """MLflow cannot be reached or used just now."""


class MlflowRefused(Exception):
    """MLflow does not take an entry."""


class MlflowStore:
    """The runs of one study in MLflow.

    Args:
        uri: Of the tracking server or database; None: as MLflow is configured.
        experiment: Its name; it is made where there is none. None: as MLflow's variables say, else the study's name.
        study: The study's name.
        key: Tells the study from all others, for ever.

    Raises:
        MlflowAway: By all methods: nothing, or not all, was written; it may be written again.
        MlflowRefused: By `write`: the entry cannot be written.
    """

    def __init__(self, uri: str | None, experiment: str | None, *, study: str, key: str) -> None:
        self.uri = uri
        self._experiment, self._study, self._key = experiment, study, key
        self._client: Any = None
        self._experiment_id = ""
        self._runs: dict[int, str] = {}

    def write(self, entry: Entry) -> None:
        """Writes an entry into its run, which is made where there is none."""
        self._open()
        parent = None if entry.number == STUDY else self._run_of(Entry(number=STUDY), None)
        try:
            self._write(self._run_of(entry, parent), entry)
        except _mlflow_error() as error:
            if error.error_code in _REFUSALS:
                raise MlflowRefused(one_line(error)) from error
            raise MlflowAway(one_line(error)) from error
        except Exception as error:  # of whatever database or network lies behind
            raise MlflowAway(one_line(error)) from error

    def unlogged(self, numbers: Iterable[int]) -> list[int]:
        """Of trials that have ended, those whose runs do not say so."""
        self._open()
        ended = set()
        query = f"tags.`{_KEY}` = '{self._key}' and tags.`{_KIND}` = 'trial'"
        for run in self._called(lambda: self._search(query)):
            number = int(run.data.tags.get(_TRIAL, 0))
            self._runs.setdefault(number, run.info.run_id)
            if run.info.status in ENDED:
                ended.add(number)
        return [number for number in numbers if number not in ended]

    def _write(self, run_id: str, entry: Entry) -> None:
        from mlflow.entities import Metric, Param, RunTag  # takes seconds

        params = [Param(name, value) for name, value in entry.params.items()]
        tags = [RunTag(name, value) for name, value in entry.tags.items()]
        if tags:
            self._client.log_batch(run_id, tags=tags)
        for start in range(0, len(params), _MOST_PARAMS):
            self._client.log_batch(run_id, params=params[start : start + _MOST_PARAMS])
        for start in range(0, len(entry.points), _MOST_POINTS):
            points = entry.points[start : start + _MOST_POINTS]
            self._client.log_batch(run_id, metrics=[Metric(p.key, p.value, p.at_ms, p.step) for p in points])
        if entry.status in ENDED:
            self._client.set_terminated(run_id, entry.status, entry.ended_ms)
        elif entry.status is not None:
            self._client.update_run(run_id, entry.status)

    def _run_of(self, entry: Entry, parent: str | None) -> str:
        """The entry's run: as known, as found by its tags (also after an answer that was lost), or a new one."""
        if entry.number in self._runs:
            return self._runs[entry.number]
        kind, name = ("study", self._study) if parent is None else ("trial", f"trial {entry.number}")
        query = f"tags.`{_KEY}` = '{self._key}' and tags.`{_KIND}` = '{kind}'"
        query += f" and tags.`{_TRIAL}` = '{entry.number}'" if parent else ""
        found = self._called(lambda: self._search(query, most=1))
        if not found:
            tags = {
                _KEY: self._key, _KIND: kind, "meristem.study": tag(self._study), "mlflow.source.name": "meristem",
                "mlflow.user": _user(),
            } | ({_TRIAL: str(entry.number), "mlflow.parentRunId": parent} if parent else {})  # fmt: skip
            found = [
                self._called(
                    lambda: self._client.create_run(
                        self._experiment_id, start_time=entry.started_ms, tags=tags, run_name=name[:250]
                    )
                )
            ]
        self._runs[entry.number] = found[0].info.run_id
        return self._runs[entry.number]

    def _search(self, query: str, *, most: int | None = None) -> Sequence[Any]:
        found: list[Any] = []
        page = None
        while most is None or not found:
            asked = self._client.search_runs(
                [self._experiment_id], query, max_results=most or _PAGE, order_by=["attributes.start_time ASC"],
                page_token=page,
            )  # fmt: skip
            found += asked
            page = asked.token
            if not page:
                break
        return found

    def _open(self) -> None:
        if self._client is not None:
            return
        client = self._called(self._connected)
        self._experiment_id = self._called(lambda: self._ensured_experiment(client))
        self._client = client

    def _connected(self) -> Any:
        from mlflow import MlflowClient  # takes seconds

        return MlflowClient(tracking_uri=self.uri)

    def _ensured_experiment(self, client: Any) -> str:
        name = self._experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME")
        if name is None and (given := os.environ.get("MLFLOW_EXPERIMENT_ID")):
            return given
        name = name or self._study
        if (found := client.get_experiment_by_name(name)) is None:
            try:
                return str(client.create_experiment(name))
            except Exception:
                if (found := client.get_experiment_by_name(name)) is None:  # else somebody made it a moment ago
                    raise
        if found.lifecycle_stage != "active":
            raise MlflowAway(f"the experiment {name!r} was deleted in MLflow; restore it, or name another one")
        return str(found.experiment_id)

    @staticmethod
    def _called(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except MlflowAway:
            raise
        except Exception as error:  # of whatever database or network lies behind; or MLflow does not even import
            raise MlflowAway(one_line(error)) from error


def _mlflow_error() -> type[Any]:
    from mlflow.exceptions import MlflowException  # takes seconds

    found: type[Any] = MlflowException
    return found


def _user() -> str:
    with suppress(Exception):  # a container may have no user of that number
        return getpass.getuser()
    return "unknown"

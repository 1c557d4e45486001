"""Whatever is done to datasets, in whatever order: each version holds what a plain folder would.

MERISTEM_LONG_TESTS=600 runs the machine with new examples for as many seconds.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import create_engine

from integration.datasets.machine import DatasetMachine
from meristem.datasets.objects import objects_of
from meristem.store.store import Store

_LONG_SECONDS = float(os.environ.get("MERISTEM_LONG_TESTS", "0"))
_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


class OnFolders(DatasetMachine):
    """SQLite, packs in a folder."""

    def store_url(self) -> str:
        return f"sqlite:///{self.folder}/store.db"


@pytest.fixture(autouse=True)
def cache_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERISTEM_CACHE", tempfile.gettempdir())  # the machines set their own; this takes it back


def test_versions_hold_what_plain_folders_would() -> None:
    run_state_machine_as_test(
        OnFolders, settings=settings(max_examples=30, stateful_step_count=30, suppress_health_check=_QUIET)
    )


def test_versions_hold_what_plain_folders_would_on_postgres_and_s3(
    postgres: object, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = itertools.count()

    class OnServers(DatasetMachine):
        """PostgreSQL and S3: each example has a database, and a folder of the bucket, of its own."""

        _url = ""

        def store_url(self) -> str:
            if not self._url:
                name = f"machine{next(numbers)}"
                self._url = _new_database(postgres, name)
                store = Store(self._url)
                store.set_blobs_url(f"{s3}/{name}")
                assert objects_of(store).place.url.startswith("s3://")
                store.close()
            return self._url

    run_state_machine_as_test(
        OnServers, settings=settings(max_examples=5, stateful_step_count=30, suppress_health_check=_QUIET)
    )


def _new_database(postgres: object, name: str) -> str:
    uri: str = postgres.get_uri()  # type: ignore[attr-defined]
    engine = create_engine(uri.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return uri.replace("/postgres?", f"/{name}?")


@pytest.mark.skipif(not _LONG_SECONDS, reason="MERISTEM_LONG_TESTS gives the seconds that it may take")
@pytest.mark.timeout(0)
def test_versions_hold_what_plain_folders_would_for_long() -> None:
    end = time.monotonic() + _LONG_SECONDS
    while time.monotonic() < end:
        run_state_machine_as_test(
            OnFolders,
            settings=settings(
                max_examples=50,
                stateful_step_count=60,
                derandomize=False,
                database=None,
                print_blob=True,
                suppress_health_check=_QUIET,
            ),
        )

"""The schema, its migrations, and how errors of databases are told."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import OperationalError

from meristem.errors import InputError, StoreDamaged, StoreError, StoreSchemaError, StoreUnavailable
from meristem.store import schema
from meristem.store.database import Database, parse_url, translate
from meristem.store.dataset_tables import all_tables
from meristem.store.lease import is_dead, new_owner
from meristem.store.slots import list_slots
from meristem.store.store import Store


def test_the_migrations_make_the_tables_that_the_code_has() -> None:
    database = Database("sqlite://")
    schema.upgrade(database)
    assert schema.current_version(database) == schema.LATEST
    with database.connection() as connection:
        assert compare_metadata(MigrationContext.configure(connection), all_tables) == []
    schema.upgrade(database)  # may be repeated


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_new_store_has_the_indexes_that_an_upgraded_one_has(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    url = f"sqlite:///{tmp_path}/s.db"
    if kind == "postgres":
        query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        url = request.getfixturevalue("postgres_url")
    found = []
    for make in (schema.ensure_schema, schema.upgrade):
        database = Database(url)
        assert schema.current_version(database) is None
        make(database)
        with database.connection() as connection:
            rows = connection.exec_driver_sql(query).all()
            if kind == "postgres":
                connection.exec_driver_sql("DROP SCHEMA public CASCADE")
                connection.exec_driver_sql("CREATE SCHEMA public")
                connection.commit()
        found.append({name: " ".join(sql.split()) for name, sql in rows})
        (tmp_path / "s.db").unlink(missing_ok=True)
    assert found[0] == found[1]
    assert sum(" WHERE " in sql for sql in found[0].values()) == 6


def test_naming_indexes_of_some_rows_loads_no_driver_of_other_databases() -> None:
    code = "import sys, meristem.store.store; sys.exit('sqlalchemy.dialects.postgresql' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_old_store_is_refused_until_it_is_upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    Store(url).close()
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(StoreSchemaError, match="meristem store upgrade"):
        Store(url)


def test_a_store_of_the_first_schema_is_upgraded_and_keeps_its_trials(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    database = Database(url)
    schema.upgrade(database, to="0001")
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute(
            "INSERT INTO studies (id, name, definition, setup, status, run, trials_created, last_event, created_at,"
            " updated_at, lease_token) VALUES (1, 'old', '{}', '{}', 'completed', 1, 1, 1, 0, 0, 1)"
        )
        connection.execute(
            "INSERT INTO trials (study_id, number, status, attempt, run_by, parameters, origin, loss, created_at)"
            " VALUES (1, 1, 'completed', 2, 'engine', '{\"x\":1}', '{}', 0.5, 0)"
        )
    with pytest.raises(StoreSchemaError, match="meristem store upgrade"):
        Store(url)
    schema.upgrade(database)
    store = Store(url)
    [trial] = store.trials.list_page(store.studies.get("old").id)
    assert (trial.attempt, trial.failures, trial.loss, trial.parameters) == (2, 0, 0.5, {"x": 1})


def test_a_store_of_the_schema_before_slots_is_upgraded_with_a_trial_that_runs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    database = Database(url)
    schema.upgrade(database, to="0003")
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute(
            "INSERT INTO studies (id, name, definition, setup, status, run, trials_created, last_event, created_at,"
            " updated_at, lease_token) VALUES (1, 'old', '{}', '{\"plan\": {\"parallel\": 2}}', 'interrupted', 1, 1, 0,"
            " 0, 0, 1)"
        )
        connection.execute(
            "INSERT INTO trials (study_id, number, status, attempt, run_by, slot, parameters, origin, deployment,"
            " created_at) VALUES (1, 1, 'running', 1, 'engine', 1, '{\"x\":1}', '{}', '{\"job\":7}', 0)"
        )
    with pytest.raises(StoreSchemaError, match="meristem store upgrade"):
        Store(url)
    schema.upgrade(database)
    store = Store(url)
    assert store.studies.get("old").suspended_slots == {}
    [trial] = store.trials.list_page(1)
    assert (trial.abort_message, trial.deployment, trial.slot) == (None, {"job": 7}, 1)
    assert [slot.state for slot in list_slots(store, "old")] == ["idle", "unattended"]


def test_a_store_of_the_schema_before_datasets_is_upgraded_and_takes_datasets(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    database = Database(url)
    schema.upgrade(database, to="0005")
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("INSERT INTO needs (id, key) VALUES (1, '{}')")
        connection.execute("INSERT INTO tasks (number, status, needs) VALUES (1, 'completed', 1)")
        connection.execute(
            "INSERT INTO task_definitions (number, id, project, name, kind, source, environment, parameters,"
            " created_at, updated_at) VALUES (1, 'a000000000000000', 'p', 'old', 'training', '{}', '{}', '{}', 0, 0)"
        )
        connection.execute("INSERT INTO task_events (at, kind, task, payload) VALUES (0, 'task_created', 1, '{}')")
    with pytest.raises(StoreSchemaError, match="meristem store upgrade"):
        Store(url)
    schema.upgrade(database)
    store = Store(url)
    assert store.tasks.get(1).name == "old"
    assert [event.task for event in store.task_log.list_after()] == [1]
    draft = store.datasets.begin(store.datasets.ensure("p", "d").id, root="e" * 64)
    final = store.datasets.finalize(draft.id, revision=0, epoch=store.dataset_packs.live().epoch, root="r")
    assert store.datasets.find("p", "d") == final


def test_tables_that_meristem_did_not_make_are_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("CREATE TABLE trials (mine INTEGER)")
    with pytest.raises(StoreDamaged, match="database of its own"):
        Store(f"sqlite:///{tmp_path}/s.db")


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y", "postgresql://h:port/x", 3])
def test_a_store_that_is_no_url_of_a_known_database_is_refused(url: str) -> None:
    with pytest.raises(InputError, match=r"sqlite:///file\.db"):
        parse_url(url)


def test_a_password_is_never_shown() -> None:
    database = Database("postgresql://me:secret@nowhere.invalid/x", patience=timedelta(0))
    assert "secret" not in database.shown_url
    with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
        schema.current_version(database)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("told", "kind", "transient"),
    [
        ("database is locked", StoreUnavailable, True),
        ("database or disk is full", StoreUnavailable, False),
        ("could not extend file: No space left on device", StoreUnavailable, False),
        ("attempt to write a readonly database", StoreUnavailable, False),
        ("database disk image is malformed", StoreDamaged, None),
        ("server closed the connection unexpectedly", StoreUnavailable, True),
    ],
)
def test_errors_of_databases_are_told_as_ours(told: str, kind: type[StoreError], transient: bool | None) -> None:
    error = translate(OperationalError("SELECT", {}, Exception(told)), "sqlite:///x.db")
    assert type(error) is kind
    assert getattr(error, "transient", None) == transient
    assert "SELECT" not in str(error)


def test_durability_full_asks_for_an_fsync_at_each_commit(tmp_path: Path) -> None:
    def synchronous(url: str) -> int:
        database = Database(url)
        level: int = database.read(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar())
        database.close()
        return level

    assert synchronous(f"sqlite:///{tmp_path}/a.db") == 1
    assert synchronous(f"sqlite:///{tmp_path}/b.db?durability=full") == 2


def test_a_process_that_lives_is_not_dead_and_one_elsewhere_cannot_be_known() -> None:
    owner = new_owner()
    assert not is_dead(owner)
    facts = owner.rpartition("[")[2].rstrip("]").split()
    assert is_dead(owner.replace(f" {facts[2]} ", " 1.00 "))  # another process has the pid by now
    assert is_dead(owner.replace(f" {facts[1]} {facts[2]}", " 99999999 1.00"))
    assert not is_dead(owner.replace(facts[0], "another-machine").replace(facts[2], "1.00"))
    assert not is_dead("somebody")


def test_a_clock_that_is_set_makes_no_living_engine_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = new_owner()
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: 1.0)  # what a stepped clock would make of it
    assert not is_dead(owner)


REFUSALS = [(None, True), ("08006", True), ("57P01", True), ("40P01", True), ("54000", None)]


@pytest.mark.parametrize(("state", "transient"), REFUSALS)
def test_a_statement_that_the_server_refuses_is_not_waited_for(state: str | None, transient: bool | None) -> None:
    refused = Exception("index row requires 10032 bytes")
    refused.sqlstate = state  # type: ignore[attr-defined]
    error = translate(OperationalError("INSERT", {}, refused), "postgresql://h/x")
    assert getattr(error, "transient", None) == transient


def test_an_outage_is_told_once_and_so_is_its_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr("meristem.store.database.time.monotonic", lambda: now[0])
    monkeypatch.setattr("meristem.store.database.time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    database = Database("sqlite://", patience=timedelta(seconds=30))

    def away(_: object) -> None:
        raise OperationalError("", {}, Exception("database is locked"))

    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            database.read(away)
    Database("sqlite://").read(lambda _: None)
    database.read(lambda _: None)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2, said
    assert "Waiting for it" in said[0]
    assert "is back" in said[1]


def test_a_path_is_a_store_too(tmp_path: Path) -> None:
    Store(f"{tmp_path}/runs.db").close()
    assert (tmp_path / "runs.db").exists()


def test_a_locked_database_is_waited_for_no_longer_than_ones_patience(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/m.db", patience=timedelta(seconds=0.2))
    database.write(lambda c: c.exec_driver_sql("CREATE TABLE t (x)"))
    other = sqlite3.connect(tmp_path / "m.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        database.write(lambda c: c.exec_driver_sql("INSERT INTO t VALUES (1)"))
    assert time.monotonic() - began < 2
    other.close()
    database.close()

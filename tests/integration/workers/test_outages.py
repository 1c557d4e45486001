"""A store that is away for a while, and a cut for longer than the lease: nothing is lost, one end is accepted."""

from __future__ import annotations

import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.integration.workers.conftest import Team

from meristem.statuses import TaskStatus

pytestmark = pytest.mark.timeout(120)
_NAME = ".s.PGSQL.5432"
SCRIPT = "import time\nfor i in range(12):\n    print('step', i, flush=True)\n    time.sleep(0.25)\nprint('done')"


class Wire:
    """Stands between a worker and PostgreSQL, and can be cut."""

    def __init__(self, server: Path, folder: Path) -> None:
        self._server, self._path = server, folder / _NAME
        self._open: list[socket.socket] = []
        self._ear: socket.socket | None = None

    def mend(self) -> None:
        self._ear = socket.socket(socket.AF_UNIX)
        self._ear.bind(str(self._path))
        self._ear.listen(64)
        threading.Thread(target=self._accept, args=(self._ear,), daemon=True).start()

    def cut(self) -> None:
        self._path.unlink(missing_ok=True)
        for end in [self._ear, *self._open]:
            if end is not None:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._open.clear()

    def _accept(self, ear: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = ear.accept()
                there = socket.socket(socket.AF_UNIX)
                there.connect(str(self._server / _NAME))
                self._open += [here, there]
                for a, b in ((here, there), (there, here)):
                    threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                to.sendall(data)
        with suppress(OSError):
            to.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire(postgres_team: Team) -> Iterator[Wire]:
    place = Path(re.sub(r".*host=", "", postgres_team.url).replace("%2F", "/"))
    with tempfile.TemporaryDirectory(prefix="wire") as folder:  # a short path: that of a socket has its limit
        found = Wire(place, Path(folder))
        found.mend()
        yield found
        found.cut()


def through(team: Team, wire: Wire) -> str:
    return re.sub(r"host=.*", f"host={wire._path.parent}", team.url)


def begun(team: Team, number: int) -> bool:
    return "step 1" in team.console(number)


def test_while_the_store_is_away_what_runs_goes_on_and_all_of_it_arrives_later(postgres_team: Team, wire: Wire):
    team = postgres_team
    number = team.script(SCRIPT)
    team.worker("--lease", "30", store=through(team, wire))
    team.until(lambda: begun(team, number))
    wire.cut()
    later = team.script("print('later')")
    team.until(lambda: "cannot be reached" in team.log(), 5)
    threading.Event().wait(4)  # it ends meanwhile
    assert team.get(number).status is TaskStatus.RUNNING
    wire.mend()
    row = team.ended(number, 15)
    assert (row.status, row.attempt) == (TaskStatus.COMPLETED, 1)
    assert team.console(number).count("step") == 12
    assert team.console(number).endswith("done\n")
    assert team.ended(later, 15).status is TaskStatus.COMPLETED
    assert "the store is back" in team.log()


def test_a_cut_for_longer_than_the_lease_ends_in_one_accepted_result(postgres_team: Team, wire: Wire):
    team = postgres_team
    number = team.script(SCRIPT)
    team.worker(store=through(team, wire), name="cut")
    team.until(lambda: begun(team, number))
    wire.cut()
    team.worker(name="other")
    team.until(lambda: team.get(number).attempt == 2, 10)
    wire.mend()
    row = team.ended(number)
    assert (row.status, row.attempt) == (TaskStatus.COMPLETED, 2)
    team.until(lambda: "begins anew" in team.log("cut"), 15)
    assert [e.kind for e in team.store.task_log.of(number)].count("task_ended") == 1
    assert team.console(number).count("step") == 12

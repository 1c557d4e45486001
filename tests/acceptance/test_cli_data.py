"""The command line of datasets, as a person or a script uses it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import meristem
from meristem import Dataset
from meristem.cli.main import main
from meristem.datasets.dataset import Dataset as Opened
from meristem.reports.versions.gathering import changes_since
from meristem.store.dataset_rows import ReaderKind
from meristem.store.store import Store

Call = Callable[..., str]
NAME = "sensors/occupancy"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MERISTEM_STORE", raising=False)
    monkeypatch.setenv("MERISTEM_CACHE", str(tmp_path / "cache"))
    days = tmp_path / "days"
    (days / "raw").mkdir(parents=True)
    for day in range(3):
        (days / f"day{day}.csv").write_text(f"light,occupied\n{day},1\n{day + 5},0\n")
    (days / "raw" / "noise.bin").write_bytes(os.urandom(300_000))
    return tmp_path


@pytest.fixture
def call(here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Runs `main` in this process; gives standard output (or errors) and expects this exit code."""

    def call(words: str, *more: str, code: int = 0, errors: bool = False) -> str:
        monkeypatch.setattr(sys, "argv", ["meristem", "data", *words.split(), *more])
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capfd.readouterr()
        assert caught.value.code == code, out + err
        assert "Traceback" not in err
        return err if errors else out

    return call


@pytest.fixture
def filled(call: Call, here: Path) -> Path:
    """Two versions: 1.0.0 with all, 1.0.1 with a file more, one modified, one moved, one removed."""
    call(f"create {NAME} --description labels")
    call(f"sync {NAME} days --commit -m first")
    days = here / "days"
    (days / "day3.csv").write_text("light,occupied\n3,1\n")
    (days / "day1.csv").write_text("light,occupied\n1,0\n")
    (days / "day2.csv").rename(days / "raw" / "day2.csv")
    (days / "raw" / "noise.bin").unlink()
    call(f"sync {NAME} days --commit", "-m", "labels of Tuesday")
    return here


def store() -> Store:
    return Store("sqlite:///meristem.db")


def environment() -> dict[str, str]:
    """Of another process, in another folder, that runs the same sources."""
    return {**os.environ, "PYTHONPATH": str(Path(meristem.__file__).parents[1])}


# From a folder to a version


def test_a_folder_becomes_a_draft_and_the_draft_a_version(call: Call) -> None:
    call(f"create {NAME}")
    assert "4 added" in call(f"sync {NAME} days")
    assert "becomes a version with: meristem data commit sensors/occupancy" in call(f"sync {NAME} days")
    told = call(f"commit {NAME}", "-m", "first labels")
    assert "sensors/occupancy@1.0.0: 4 added; 4 files, 300 KB" in told
    assert "Nothing has changed" in call(f"sync {NAME} days")
    assert "nothing to commit" in call(f"commit {NAME} -m again")
    assert json.loads(call("drafts --json")) == {"drafts": []}


def test_a_dataset_is_made_by_hand_so_that_a_typo_begins_none(call: Call) -> None:
    call(f"create {NAME}")
    assert "Did you mean 'sensors/occupancy'?" in call("sync sensors/occupanzy days", code=2, errors=True)
    assert "names a version" in call(f"add {NAME}@1.0.0 days", code=2, errors=True)


def test_what_is_added_and_removed_goes_into_one_draft(call: Call, here: Path) -> None:
    call(f"create {NAME}")
    first = json.loads(call(f"add {NAME} days/*.csv --json"))
    second = json.loads(call(f"add {NAME} days/raw --to more --json"))
    assert first == {"draft": first["draft"], "changed": 3, "external": 0}
    assert second == {"draft": first["draft"], "changed": 1, "external": 0}
    assert json.loads(call(f"remove {NAME} day1.csv more --json"))["removed"] == 2
    made = json.loads(call(f"commit {NAME} -m x --version 2.0.0 --publish --tag good --json"))
    found = {key: made[key] for key in ("version", "status", "tags", "entries", "added", "made_by")}
    assert (found["version"], found["status"], found["tags"]) == ("2.0.0", "published", ["good"])
    assert (found["entries"], found["added"]) == (2, 2)
    assert found["made_by"]["host"] == socket.gethostname()


def test_external_files_are_described_and_stay_where_they_are(call: Call, here: Path) -> None:
    call(f"create {NAME}")
    url = (here / "days" / "day0.csv").as_uri()
    assert json.loads(call(f"add {NAME} --url {url} --to raw --json"))["external"] == 1
    call(f"commit {NAME} -m x")
    (row,) = json.loads(call(f"files {NAME} --json"))["files"]
    assert (row["path"], row["kind"]) == ("raw/day0.csv", "external")
    assert (row["bytes"], row["content"]) == (23, url)


def test_status_tells_what_a_sync_would_change_and_changes_nothing(filled: Path, call: Call) -> None:
    days = filled / "days"
    os.utime(days / "day0.csv")  # touched, not changed
    (days / "day1.csv").write_text("light,occupied\n1,1\n1,1\n")
    (days / "new.csv").write_text("x\n")
    (days / "day3.csv").unlink()
    view = json.loads(call(f"status {NAME} days --json"))
    assert [(change["what"], change["path"]) for change in view["changes"]] == [
        ("modified", "day1.csv"), ("removed", "day3.csv"), ("added", "new.csv"),
    ]  # fmt: skip
    assert view["against"]["version"] == "1.0.1"
    assert view["files_read"] >= 3  # and those that were written just before they were read last
    text = call(f"status {NAME} days")
    assert "compared with sensors/occupancy@1.0.1" in text
    assert "~  day1.csv  19 B → 23 B" in text
    assert json.loads(call("drafts --json")) == {"drafts": []}
    assert json.loads(call(f"sync {NAME} days --json")) | {"stored_bytes": 0, "draft": 0} == {
        "draft": 0, "added": 1, "modified": 1, "removed": 1, "moved": 0, "stored_bytes": 0,
    }  # fmt: skip


def test_a_sync_that_finds_nothing_new_or_fails_leaves_no_draft(filled: Path, call: Call) -> None:
    os.utime(filled / "days" / "day0.csv")
    assert "Nothing has changed" in call(f"sync {NAME} days")
    call(f"add {NAME} nowhere", code=2)
    call(f"remove {NAME} nowhere", code=2)
    assert json.loads(call("drafts --json")) == {"drafts": []}


def test_a_folder_that_is_not_mounted_empties_no_dataset(filled: Path, call: Call) -> None:
    (filled / "mount" / "point").mkdir(parents=True)
    for path, where in (("mount", ""), ("mount", "--to raw")):
        told = call(f"sync {NAME} {path} {where} --commit", code=2, errors=True)
        assert "would be removed" in told
        assert "--allow-empty" in told
    assert json.loads(call("drafts --json")) == {"drafts": []}
    call(f"sync {NAME} mount --commit --allow-empty")
    assert [row["path"] for row in json.loads(call(f"files {NAME} --json"))["files"]] == ["point"]


# Drafts


def test_of_several_drafts_one_is_to_be_chosen(call: Call) -> None:
    call(f"create {NAME}")
    ids = [json.loads(call(f"create {NAME} --version {n}.0.0 --json"))["draft"]["id"] for n in (1, 2)]
    told = call(f"add {NAME} days", code=2, errors=True)
    assert "You have 2 drafts" in told
    assert all(f"  - {one}, begun" in told for one in ids)
    call(f"add {NAME} days --draft {ids[1]}")
    call(f"delete --draft {ids[0]}")
    assert json.loads(call(f"commit {NAME} -m x --json"))["version"] == "2.0.0"


def test_drafts_of_others_and_of_running_processes_are_left_alone(call: Call, here: Path) -> None:
    call(f"create {NAME}")
    opened = store()
    dataset = opened.datasets.get("sensors", "occupancy")
    from meristem.datasets.made_by import made_by  # as the command does it
    from meristem.manifests.tree import EMPTY

    me = made_by()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        for maker in ({**me, "user": "somebody"}, {**me, "host": "elsewhere"}, {**me, "pid": child.pid}):
            opened.datasets.begin(dataset.id, root=EMPTY, made_by=maker)
        made = json.loads(call(f"sync {NAME} days --json"))["draft"]
    finally:
        child.communicate()
    assert len(json.loads(call("drafts --json"))["drafts"]) == 4
    assert "You have 2 drafts" in call(f"add {NAME} days", code=2, errors=True)  # its process has ended
    assert made == max(row["id"] for row in json.loads(call("drafts --json"))["drafts"])


def test_a_conflict_is_told_and_settled_as_wished(filled: Path, call: Call) -> None:
    (filled / "other.csv").write_text("a\n")
    draft = json.loads(call(f"create {NAME} --parent {NAME}@1.0.0 --json"))["draft"]["id"]
    call(f"add {NAME} other.csv --draft {draft}")
    assert "--on-conflict merge" in call(f"commit {NAME} -m mine", code=1, errors=True)
    made = json.loads(call(f"commit {NAME} -m mine --on-conflict merge --json"))
    assert made["parents"] == [f"{NAME}@1.0.1", f"{NAME}@1.0.0"] or made["parents"] == [f"{NAME}@1.0.1"]
    paths = [row["path"] for row in json.loads(call(f"files {NAME} --json"))["files"]]
    assert {"other.csv", "day3.csv", "raw/day2.csv"} <= set(paths)


# Looking


def test_lists_show_datasets_and_their_versions(filled: Path, call: Call) -> None:
    (row,) = json.loads(call("list --json"))["datasets"]
    assert (row["name"], row["newest"], row["versions"]) == ("occupancy", "1.0.1", 2)
    assert "labels" in call("list --search OCCU")
    assert "No such datasets" in call("list --project other", errors=True)
    lines = call(f"list {NAME}").splitlines()
    assert lines[1].startswith("1.0.1")
    assert "+1 ~1 -1 →1" in lines[1]
    assert "labels of Tuesday" in lines[1]
    assert lines[2].startswith("1.0.0")


def test_a_version_tells_who_made_it_how_and_who_read_it(filled: Path, call: Call) -> None:
    opened = store()
    version = opened.datasets.get_version("sensors", "occupancy")
    opened.dataset_readers.note(version.id, ReaderKind.TASK, "4f1c09aa")
    text = call(f"show {NAME} --files")
    for told in ("1.0.1", "labels of Tuesday", "1 added, 1 modified, 1 removed, 1 moved",
                     f"{NAME}@1.0.0", "task 4f1c09aa",
                 "raw/day2.csv", socket.gethostname(), version.root):  # fmt: skip
        assert told in text
    view = json.loads(call(f"show {NAME} --json"))
    assert view["readers"][0]["reader"] == "4f1c09aa"
    assert json.loads(call(f"show {version.id} --json"))["version"] == "1.0.1"
    assert json.loads(call(f"show meristem://{NAME}@1.0.0 --json"))["version"] == "1.0.0"


def test_a_version_has_a_page(filled: Path, call: Call) -> None:
    call(f"show {NAME} --html page.html")
    page = (filled / "page.html").read_text()
    for told in ("occupancy", "labels of Tuesday", "Changes to @1.0.0", "Lineage", "Preview", "day3.csv"):
        assert told in page


def test_a_page_that_cannot_be_written_is_told(filled: Path, call: Call) -> None:
    assert "cannot be written" in call(f"show {NAME} --html none/page.html", code=2, errors=True)


def test_the_preview_shows_tables(filled: Path, call: Call) -> None:
    assert "occupied" in call(f"preview {NAME}")
    assert json.loads(call(f"preview {NAME} --json"))["files"] == 4


def test_of_many_files_chosen_ones_are_previewed(call: Call, here: Path) -> None:
    for day in range(40):
        (here / "days" / f"v{day:02}.csv").write_text("light,occupied\n" + "3,1\n" * (day + 1))
    call(f"create {NAME}")
    call(f"sync {NAME} days --commit -m first")
    assert "12 of 44 files are shown" in call(f"preview {NAME}")
    assert "v39.csv" in call(f"preview {NAME}")
    told = call(f"preview {NAME} v0*.csv raw")
    assert "11 files" in told
    assert "are shown" not in told
    assert [one["path"] for one in json.loads(call(f"preview {NAME} v17.csv --json"))["previews"]] == ["v17.csv"]
    assert json.loads(call(f"preview {NAME} --json"))["files"] == 44
    assert "none" in call(f"preview {NAME} v17.csv none", code=2, errors=True)


def test_a_page_compares_no_file_that_was_not_touched(call: Call, here: Path) -> None:
    for day in range(40):
        (here / "days" / f"v{day:02}.csv").write_text("light,occupied\n" + "3,1\n" * (day + 1))
    call(f"create {NAME}")
    call(f"sync {NAME} days --commit -m first")
    removed = (*range(1, 6), *range(10, 20))
    for day in removed:
        (here / "days" / f"v{day:02}.csv").unlink()
    call(f"sync {NAME} days --commit -m second")
    shown = [json.loads(call(f"preview {NAME}@{number} --json"))["previews"] for number in ("1.0.0", "1.0.1")]
    unseen = {one["path"] for one in shown[1]} - {one["path"] for one in shown[0]}
    assert unseen
    call(f"show {NAME} --html page.html")
    assert "Rows: " not in (here / "page.html").read_text()

    for name in unseen:
        with (here / "days" / name).open("a") as file:
            file.write("9,0\n")
    call(f"sync {NAME} days --commit -m third")
    third, first = (Opened.get(f"{NAME}@{number}", store=store()) for number in ("1.0.2", "1.0.0"))
    looks = changes_since(third, first).looks
    assert looks is not None
    assert {(table.path, table.before) for table in looks.tables} == {(name, name) for name in unseen}


def test_a_moved_file_is_counted_in_one_way_everywhere(filled: Path, call: Call) -> None:
    for command in ("diff", "show"):
        assert "1 added, 1 modified, 1 removed, 1 moved" in call(f"{command} {NAME}")
    assert "+1 ~1 -1 →1" in call(f"list {NAME}")
    (filled / "days" / "day1.csv").rename(filled / "days" / "tuesday.csv")
    (filled / "days" / "day3.csv").write_text("other\n")
    told = "1 modified, 1 moved"
    assert told in call(f"status {NAME} days")
    assert json.loads(call(f"sync {NAME} days --json"))["moved"] == 1
    assert f"{told}; 4 files" in call(f"commit {NAME} -m third")
    view = json.loads(call(f"show {NAME} --json"))
    assert [view[what] for what in ("added", "modified", "removed", "moved")] == [0, 1, 0, 1]


def test_a_version_whose_moves_were_not_counted_is_shown(filled: Path, call: Call) -> None:
    old = {"entries": 4, "bytes": 9, "added": 4, "modified": 0, "removed": 1, "stored_bytes": 3}
    with sqlite3.connect(filled / "meristem.db") as connection:
        connection.execute("UPDATE dataset_versions SET summary = ?", (json.dumps(old),))
    connection.close()
    assert "4 added, 1 removed" in call(f"show {NAME}")
    assert "+4 -1" in call(f"list {NAME}")
    assert json.loads(call(f"show {NAME} --json"))["moved"] is None


def test_differences_are_those_to_the_parent_or_between_two(filled: Path, call: Call) -> None:
    text = call(f"diff {NAME}")
    assert "From sensors/occupancy@1.0.0 to sensors/occupancy@1.0.1:" in text
    for line in ("~  day1.csv", "→  day2.csv → raw/day2.csv", "+  day3.csv", "-  raw/noise.bin"):
        assert line in text
    assert "1 added, 1 modified, 1 removed, 1 moved; 300 KB less" in text
    back = json.loads(call(f"diff {NAME}@1.0.1 @1.0.0 --stat --json"))
    assert back["counts"]["bytes"] == -json.loads(call(f"diff {NAME} --json"))["counts"]["bytes"]
    assert "changes" not in back
    assert "no parent" in call(f"diff {NAME}@1.0.0")


def test_the_lineage_draws_branches_and_names_readers(filled: Path, call: Call) -> None:
    draft = json.loads(call(f"create {NAME} --parent {NAME}@1.0.0 --json"))["draft"]["id"]
    (filled / "other.csv").write_text("a\n")
    call(f"add {NAME} other.csv --draft {draft}")
    call(f"commit {NAME} -m beside --on-conflict branch --draft {draft}")
    opened = store()
    first = opened.datasets.get_version("sensors", "occupancy", number="1.0.0")
    opened.dataset_readers.note(first.id, ReaderKind.STUDY, "digits")
    lines = call(f"lineage {NAME}@1.0.0").splitlines()
    assert [line.partition("  final")[0] for line in lines if "final" in line] == [
        "  ○   @1.0.2", "  │ ○ @1.0.1", "●     @1.0.0",
    ]  # fmt: skip
    assert "read by study digits" in lines[-1]
    view = json.loads(call(f"lineage {NAME}@1.0.0 --json"))
    assert {one["version"] for one in view["versions"]} == {"@1.0.0", "@1.0.1", "@1.0.2"}
    assert view["versions"][0]["read_by"][0]["reader"] == "digits"


# Getting


def test_files_are_got_as_a_shared_copy_a_copy_of_ones_own_or_links(filled: Path, call: Call) -> None:
    shared = Path(call(f"get {NAME}").strip())
    assert (shared / "day3.csv").read_text() == "light,occupied\n3,1\n"
    call(f"get {NAME}@1.0.0 --to own")
    assert (filled / "own" / "raw" / "noise.bin").stat().st_size == 300_000
    assert "is in" in call(f"get {NAME} --to linked --link")
    assert (filled / "linked" / "day3.csv").stat().st_ino == (shared / "day3.csv").stat().st_ino
    assert "not empty" in call(f"get {NAME} --to own", code=2, errors=True)
    told = call(f"get {NAME} --to own --overwrite", errors=True)
    assert (filled / "own" / "day1.csv").read_text() == "light,occupied\n1,0\n"
    assert "2 other files stay" in told


def test_a_folder_is_brought_to_another_version_exactly(filled: Path, call: Call) -> None:
    call(f"get {NAME}@1.0.0 --to own")
    assert "--exact" in call(f"get {NAME} --to own", code=2, errors=True)
    told = call(f"get {NAME} --to own --exact", errors=True)
    assert "2 other files were removed" in told
    names = {path.relative_to(filled / "own").as_posix() for path in (filled / "own").rglob("*") if path.is_file()}
    assert names == {"day0.csv", "day1.csv", "day3.csv", "raw/day2.csv"}
    assert "it holds" in call(f"get {NAME} --to . --exact", code=2, errors=True)  # the store
    assert "whole version" in call(f"get {NAME} --to own --exact --part 0 --of 2", code=2, errors=True)
    call(f"get {NAME} --exact", code=2)


def test_parts_and_chosen_files_are_got(filled: Path, call: Call) -> None:
    parts = [json.loads(call(f"get {NAME} --part {part} --of 2 --json"))["folder"] for part in range(2)]
    names = [path.name for part in parts for path in Path(part).rglob("*.csv")]
    assert sorted(names) == ["day0.csv", "day1.csv", "day2.csv", "day3.csv"]
    assert "2 of 4 files, " in call(f"get {NAME} --part 1 --of 2", errors=True)
    assert "some: 2 of 4 files, " in call(f"get {NAME} --files day0.csv --files raw --to some")
    assert sorted(path.name for path in (filled / "some").rglob("*.csv")) == ["day0.csv", "day2.csv"]
    call(f"get {NAME} --files nothing --to none", code=2)
    assert "--of" in call(f"get {NAME} --part 0", code=2, errors=True)
    call(f"get {NAME} --link", code=2)


def test_an_interrupted_get_ends_with_130_and_goes_on(
    filled: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Opened, "get_mutable_local_copy", interrupted)
        assert "the same command goes on from there" in call(f"get {NAME} --to own", code=130, errors=True)
    call(f"get {NAME} --to own")


def test_ctrl_c_ends_a_real_command_with_130(filled: Path) -> None:
    """The draft stays, and the same command goes on."""
    slow = filled / "slow"
    slow.mkdir()
    block = os.urandom(16 << 20)
    with open(slow / "large", "wb") as file:  # a second and more of cutting and hashing; holes would be passed over
        for _ in range(64):
            file.write(block)
    command = [sys.executable, "-c", "from meristem.cli.main import main; main()", "data", "sync", NAME, str(slow)]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    before = {row.id for row in store().datasets.drafts(1)}
    deadline = time.monotonic() + 30
    while {row.id for row in store().datasets.drafts(1)} == before and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("words", [f"status {NAME} days", f"sync {NAME} days", f"get {NAME}", f"show {NAME} --json"])
def test_everyday_commands_load_nothing_that_they_do_not_need(filled: Path, words: str) -> None:
    code = (
        "import sys; from meristem.cli.main import main\n"
        f"sys.argv = ['meristem', 'data', *{words.split()!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as ended:\n    assert not ended.code\n"
        "heavy = {'numpy', 'scipy', 'pandas', 'pyarrow', 'alembic', 'rich', 'fsspec', 'meristem.cli.study'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# After it is made


def test_versions_are_tagged_published_and_deleted(filled: Path, call: Call) -> None:
    call(f"tag {NAME}@1.0.0 good old")
    assert call(f"untag {NAME}@1.0.0 old").strip() == f"{NAME}@1.0.0: good"
    call(f"publish {NAME}@1.0.0")
    assert "--force" in call(f"delete {NAME}@1.0.0", code=1, errors=True)
    assert "does not say which version" in call(f"delete {NAME}", code=2, errors=True)
    call(f"delete {NAME}@1.0.0 --force")
    assert "There is no version" in call(f"show {NAME}@1.0.0", code=2, errors=True)
    assert "deleted" in call(f"list {NAME} --deleted")
    assert "is whole" in call(f"verify {NAME}")


def test_gc_frees_what_deleted_versions_alone_needed(filled: Path, call: Call) -> None:
    call(f"delete {NAME}@1.0.0")
    dry = json.loads(call("gc --dry-run --json"))
    assert dry["condemned"] >= 1
    assert "would go" in call("gc --dry-run")
    assert "after 10m (--grace)" in call("gc")
    assert json.loads(call("gc --grace 0 --json"))["freed_bytes"] > 300_000
    assert "is whole" in call("verify --all")


def test_another_place_for_big_bytes_leaves_no_versions_behind(
    filled: Path, call: Call, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def blobs(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["meristem", "store", "blobs", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        return int(str(caught.value.code))

    assert blobs("elsewhere") == 2
    assert "holds 2 versions of 1 dataset" in capfd.readouterr().err
    assert "day3.csv" in call(f"files {NAME}")
    assert blobs("elsewhere", "--copy") == 0
    call("verify --all")
    assert blobs("--default") == 0  # there they are still


def test_squash_makes_one_version_of_several(filled: Path, call: Call) -> None:
    call("create sensors/all")
    made = json.loads(call(f"squash sensors/all {NAME}@1.0.0 {NAME}@1.0.1 -m together --json"))
    assert (made["project"], made["name"], made["parents"], made["entries"]) == ("sensors", "all", [], 6)


def test_damage_is_found_named_and_healed(filled: Path, call: Call) -> None:
    (filled / "days" / "large.bin").write_bytes(content := os.urandom(200_000))
    call(f"sync {NAME} days --commit -m large")
    for pack in (filled / "meristem-blobs" / "datasets" / "packs").rglob("*.pack"):
        if (at := (bytes_ := pack.read_bytes()).find(content[:64])) > 0:
            pack.chmod(0o644)
            pack.write_bytes(bytes_[:at] + bytes([bytes_[at] ^ 1]) + bytes_[at + 1 :])
            damaged = pack.stem
    text = call(f"verify {NAME}", code=1)
    assert f"in pack {damaged}" in text
    assert "large.bin" in text
    assert "--heal" in text
    assert json.loads(call("verify --all --json", code=1))["whole"] is False
    assert "is healed" in call(f"verify {NAME} --heal --source days")
    assert "is whole" in call(f"verify {NAME}")


def test_the_face_and_the_command_line_share_drafts_by_id(call: Call) -> None:
    data = Dataset.create("sensors", "occupancy")
    data.leave()
    assert json.loads(call(f"sync {NAME} days --draft {data.id} --json"))["added"] == 4


def test_publishing_a_folder_that_has_not_changed_publishes_what_is_there(call: Call) -> None:
    call(f"create {NAME}")
    call(f"sync {NAME} days --commit -m first")
    assert "no version was made. It is published." in call(f"sync {NAME} days --commit --publish")
    assert json.loads(call(f"show {NAME} --json"))["status"] == "published"

"""What is captured of a real repository is enough to have the same code elsewhere, and to run it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import meristem

SOURCES = str(Path(meristem.__file__).parents[1])
CAPTURE = """
import json, os, sys
from pathlib import Path
from meristem.tasks.capture.source import capture_source
def capture():
    source = capture_source(None, Path(os.environ["SPOOL"]))
    Path(os.environ["SPOOL"], "source.json").write_text(json.dumps(source))
    return source
"""


def git(folder: Path, *words: str) -> str:
    names = ("-c", "user.name=A", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")
    return subprocess.run(
        ["git", *names, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "capturing.py").write_text(CAPTURE)
    return tmp_path / "spool"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "my repo"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    write(root, "train.py", "import helper, capturing\ncapturing.capture()\nprint('lr', helper.LR)\n")
    write(root, "helper.py", "LR = 1\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


def write(root: Path, name: str, text: str | bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def start(spool: Path, cwd: Path, *words: str, **environment: str) -> dict[str, Any]:
    tools = str(spool.parent / "tools")
    path = os.pathsep.join(part for part in (environment.pop("PYTHONPATH", ""), SOURCES, tools) if part)
    subprocess.run(
        [sys.executable, *words], cwd=cwd, check=True, timeout=60,
        env={**os.environ, "SPOOL": str(spool), "PYTHONPATH": path, **environment},
    )  # fmt: skip
    source: dict[str, Any] = json.loads((spool / "source.json").read_text())
    return source


def rebuilt(source: dict[str, Any], spool: Path, into: Path) -> Path:
    """The code of the task in a new folder, as a worker has it."""
    if source["commit"]:
        git(into.parent, "clone", "-q", source["root"], str(into))
        git(into, "checkout", "-q", source["commit"])
        git(into, "submodule", "update", "-q", "--init", "--recursive")
    for path, part in source.get("submodules", {}).items():
        git(into / path, "checkout", "-q", part["commit"])
        if "diff" in part:
            git(into / path, "apply", str(spool / part["diff"]["file"]))
    if "diff" in source:
        git(into, "apply", "--whitespace=nowarn", str(spool / source["diff"]["file"]))
    files = dict(source.get("untracked", {}))
    if "script" in source:
        files[source["script_name"]] = source["script"]
    for name, kept in files.items():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(spool / kept["file"], into / name)
    return into


def rerun(source: dict[str, Any], spool: Path, into: Path) -> str:
    root = rebuilt(source, spool, into)
    words = ["-m"] if source["entry"] == "module" else []
    folders = [str(root / one) for one in source["python_path"]]
    done = subprocess.run(
        [sys.executable, *words, source["entry_point"], *source["arguments"]],
        cwd=root / source["working_dir"], check=True, capture_output=True, text=True, timeout=60,
        env={
            **os.environ, "SPOOL": str(spool),
            "PYTHONPATH": os.pathsep.join([SOURCES, str(spool.parent / "tools"), *folders]),
        },
    )  # fmt: skip
    return done.stdout


def tree(root: Path) -> dict[str, bytes]:
    files = [path for path in root.rglob("*") if path.is_file() and not {".git", "__pycache__"} & set(path.parts)]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files if path.name != ".git"}


def test_a_clean_repository_is_named_by_its_commit(repository, spool, tmp_path):
    git(repository, "remote", "add", "origin", "https://me:token@host.invalid/a.git")
    source = start(spool, repository, "train.py", "--epochs", "3")
    assert source | {"notes": None} == {
        "repository": "https://host.invalid/a.git", "root": str(repository), "branch": "main",
        "commit": git(repository, "rev-parse", "HEAD"), "working_dir": ".", "entry": "script",
        "entry_point": "train.py", "arguments": ["--epochs", "3"], "python_path": ["."], "notes": None,
    }  # fmt: skip
    assert "push it" in source["notes"][0]
    assert rerun(source, spool, tmp_path / "other") == "lr 1\n"


def test_all_kinds_of_uncommitted_changes_are_there_again(repository, spool, tmp_path):
    for name in ("gone.py", "old name.txt", "täbelle ü.txt", "data.bin"):
        write(repository, name, os.urandom(2000) if name == "data.bin" else f"{name}\n" * 20)
    write(repository, ".gitignore", "ignored.py\n__pycache__\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "second")
    (repository / "gone.py").unlink()
    git(repository, "mv", "old name.txt", "new name.txt")
    write(repository, "täbelle ü.txt", "changed\r\nwith returns\r\n")
    write(repository, "data.bin", os.urandom(3000))
    write(repository, "staged.txt", "staged, never committed")
    git(repository, "add", "staged.txt")
    write(repository, "helper.py", "from sub.fresh import LR\n")
    write(repository, "sub/fresh.py", "from ignored import LR\n")
    write(repository, "ignored.py", "LR = 7\n")
    write(repository, "unrelated notes.txt", "neither tracked nor imported")

    source = start(spool, repository, "train.py")

    assert set(source["untracked"]) == {"sub/fresh.py", "ignored.py"}
    assert rerun(source, spool, tmp_path / "other") == "lr 7\n"
    expected = tree(repository)
    del expected["unrelated notes.txt"]
    assert tree(tmp_path / "other") == expected


def test_settings_of_the_user_do_not_change_the_diff(repository, spool, tmp_path):
    for name, value in {
        "diff.noprefix": "true", "color.ui": "always", "diff.external": "false", "diff.renames": "copies",
        "diff.context": "0", "core.quotepath": "true", "diff.mnemonicPrefix": "true", "diff.relative": "true",
    }.items():  # fmt: skip
        git(repository, "config", name, value)
    write(repository, "helper.py", "LR = 2\n")
    source = start(spool, repository, "train.py")
    assert rerun(source, spool, tmp_path / "other") == "lr 2\n"


def test_a_module_below_a_source_folder_and_a_working_folder_are_kept(repository, spool, tmp_path):
    write(repository, "src/pkg/__init__.py", "")
    write(repository, "src/pkg/__main__.py", "import capturing, helper\ncapturing.capture()\nprint(helper.LR)\n")
    write(repository, "src/helper.py", "LR = 3\n")
    write(repository, "runs/here/.keep", "")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "package")
    source = start(spool, repository / "runs" / "here", "-m", "pkg", "x", PYTHONPATH=str(repository / "src"))
    assert (source["entry"], source["entry_point"], source["working_dir"]) == ("module", "pkg", "runs/here")
    assert (source["python_path"], source["arguments"]) == (["runs/here", "src"], ["x"])
    assert rerun(source, spool, tmp_path / "other") == "3\n"


def test_a_module_started_from_outside_is_started_where_its_package_lies(repository, spool, tmp_path):
    write(repository, "src/pkg/run.py", "import capturing\ncapturing.capture()\nprint('ran')\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "package")
    source = start(spool, tmp_path, "-m", "pkg.run", PYTHONPATH=str(repository / "src"))
    assert (source["working_dir"], source["root"]) == ("src", str(repository))
    assert rerun(source, spool, tmp_path / "other") == "ran\n"


@pytest.mark.parametrize("cwd", ["sub", "."])
def test_a_script_is_named_from_the_working_folder(repository, spool, tmp_path, cwd):
    (repository / "sub").mkdir()
    write(repository, "sub/.keep", "")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "folder")
    source = start(spool, repository / cwd, str(repository / "train.py"))
    assert source["entry_point"] == ("../train.py" if cwd == "sub" else "train.py")
    assert rerun(source, spool, tmp_path / "other") == "lr 1\n"


def test_a_detached_head_a_worktree_and_a_shallow_clone_have_their_commit(repository, spool, tmp_path):
    first = git(repository, "rev-parse", "HEAD")
    write(repository, "helper.py", "LR = 5\n")
    git(repository, "commit", "-qam", "second")
    git(repository, "worktree", "add", "-q", "--detach", str(tmp_path / "tree"), first)
    source = start(spool, tmp_path / "tree", "train.py")
    assert (source["branch"], source["commit"], source["root"]) == (None, first, str(tmp_path / "tree"))
    assert rerun(source, spool, tmp_path / "one") == "lr 1\n"

    git(tmp_path, "clone", "-q", "--depth", "1", repository.as_uri(), "shallow")
    write(tmp_path / "shallow", "helper.py", "LR = 6\n")
    source = start(spool, tmp_path / "shallow", "train.py")
    assert source["commit"] == git(repository, "rev-parse", "HEAD")
    assert not any("push it" in note for note in source["notes"])
    assert rerun(source, spool, tmp_path / "two") == "lr 6\n"


def test_before_the_first_commit_the_files_are_kept(spool, tmp_path):
    root = tmp_path / "new"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    write(root, "train.py", "import capturing, helper\ncapturing.capture()\nprint(helper.LR)\n")
    write(root, "helper.py", "LR = 8\n")
    source = start(spool, root, "train.py")
    assert (source["commit"], source["branch"], source["script_name"]) == (None, "main", "train.py")
    assert rerun(source, spool, tmp_path / "other") == "8\n"


def test_without_a_repository_the_script_and_what_it_imports_are_kept(spool, tmp_path):
    folder = tmp_path / "plain"
    write(folder, "train.py", "import capturing\ncapturing.capture()\nimport helper\nprint(helper.LR)\n")
    write(folder, "helper.py", "LR = 9\n")
    source = start(spool, tmp_path, "plain/train.py", "a")
    assert (source["repository"], source["commit"], source["root"]) == (None, None, str(folder))
    assert (source["entry_point"], source["script_name"], source["arguments"]) == ("train.py", "train.py", ["a"])
    assert rerun(source, spool, tmp_path / "other") == "9\n"


def test_a_command_line_of_code_is_kept_as_a_script(repository, spool, tmp_path):
    source = start(spool, repository, "-c", "import capturing, helper; capturing.capture(); print(helper.LR)", "x")
    assert (source["entry_point"], source["arguments"]) == ("command.py", ["x"])
    assert rerun(source, spool, tmp_path / "other") == "1\n"


def test_submodules_have_their_commit_and_their_changes(repository, spool, tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "-q", "-b", "main")
    write(library, "lib.py", "LR = 1\n")
    git(library, "add", ".")
    git(library, "commit", "-qm", "lib")
    git(repository, "submodule", "add", "-q", str(library), "my libs/lib")
    write(
        repository, "helper.py", "import sys\nsys.path.append('my libs/lib')\nfrom lib import LR\nfrom fresh import X\n"
    )
    git(repository, "commit", "-qam", "submodule")
    write(repository, "my libs/lib/lib.py", "LR = 4\n")
    write(repository, "my libs/lib/fresh.py", "X = 1\n")
    source = start(spool, repository, "train.py")
    assert set(source["submodules"]) == {"my libs/lib"}
    assert set(source["untracked"]) == {"my libs/lib/fresh.py"}
    assert "diff" not in source
    assert rerun(source, spool, tmp_path / "other") == "lr 4\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_repository_of_another_user_is_read(repository, spool):
    for path in [repository, *repository.rglob("*")]:
        os.chown(path, 12345, 12345)
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "status")
    write(repository, "helper.py", "LR = 2\n")
    source = start(spool, repository, "train.py")
    assert source["commit"]
    assert source["diff"] == {"file": "files/diff.patch"}


def test_without_git_the_script_is_kept_and_the_reason_is_told(repository, spool, tmp_path):
    source = start(spool, repository, "train.py", PATH=str(tmp_path))
    assert (source["commit"], source["script_name"]) == (None, "train.py")
    assert source["notes"][0] == "The repository was not captured: git is not installed."
    assert source["notes"][1].endswith("and not kept: capturing.")
    assert rerun(source, spool, tmp_path / "other") == "lr 1\n"


def test_a_large_diff_is_written_without_being_held_in_memory(repository, spool):
    write(repository, "large.txt", b"")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "empty")
    write(repository, "large.txt", b"0123456789abcde\n" * (6 << 20))
    write(
        repository,
        "train.py",
        "import resource, capturing\nbefore = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\ncapturing.capture()\n"
        "assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30 << 10\n",
    )
    source = start(spool, repository, "train.py")
    assert (spool / source["diff"]["file"]).stat().st_size > 96 << 20


def test_what_is_imported_later_is_kept_at_the_end(repository, spool):
    write(repository, "later.py", "x = 1\n")
    write(
        repository,
        "train.py",
        "import capturing, importlib, json, os\nfrom pathlib import Path\n"
        "from meristem.tasks.capture.source import late_source, late_untracked\n"
        "spool = Path(os.environ['SPOOL'])\nsource = capturing.capture()\n"
        "assert late_source(spool, source) == {}\n"
        "importlib.import_module('lat' + 'er')\n"
        "found = late_untracked(spool, Path(source['root']), source.get('untracked', ()))\n"
        "assert found == {'later.py': {'file': 'files/untracked/later.py'}}, found\n"
        "assert late_source(spool, source) == {'untracked': found}\n",
    )
    start(spool, repository, "train.py")
    assert (spool / "files/untracked/later.py").read_text() == "x = 1\n"

"""Drafts name the commit that they run, and nothing that no worker would find."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from meristem.errors import InputError
from meristem.tasks.drafts import edited_source, new_draft


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("r")
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    git(folder, "tag", "v1", "-a", "-m", "v1")
    git(folder, "checkout", "-q", "-b", "side")
    git(folder, "commit", "-q", "--allow-empty", "-m", "two")
    git(folder, "checkout", "-q", "main")
    return folder


@pytest.fixture(params=["folder", "url"])
def place(request: pytest.FixtureRequest, repository: Path) -> str:
    return str(repository) if request.param == "folder" else f"file://{repository}"


@pytest.mark.parametrize(
    ("given", "ref"),
    [({}, "main"), ({"branch": "side"}, "side"), ({"commit": "HEAD"}, "main"), ({"commit": "v1"}, "main")],
)
def test_a_draft_names_the_commit_at_which_its_code_stands(
    place: str, repository: Path, given: dict[str, str], ref: str
) -> None:
    draft = new_draft("p", "n", script="train.py", repository=place, **given)  # type: ignore[arg-type]
    assert draft.source["commit"] == git(repository, "rev-parse", ref)


@pytest.mark.parametrize("given", [{"branch": "none"}, {"commit": "none"}])
def test_what_the_repository_does_not_have_is_told_at_once(place: str, given: dict[str, str]) -> None:
    with pytest.raises(InputError, match="none"):
        new_draft("p", "n", script="train.py", repository=place, **given)  # type: ignore[arg-type]


def test_a_repository_that_cannot_be_asked_is_left_to_the_worker(tmp_path: Path) -> None:
    away = f"file://{tmp_path}/away"
    assert "commit" not in new_draft("p", "n", function="a:b", repository=away, branch="main").source
    with pytest.raises(InputError, match="cannot be asked"):
        new_draft("p", "n", function="a:b", repository=away, commit="HEAD")
    assert new_draft("p", "n", function="a:b", repository=away, commit="a" * 40).source["commit"] == "a" * 40


def test_a_script_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no repository"):
        new_draft("p", "n", script="train.py")
    with pytest.raises(InputError, match="no git repository"):
        new_draft("p", "n", script="train.py", repository=tmp_path)
    with pytest.raises(InputError, match="neither a URL nor a folder"):
        new_draft("p", "n", script="train.py", repository="no/such/folder")
    with pytest.raises(InputError, match="no repository"):
        new_draft("p", "n", module="m", commit="a" * 40)
    assert new_draft("p", "n", script="/opt/train.py").source["entry_point"] == "/opt/train.py"
    assert new_draft("p", "n", module="m").source["entry_point"] == "m"


def test_another_branch_means_its_head_and_drops_what_was_changed_elsewhere(repository: Path) -> None:
    old = {"root": str(repository), "commit": git(repository, "rev-parse", "main"), "diff": {"blob": "b", "bytes": 1}}
    changed = edited_source(old, branch="side")
    assert changed == {"branch": "side", "commit": git(repository, "rev-parse", "side"), "diff": None}
    assert edited_source(old, commit="main") == {"commit": old["commit"]}
    with pytest.raises(InputError, match="none"):
        edited_source(old, commit="none")

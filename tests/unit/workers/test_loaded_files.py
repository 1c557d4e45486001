"""Modules of users that change are noticed; what is installed is not looked at."""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path

import pytest

from meristem.workers.loaded_files import LoadedFiles


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "module_of_a_user.py"
    path.write_text("x = 1\n")
    old = time.time() - 100
    os.utime(path, (old, old))
    return path


def load(path: Path, began: float) -> LoadedFiles:
    sys.modules.pop(path.stem, None)
    found = LoadedFiles()
    importlib.import_module(path.stem)
    found.note(began)
    sys.modules.pop(path.stem)
    return found


def test_a_module_that_stays_as_it_is_has_not_changed(module: Path) -> None:
    assert not load(module, time.time()).changed()


def test_a_module_that_is_written_or_removed_has_changed(module: Path) -> None:
    found = load(module, time.time())
    module.write_text("x = 22\n")
    assert found.changed()
    module.unlink()
    assert found.changed()


def test_a_file_written_while_its_module_may_have_been_imported_counts_as_changed(module: Path) -> None:
    assert load(module, began=time.time() - 200).changed()


def test_installed_packages_are_not_looked_at(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = module.parent / "site-packages"
    place.mkdir()
    monkeypatch.syspath_prepend(place)
    module = module.rename(place / module.name)
    found = load(module, time.time())
    module.unlink()
    assert not found.changed()

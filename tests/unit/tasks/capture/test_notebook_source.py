"""The source of a notebook is a script, from its file or from the cells that have run, and grows with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from meristem.tasks.capture.entry import current_entry
from meristem.tasks.capture.source import capture_source, late_source


@pytest.fixture
def shell(tmp_path, monkeypatch) -> SimpleNamespace:
    """A session of IPython, as far as it is looked at."""
    shell = SimpleNamespace(user_ns={}, history_manager=SimpleNamespace(input_hist_raw=["", "%pip install x\na = 1"]))
    ipython, main = ModuleType("IPython"), ModuleType("__main__")
    ipython.get_ipython, main.In = lambda: shell, ["", "translated"]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "__main__", main)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return shell


def test_cells_that_have_run_are_kept_and_later_ones_follow(shell, tmp_path):
    spool = tmp_path / "spool"
    source = capture_source(None, spool)
    assert (source["notebook"], source["script_name"], source["arguments"]) == (True, "notebook.py", [])
    assert (spool / source["script"]["file"]).read_text() == "# %%\n# %pip install x\na = 1\n"
    assert late_source(spool, source) == {}
    shell.history_manager.input_hist_raw.append("b = 2")
    changed = late_source(spool, source)
    assert (spool / changed["script"]["file"]).read_text().endswith("# %%\nb = 2\n")
    assert changed["script"] != source["script"]


def test_the_file_of_the_notebook_goes_before_its_history(shell, tmp_path):
    path = tmp_path / "work" / "digits.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": "whole = 1"}]}))
    shell.user_ns["__vsc_ipynb_file__"] = str(path)
    source = capture_source(None, tmp_path / "spool")
    assert current_entry().path == path
    assert source["script_name"] == "digits.py"
    assert Path(tmp_path / "spool" / "files/script.py").read_text() == "# %%\nwhole = 1\n"

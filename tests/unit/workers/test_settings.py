"""What tasks find in their environment, and what of it is masked."""

from __future__ import annotations

import pytest

from meristem.errors import InputError
from meristem.workers.offer import read_slots
from meristem.workers.settings import read_variables, variables_of_tasks
from meristem.workers.warm_process import keyword_arguments


def test_secrets_of_the_worker_stay_with_it_unless_they_are_passed():
    environ = {"HOME": "/root", "HF_TOKEN": "abcdefgh", "API_KEY": "12345678"}
    variables, secrets, held_back = variables_of_tasks(environ, {}, ["API_KEY"], [])
    assert variables == {"HOME": "/root", "API_KEY": "12345678"}
    assert held_back == ["HF_TOKEN"]
    assert set(secrets) == {"abcdefgh", "12345678"}


def test_the_folders_of_a_shell_are_no_secrets():
    environ = {"PWD": "C:work", "OLDPWD": "relative-folder", "DB_PWD": "hunter22"}
    variables, secrets, held_back = variables_of_tasks(environ, {}, [], [])
    assert (held_back, secrets) == (["DB_PWD"], ["hunter22"])
    assert variables == {"PWD": "C:work", "OLDPWD": "relative-folder"}


def test_gpus_that_are_not_there_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(InputError, match=r"no GPU 9 for this worker\. It may use: 0, 1"):
        read_slots("9:0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="It may use: none"):
        read_slots("0:0")
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, GPU-1234'\n")
    program.chmod(0o755)
    assert read_slots("0:0") == [("0",), ("0",)]
    with pytest.raises(InputError, match="no GPU 3"):
        read_slots("0:3")
    program.write_text("#!/bin/sh\nexit 9\n")
    assert read_slots("0:3") == [("0",), ("3",)]


def test_what_stands_in_a_file_reaches_tasks_and_is_masked():
    variables, secrets, _ = variables_of_tasks({}, {"PLAIN": "value99"}, [], [])
    assert variables == {"PLAIN": "value99"}
    assert secrets == ["value99"]


def test_a_store_with_a_password_does_not_reach_tasks_and_one_without_does():
    for url, there in (("postgresql://u:hunter2@h/d", False), ("sqlite:///m.db", True)):
        variables, _, _ = variables_of_tasks({"MERISTEM_STORE": url}, {}, [], [])
        assert ("MERISTEM_STORE" in variables) is there


def test_a_file_of_variables_is_read_and_its_mistakes_are_listed(tmp_path):
    file = tmp_path / "env"
    file.write_text("# secrets\nexport A=1\nB='x y'\n\n")
    assert read_variables(file) == {"A": "1", "B": "x y"}
    file.write_text("A\nB=1\n=2\n")
    with pytest.raises(InputError) as caught:
        read_variables(file)
    assert caught.value.problems == ("line 1 is not NAME=value", "line 3 is not NAME=value")


def test_slots_are_a_number_or_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert read_slots(None) == [("0", "1", "2")]
    assert read_slots("2") == [("0", "2"), ("1",)]
    assert read_slots("0,1:2") == [("0", "1"), ("2",)]
    assert len(read_slots(None, services=True)) == 100
    for bad in ("0", "a b"):
        with pytest.raises(InputError):
            read_slots(bad)


def test_parameters_become_keyword_arguments():
    given = {"General/lr": 0.1, "Args/n": 2, "General/optimizer/name": "adam", "Hydra/x": 1, "odd": 2}
    assert keyword_arguments(given) == {"lr": 0.1, "n": 2, "optimizer": {"name": "adam"}}

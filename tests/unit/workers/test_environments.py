"""What environments are made of: keys, pip's settings for uv, interpreters, command lines of containers."""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path

import pytest

from meristem.workers.environments import venv_cache
from meristem.workers.environments.container import Contained, container_command, image_name
from meristem.workers.environments.interpreters import find_python
from meristem.workers.environments.pip_settings import read_settings, uv_options
from meristem.workers.environments.tools import NotPrepared, safe_path
from meristem.workers.environments.venv_cache import clean_packages, environment_key, name_of

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_the_same_packages_in_any_order_are_one_environment():
    one, other = clean_packages(["numpy==2.2.0", "attrs==1.0"]), clean_packages(["attrs==1.0", "numpy==2.2.0"])
    assert environment_key("3.11", one, "here") == environment_key("3.11", other, "here")


@pytest.mark.parametrize(
    "change", [("3.12", ["a==1"], "here"), ("3.11", ["a==2"], "here"), ("3.11", ["a==1"], "there")]
)
def test_another_python_package_or_meristem_is_another_environment(change):
    assert environment_key(*change) != environment_key("3.11", ["a==1"], "here")


def test_meristem_itself_is_not_installed():
    assert clean_packages(["meristem==0.1.0", "numpy==2.2.0"]) == ["numpy==2.2.0"]


@pytest.mark.parametrize("odd", ["--index-url=http://evil", "-e .", "numpy==1\n--pre", "git+https://x"])
def test_what_is_no_requirement_is_refused(odd):
    with pytest.raises(NotPrepared, match="no package requirement"):
        clean_packages([odd])


@pytest.mark.parametrize("good", ["torch==2.13.0+cpu", "a[b,c]>=1", "numpy", "x @ https://host/x.whl"])
def test_requirements_of_all_kinds_pass(good):
    assert clean_packages([good]) == [good]


def test_names_are_those_of_indexes():
    assert name_of("Scikit_Learn==1.6") == "scikit-learn"


def test_settings_of_pip_become_options_of_uv():
    text = (
        "[global]\nfind-links = /wheels\nextra-index-url = file:///a\n  file:///b\n[install]\nindex-url = https://i\n"
    )
    settings = read_settings([text], {"PIP_CERT": "/ca.pem"})
    options, variables = uv_options(settings, {})
    assert options == [
        "--default-index", "https://i", "--index", "file:///a", "--index", "file:///b",
        "--index-strategy", "unsafe-best-match", "--find-links", "/wheels",
    ]  # fmt: skip
    assert variables == {"SSL_CERT_FILE": "/ca.pem"}


def test_variables_go_before_files_and_later_files_before_earlier_ones():
    texts = ["[global]\nindex-url = https://one\n", "[global]\nindex_url = https://two\n", "no settings at all"]
    assert read_settings(texts, {})["index-url"] == "https://two"
    assert read_settings(texts, {"PIP_INDEX_URL": "https://three"})["index-url"] == "https://three"


def test_what_the_owner_told_uv_itself_stands():
    options, variables = uv_options(
        {"index-url": "https://i", "cert": "/ca"}, {"UV_INDEX_URL": "x", "SSL_CERT_FILE": "y"}
    )
    assert options == []
    assert variables == {}


def test_the_python_of_the_recorded_version_is_taken_and_else_ours_with_a_word(capsys):
    assert find_python(f"{HERE}.1", uv=None, finder=lambda minor: "/never") == sys._base_executable
    assert find_python("3.9.1", uv=None, finder=lambda minor: f"/python{minor}") == "/python3.9"
    assert find_python("3.9.1", uv=None, finder=lambda minor: None) == sys._base_executable
    assert "no Python 3.9 here" in capsys.readouterr().out


def test_a_strict_worker_refuses_another_python():
    with pytest.raises(NotPrepared, match=r"3\.9\.1.*--strict-python"):
        find_python("3.9.1", uv=None, strict=True, finder=lambda minor: None)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", ".git/config", "a/.GIT/hooks/x", "a\0b"])
def test_names_that_lead_out_of_the_code_are_refused(name, tmp_path):
    with pytest.raises(NotPrepared):
        safe_path(tmp_path, name, "The file")


def test_links_that_lead_out_of_the_code_are_refused(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "out").symlink_to(tmp_path)
    with pytest.raises(NotPrepared, match="by a link"):
        safe_path(tmp_path / "code", "out/x", "The file")
    assert safe_path(tmp_path / "code", ".", "The folder") == tmp_path / "code"


def contained(**changes) -> Contained:
    given = {
        "image": "python:3.11", "name": "meristem-1-1", "command": ["python3", "train.py"], "folder": "/code",
        "mounts": ["/code", "/spool"], "own": "/src/meristem", "variables": ["MERISTEM_TASK"],
    }  # fmt: skip
    return Contained(**{**given, **changes})


def test_a_container_runs_the_task_with_its_folders_and_no_value_of_a_variable_on_the_line():
    line = container_command("/usr/bin/docker", contained(cpus=2, memory_bytes=1 << 30, user="1:1"))
    text = " ".join(line)
    assert line[-3:] == ["python:3.11", "python3", "train.py"]
    assert "--volume=/code:/code --volume=/spool:/spool --volume=/src/meristem:/opt/meristem/meristem:ro" in text
    assert "--env MERISTEM_TASK --env PYTHONPATH=/opt/meristem" in text
    assert "--cpus 2 --memory 1073741824" in text
    assert "--user 1:1" in text


def test_packages_are_installed_at_the_start_of_a_container():
    line = container_command("docker", contained(packages=["numpy==2.2.0"]))
    assert line[-1] == "python3 -m pip install -q numpy==2.2.0 && exec python3 train.py"


@pytest.mark.parametrize(
    ("engine", "wanted"), [("docker", '--gpus="device=0,1"'), ("podman", "--device=nvidia.com/gpu=0")]
)
def test_gpus_are_given_as_each_engine_wants(engine, wanted):
    assert wanted in container_command(engine, contained(gpus=["0", "1"]))


def test_an_image_is_no_option():
    with pytest.raises(NotPrepared):
        image_name("--privileged")
    assert image_name(str(Path("registry/image:tag"))) == "registry/image:tag"


def test_an_environment_in_use_is_not_evicted(tmp_path):
    place = tmp_path / "environment"
    place.mkdir()
    lock = f"{place}.lock"
    with open(lock, "a") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        venv_cache._remove(place)
        assert place.is_dir()
    venv_cache._remove(place)
    assert not place.exists()

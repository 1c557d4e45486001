"""Packages are named with their exact versions, from what is loaded and what will be."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path

import numpy
import pytest

import meristem
from meristem.tasks.capture.distributions import Installed
from meristem.tasks.capture.entry import EntryKind, EntryPoint
from meristem.tasks.capture.git import without_credentials
from meristem.tasks.capture.packages import capture_packages
from meristem.tasks.capture.static_imports import reachable


def script(path: Path, text: str) -> EntryPoint:
    path.write_text(text)
    return EntryPoint(kind=EntryKind.SCRIPT, name=path.name, path=path)


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "lib" / "site-packages"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install(site: Path, name: str, version: str, files: list[str], origin: dict[str, object] | None = None) -> None:
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    if origin:
        (info / "direct_url.json").write_text(json.dumps(origin))
    for file in files:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).touch()


def test_what_is_loaded_is_named_with_its_version(tmp_path):
    found = capture_packages(entry=script(tmp_path / "s.py", ""))
    assert f"numpy=={numpy.__version__}" in found
    assert f"pytest=={pytest.__version__}" in found
    assert f"meristem=={meristem.__version__}" in found
    assert found == sorted(found, key=str.lower)


def test_what_will_be_imported_is_named_too(tmp_path, site):
    install(site, "Later-Thing", "2.13.0+cpu", ["later/__init__.py"])
    install(site, "by-helper", "1", ["by_helper.py"])
    install(site, "for-types", "1", ["for_types.py"])
    install(site, "space-part", "3", ["space/part/__init__.py"])
    install(site, "space-other", "3", ["space/other/__init__.py"])
    (tmp_path / "helper.py").write_text("try:\n    import by_helper\nexcept ImportError:\n    pass\n")
    entry = script(
        tmp_path / "s.py",
        "from typing import TYPE_CHECKING\nimport helper\nfrom space.part import x\n"
        "if TYPE_CHECKING:\n    import for_types\ndef f():\n    import later.inner\n",
    )
    found = capture_packages(entry=entry)
    assert {"Later-Thing==2.13.0+cpu", "by-helper==1", "space-part==3"} <= set(found)
    assert not {"for-types==1", "space-other==3"} & set(found)
    assert "by_helper" not in sys.modules


def test_extra_names_are_added_where_installed(tmp_path, site):
    install(site, "extra-one", "4.5", ["something_else.py"])
    found = capture_packages(["Extra_One", "absent"], entry=script(tmp_path / "s.py", ""))
    assert "extra-one==4.5" in found


def test_where_a_package_comes_from_is_told(tmp_path, site):
    git = {"url": "https://me:token@host/a.git", "vcs_info": {"vcs": "git", "commit_id": "c" * 40}}
    install(site, "from-git", "1", ["from_git.py"], git)
    install(site, "from-url", "1", ["from_url.py"], {"url": "https://u:p@host/x.whl", "archive_info": {}})
    install(site, "from-file", "1", ["from_file.py"], {"url": "file:///tmp/x.whl", "archive_info": {}})
    found = capture_packages(entry=script(tmp_path / "s.py", "import from_git, from_url, from_file"))
    assert {
        f"from-git @ git+https://host/a.git@{'c' * 40}",
        "from-url @ https://host/x.whl",
        "from-file==1",
    } <= set(found)


def test_the_task_s_own_package_is_left_out(tmp_path, site, monkeypatch):
    code = tmp_path / "code"
    (code / "mine").mkdir(parents=True)
    (code / "mine" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(code))
    install(site, "mine", "1", [], {"url": code.as_uri(), "dir_info": {"editable": True}})
    entry = script(tmp_path / "s.py", "")
    monkeypatch.setitem(sys.modules, "mine", importlib.import_module("mine"))
    assert not [line for line in capture_packages(entry=entry, root=code) if line.startswith("mine")]
    assert "mine==1" in capture_packages(entry=entry, root=tmp_path / "elsewhere")


def test_owners_agree_with_those_that_importlib_finds():
    installed, provided = Installed(sys.path), importlib.metadata.packages_distributions()
    for top in ("yaml", "numpy", "scipy", "sklearn", "PIL", "dateutil", "_pytest", "typing_extensions"):
        spec = importlib.util.find_spec(top)
        assert {one.name for one in installed.owners(Path(spec.origin))} == set(provided[top])


def test_imports_are_followed_through_packages_and_relative_names(tmp_path):
    for name, text in {
        "main.py": "from pkg import a",
        "pkg/__init__.py": "",
        "pkg/a.py": "from . import b\nfrom .sub.c import thing",
        "pkg/b.py": "import outside.part as o",
        "pkg/sub/__init__.py": "from ..b import x",
        "pkg/sub/c.py": "def broken(:",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    files, names = reachable(tmp_path / "main.py", [tmp_path])
    assert {file.relative_to(tmp_path).as_posix() for file in files} == {
        "main.py", "pkg/__init__.py", "pkg/a.py", "pkg/b.py", "pkg/sub/__init__.py", "pkg/sub/c.py",
    }  # fmt: skip
    assert "outside.part" in names


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:token@host/a/b.git", "https://host/a/b.git"),
        ("https://token@host:8443/a.git?private_token=x#y", "https://host:8443/a.git"),
        ("https://user:p@ss@host/a.git", "https://host/a.git"),
        ("git@host:a/b.git", "git@host:a/b.git"),
        ("ssh://git:pw@host/a.git", "ssh://git@host/a.git"),
        ("/srv/a.git", "/srv/a.git"),
        ("../b.git", "/work/b.git"),
        ("file:///srv/a.git", "file:///srv/a.git"),
    ],
)
def test_addresses_lose_their_credentials(url, shown):
    assert without_credentials(url, Path("/work/a")) == shown

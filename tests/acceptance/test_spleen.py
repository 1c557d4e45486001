"""The spleen example with the real MONAI, tiny: an MMAR and a bundle are searched, and compared on held-out volumes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from meristem.bundles.bundle_run import flag

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "spleen"
PYTHON = ROOT / ".venv-monai" / "bin" / "python"

pytestmark = pytest.mark.skipif(
    not (ROOT / ".venv-monai" / ".installed").exists(),
    reason="there is no environment with MONAI; where PyTorch can be installed, make monai makes it",
)


def fingerprint() -> dict[str, str]:
    files = [path for name in ("mmar", "bundle") for path in (EXAMPLE / name).rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.timeout(600)  # most of it is importing PyTorch, again and again, on however busy a machine
def test_an_mmar_and_a_bundle_are_searched_with_monai(tmp_path: Path) -> None:
    before = fingerprint()
    command = [sys.executable, EXAMPLE / "run.py", "--tiny", "--folder", tmp_path / "work"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=590, check=False)
    assert done.returncode == 0, done.stderr
    assert "Mean Dice on held-out volumes" in done.stdout
    results = json.loads((tmp_path / "work" / "results.json").read_text(encoding="utf-8"))
    assert set(results) == {"mmar", "bundle"}
    for found in results.values():
        assert 0 <= found["base"] <= 1
        assert 0 <= found["best"] <= 1
        assert Path(found["model"]).is_file()
        assert len(found["values"]) == 5
    assert fingerprint() == before


def test_monai_reads_values_from_its_command_line_as_they_were() -> None:
    values = [
        0.001,
        1e-05,
        -3,
        True,
        "True",
        "None",
        "1",
        "@dice",
        "$@a + 1",
        "a#b",
        "it's",
        "- x",
        [8, 16],
        ["a"],
        {"a": [None]},
    ]
    flags = [str(flag("id::x", value)) for value in values]
    code = (
        "import json, sys, fire; found = []\n"
        "for said in sys.argv[1:]: fire.Fire(lambda **given: found.append(given), command=[said])\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run([PYTHON, "-c", code, *flags], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [{"id::x": value} for value in values]

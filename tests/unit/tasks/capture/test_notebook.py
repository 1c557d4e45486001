"""A notebook becomes a script that plain Python runs."""

from __future__ import annotations

import json

from meristem.tasks.capture.notebook import script_of_cells, script_of_notebook


def test_what_only_ipython_understands_is_commented_out():
    script = script_of_cells(
        [
            "%matplotlib inline\nimport math\n!pip install x",
            "if True:\n    !ls\nfiles = !ls\nmath?",
            "%%time\ntotal = sum([1, 2])",
            "%%bash\nrm -rf build",
            'text = """\n%kept\n!kept\n"""',
            "",
            "this is no code",
        ]
    )
    names: dict[str, object] = {}
    exec(compile(script, "notebook.py", "exec"), names)
    assert (names["total"], names["text"]) == (3, "\n%kept\n!kept\n")
    assert "# rm -rf build" in script
    assert "# !pip install x" in script


def test_code_cells_are_read_in_their_order(tmp_path):
    cells = [
        {"cell_type": "code", "source": ["a = 1\n", "b = 2"]},
        {"cell_type": "markdown", "source": "words"},
        {"cell_type": "code", "source": "c = a + b"},
    ]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    assert script_of_notebook(path) == "# %%\na = 1\nb = 2\n\n# %%\nc = a + b\n"

"""Tables, plots, images, texts, artifacts and models lie in the spool folder as records say."""

from __future__ import annotations

import io
import json
import pickle
import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from meristem.errors import InputError
from meristem.tasks.reporting import artifacts as artifacts_module
from meristem.tasks.reporting.kept_files import KeptFiles
from meristem.tasks.reporting.pictures import png_of
from meristem.tasks.reporting.reporter import Reporter
from meristem.tasks.reporting.tables import table_of


class Folder:
    def __init__(self, path):
        self.path = path
        self.reporter = Reporter(path)

    def records(self):
        self.reporter.flush()
        lines = (self.path / "report.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def only(self):
        (record,) = self.records()
        return record

    def bytes_of(self, record):
        data = (self.path / record["file"]).read_bytes()
        assert record.get("bytes") == len(data)
        return data


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path / "spool")
    yield made
    made.reporter._lines.close()


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        {"a": [1, 2], "b": ["x", None]},
        [{"a": 1, "b": "x"}, {"a": 2}],
        [["a", "b"], [1, "x"], [2, None]],
        {"a": np.array([1, 2]), "b": ("x", float("nan"))},
    ],
    ids=["DataFrame", "columns", "dicts", "rows", "arrays"],
)
def test_tables_of_many_kinds_have_columns_and_rows(table):
    assert table_of(table) == {"columns": ["a", "b"], "rows": [[1, "x"], [2, None]], "row_count": 2}


def test_rows_without_names_are_numbered():
    table = table_of([[1.5, float("inf")], [2]])
    assert (table["columns"], table["rows"]) == (["1", "2"], [[1.5, "inf"], [2, None]])


def test_the_index_of_a_frame_is_a_column_where_it_says_something():
    table = table_of(pd.DataFrame({"precision": [0.5]}, index=pd.Index(["cats"], name="class")))
    assert table == {"columns": ["class", "precision"], "rows": [["cats", 0.5]], "row_count": 1}


def test_a_long_table_is_cut_and_says_how_long_it_was():
    table = table_of(np.zeros((20_000, 2)))
    assert (len(table["rows"]), table["row_count"]) == (10_000, 20_000)


@pytest.mark.parametrize("given", [3, "text", None, object()])
def test_what_is_no_table_is_refused(folder, given):
    with pytest.raises(InputError, match="A table is"):
        folder.reporter.report_table("t", "s", given)


def test_a_table_lies_in_a_file_that_is_json(folder):
    folder.reporter.report_table("confusion", "val", [["cat", "dog"], [1, float("nan")]], step=3)
    record = folder.only()
    found = [record[key] for key in ("meristem", "title", "series", "step", "format")]
    assert found == ["table", "confusion", "val", 3, "json"]
    assert json.loads(folder.bytes_of(record))["rows"] == [[1, None]]


def test_a_plotly_figure_or_a_dict_of_its_form_is_kept_as_json(folder):
    folder.reporter.report_plot("roc", "val", go.Figure(go.Scatter(y=np.arange(3))), 1)
    folder.reporter.report_plot("roc", "val", {"data": [{"y": np.arange(3)}]}, 2)
    first, second = folder.records()
    assert first["format"] == second["format"] == "plotly"
    assert json.loads(folder.bytes_of(first))["data"][0]["type"] == "scatter"
    assert json.loads(folder.bytes_of(second))["data"][0]["y"] == [0, 1, 2]


class FakeCanvas:
    def print_figure(self, file, *, format, dpi, **rest):
        file.write(f"<svg>{dpi:g}".encode() if format == "svg" else b"\x89PNG\r\n\x1a\n" + f"{dpi:g}".encode())


class FakeFigure:
    """What is asked of a matplotlib figure, which the test environment has not."""

    def __init__(self, inches=(6, 4), dpi=100.0):
        self.canvas, self.dpi, self._inches = FakeCanvas(), dpi, inches

    def get_size_inches(self):
        return self._inches

    def savefig(self, target):
        raise AssertionError("savefig may be captured itself")


def test_a_matplotlib_figure_is_kept_as_png_and_svg(folder):
    folder.reporter.report_plot("roc", "val", FakeFigure())
    record = folder.only()
    assert folder.bytes_of(record) == b"\x89PNG\r\n\x1a\n100"
    assert (folder.path / record["vector"]["file"]).read_bytes() == b"<svg>100"


def test_a_huge_figure_is_drawn_smaller(folder):
    folder.reporter.report_plot("roc", "val", FakeFigure(inches=(100, 50)))
    assert folder.bytes_of(folder.only()).endswith(b"20")


@pytest.mark.parametrize("given", [3, None, [1, 2], {"no": "data"}])
def test_what_is_no_figure_is_refused(folder, given):
    with pytest.raises(InputError, match="report_plot"):
        folder.reporter.report_plot("a", "b", given)


shapes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3, 4]))


@given(arrays.arrays(np.uint8, shapes, elements=st.integers(0, 255)))
def test_a_png_of_ours_is_read_by_others_pixel_by_pixel(pixels):
    opened = np.asarray(Image.open(io.BytesIO(png_of(pixels))))
    assert np.array_equal(opened.reshape(pixels.shape), pixels)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.array([[0.0, 1.0], [0.5, np.nan]]), [[0, 255], [128, 0]]),
        (np.array([[True, False]]), [[255, 0]]),
        (np.array([[-3, 300]]), [[0, 255]]),
        (np.zeros((1, 2, 5)), [[0] * 5] * 2),
    ],
    ids=["numbers 0..1", "truth values", "integers", "channels first"],
)
def test_pixels_of_many_kinds_become_bytes(given, expected):
    assert np.asarray(Image.open(io.BytesIO(png_of(given)))).tolist() == expected


@pytest.mark.parametrize("shape", [(3,), (2, 2, 7), (0, 3), (1, 2, 3, 4)])
def test_arrays_that_are_no_image_are_refused(shape):
    with pytest.raises(InputError, match="shape"):
        png_of(np.zeros(shape))


def test_images_come_from_files_and_pil(folder, tmp_path):
    picture = Image.new("RGB", (4, 2), "red")
    for suffix in ("png", "jpg", "bmp"):
        picture.save(tmp_path / f"a.{suffix}")
        folder.reporter.report_image("img", suffix, str(tmp_path / f"a.{suffix}"))
    folder.reporter.report_image("img", "pil", picture.convert("CMYK"))
    assert [record["format"] for record in folder.records()] == ["png", "jpeg", "png", "png"]
    assert Image.open(io.BytesIO(folder.bytes_of(folder.records()[2]))).size == (4, 2)


@pytest.mark.parametrize("given", ["missing.png", b"no picture", 3])
def test_what_is_no_image_is_refused(folder, given):
    with pytest.raises(InputError, match=r"[Ii]mage"):
        folder.reporter.report_image("a", "b", given)


def test_a_short_text_stands_in_its_record_and_a_long_one_in_a_file(folder):
    folder.reporter.report_text("note", "short ü\ud800", markdown=True)
    folder.reporter.report_text("note", "x" * 5000, step=1)
    short, long = folder.records()
    assert (short["text"], short["format"]) == ("short ü\\ud800", "markdown")
    assert folder.bytes_of(long) == b"x" * 5000


@pytest.mark.parametrize(
    ("given", "named", "expected"),
    [
        (("the text",), {}, ("notes", "the text", None)),
        (("run", "the text"), {}, ("run", "the text", None)),
        (("run", "the text", 3), {}, ("run", "the text", 3)),
        (("run",), {"text": "the text", "step": 3}, ("run", "the text", 3)),
        (("the text",), {"series": "run", "step": 3}, ("run", "the text", 3)),
        ((), {"text": "the text"}, ("notes", "the text", None)),
    ],
)
def test_a_text_takes_title_and_series_like_other_reports_or_the_title_alone(folder, given, named, expected):
    folder.reporter.report_text("notes", *given, **named)
    record = folder.only()
    assert (record["title"], record["series"], record["text"], record["step"]) == ("notes", *expected)


@pytest.mark.parametrize(
    ("given", "named"),
    [((), {}), (("a", "b", 1, 2), {}), (("a", "b"), {"series": "c"}), (("a",), {"body": "b"}), ((), {"series": "a"})],
)
def test_a_text_that_is_reported_otherwise_is_refused_with_the_way_that_works(folder, given, named):
    with pytest.raises(InputError, match="a title, a series and a text"):
        folder.reporter.report_text("notes", *given, **named)


@pytest.mark.parametrize("text", ["nosuchfile.csv", "out/weights", "C:\\data\\x.bin", "./a.b.npz"])
def test_an_artifact_that_looks_like_a_path_of_no_file_is_told_of_once(folder, capfd, monkeypatch, text):
    monkeypatch.setattr(artifacts_module, "_told", set())
    folder.reporter.upload_artifact("x", text)
    folder.reporter.upload_artifact("x", text)
    told = capfd.readouterr().err
    assert told.count("this text itself is kept") == 1
    assert repr(text) in told


@pytest.mark.parametrize("text", ["one word", "word", "1.5", "a sentence. Another/one", '{"a.b"}', "", "v1.2"])
def test_an_artifact_that_is_a_text_is_kept_in_silence(folder, capfd, text):
    folder.reporter.upload_artifact("x", text)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("artifact", "form", "read", "preview"),
    [
        ({"a": [1, 2]}, "json", json.loads, '"a"'),
        ("no such file", "json", json.loads, "no such"),
        (np.arange(3), "npy", lambda data: np.load(io.BytesIO(data)).tolist(), "int64 of shape (3,)"),
        (pd.DataFrame({"a": [1]}), "csv", lambda data: pd.read_csv(io.BytesIO(data), index_col=0), ",a"),
        ({"z": 1j}, "pickle", pickle.loads, "dict"),
    ],
)
def test_an_artifact_is_kept_in_the_form_that_most_programs_read(folder, artifact, form, read, preview):
    folder.reporter.upload_artifact("thing", artifact, {"n": np.int64(1)})
    record = folder.only()
    assert (record["name"], record["role"], record["format"]) == ("thing", "artifact", form)
    assert record["metadata"] == {"n": 1}
    assert preview in record["preview"]
    found, expected = read(folder.bytes_of(record)), artifact.tolist() if form == "npy" else artifact
    assert found.equals(expected) if form == "csv" else found == expected


def test_a_function_of_the_script_is_pickled_too(folder):
    folder.reporter.upload_artifact("f", lambda: 3)
    assert pickle.loads(folder.bytes_of(folder.only()))() == 3


def test_an_object_that_nothing_can_keep_is_refused_and_leaves_no_file(folder):
    with pytest.raises(InputError, match="cannot be kept"):
        folder.reporter.upload_artifact("lock", threading.Lock())
    assert [path for path in folder.path.rglob("*") if path.is_file()] == []


def test_a_file_is_copied_so_that_later_changes_do_not_reach_it(folder, tmp_path):
    original = tmp_path / "model.bin"
    original.write_bytes(b"before")
    folder.reporter.upload_artifact("model", original)
    original.write_bytes(b"after!")
    record = folder.only()
    assert folder.bytes_of(record) == b"before"
    assert record["file"].endswith(".bin")


def test_a_folder_is_a_zip_that_is_the_same_for_the_same_files(folder, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "x.txt").write_text("hello")
        (tmp_path / name / "empty").write_text("")
        folder.reporter.upload_artifact("folder", tmp_path / name)
    first, second = (folder.bytes_of(record) for record in folder.records())
    assert first == second
    entries = zipfile.ZipFile(io.BytesIO(first)).infolist()
    assert [entry.filename for entry in entries] == ["empty", "sub/x.txt"]
    assert {entry.date_time[0] for entry in entries} == {1980}


def test_a_path_that_does_not_exist_is_refused(folder):
    with pytest.raises(InputError, match="exists"):
        folder.reporter.upload_artifact("a", Path("nowhere"))


def test_a_url_is_kept_as_it_is(folder):
    folder.reporter.upload_artifact("data", "s3://bucket/data.csv")
    assert folder.only()["url"] == "s3://bucket/data.csv"


def test_models_that_come_in_stay_where_they_are_and_those_that_go_out_are_kept(folder, tmp_path):
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"w")
    folder.reporter.log_input_model("start", weights)
    folder.reporter.log_output_model("end", weights, framework="torch", metadata={"epochs": 3})
    start, end = folder.records()
    assert (start["role"], start["url"]) == ("input_model", weights.as_uri())
    assert (end["role"], end["metadata"]) == ("output_model", {"epochs": 3, "framework": "torch"})
    assert folder.bytes_of(end) == b"w"


def test_small_facts_are_records(folder):
    folder.reporter.set_progress(0.5)
    folder.reporter.add_tags("a", "b")
    folder.reporter.remove_tags("c")
    folder.reporter.set_comment("fine")
    folder.reporter.set_result({"accuracy": np.float64(0.9)})
    found = [{key: value for key, value in record.items() if key != "at"} for record in folder.records()]
    assert found == [
        {"meristem": "progress", "value": 0.5},
        {"meristem": "tags", "add": ["a", "b"], "remove": []},
        {"meristem": "tags", "add": [], "remove": ["c"]},
        {"meristem": "comment", "text": "fine"},
        {"meristem": "result", "value": {"accuracy": 0.9}},
    ]


@pytest.mark.parametrize("fraction", [-0.1, 1.1, "half", True, float("nan")])
def test_progress_is_from_0_to_1(folder, fraction):
    with pytest.raises(InputError, match="from 0 to 1"):
        folder.reporter.set_progress(fraction)


@pytest.mark.parametrize("result", [object(), "x" * (600 << 10)])
def test_a_result_is_a_small_json_value(folder, result):
    with pytest.raises(InputError, match="set_result"):
        folder.reporter.set_result(result)


def test_pictures_beyond_their_limit_are_dropped_with_one_warning(tmp_path, capfd):
    files = KeptFiles(tmp_path, shown_limit_bytes=10)
    assert files.keep_shown("plots", "a", ".png", b"12345678") is not None
    assert files.keep_shown("plots", "b", ".png", b"123") is None
    assert files.keep_shown("plots", "c", ".png", b"123") is None
    assert capfd.readouterr().err.count("limit of 10 bytes") == 1


def test_a_disk_that_takes_no_file_stops_nothing_and_leaves_no_record(tmp_path, capfd):
    (tmp_path / "files").write_text("in the way")
    folder = Folder(tmp_path)
    folder.reporter.upload_artifact("a", {"x": 1})
    folder.reporter.report_image("b", "b", np.zeros((2, 2)))
    folder.reporter.set_progress(1)
    assert [record["meristem"] for record in folder.records()] == ["progress"]
    assert capfd.readouterr().err.count("cannot be kept") == 1


@given(st.text(max_size=200))
def test_any_name_makes_a_file_of_its_own_inside_the_folder(tmp_path_factory, name):
    files = KeptFiles(tmp_path_factory.mktemp("spool"))
    first, second = (files.keep("artifacts", name, ".x", lambda file: file.write(b"1")) for _ in range(2))
    assert first != second
    assert files.path_of(first).resolve().is_relative_to(files.folder.resolve() / "files" / "artifacts")


def test_zlib_is_all_that_an_image_needs():
    assert zlib.decompress(png_of(np.zeros((1, 1)))[41:-16]) == b"\x02\x00"

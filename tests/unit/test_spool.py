"""What a training reports arrives as it was meant, whole, once and in order."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem import spool
from meristem.errors import InputError, StopTrial
from meristem.spool import LastValues, Measurement, SpoolReader, SpoolWriter, line_of, measurements_of

names = st.text(st.characters(codec="utf-8", exclude_characters="\0")).filter(lambda n: n not in {"step", "at"})
numbers = st.floats(allow_nan=False) | st.integers(-(10**20), 10**20)
steps = st.none() | st.integers(-(2**62), 2**62)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["value", "sem", "step", "at", "x"]), inner),
    max_leaves=8,
)


@pytest.fixture(autouse=True)
def _own_writer(monkeypatch):
    monkeypatch.setattr(spool, "_writer", None)
    for variable in (spool.REPORT_VARIABLE, spool.PARAMETERS_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    yield
    if spool._writer is not None:
        spool._writer.close()


@given(steps, st.dictionaries(names, numbers, min_size=1))
def test_what_is_reported_is_what_is_read(step, metrics):
    found = measurements_of(json.loads(line_of(step, metrics)))
    assert {m.metric: m.value for m in found} == {name: float(value) for name, value in metrics.items()}
    assert {m.step for m in found} == {step}


def test_a_pair_is_a_mean_and_its_standard_error():
    (found,) = measurements_of(json.loads(line_of(None, {"loss": (0.5, 0.01)})))
    assert (found.value, found.sem, found.step) == (0.5, 0.01, None)


def test_nan_and_infinity_pass():
    found = measurements_of(json.loads(line_of(1, {"a": float("nan"), "b": float("-inf")})))
    assert math.isnan(found[0].value)
    assert found[1].value == -math.inf


@pytest.mark.parametrize(
    ("step", "metrics"),
    [
        (None, {}),
        (1.5, {"a": 1}),
        (True, {"a": 1}),
        ("x", {"a": 1}),
        (float("nan"), {"a": 1}),
        (float("inf"), {"a": 1}),
        (2**63, {"a": 1}),
        (1, {"a": "0.9"}),
        (1, {"a": None}),
        (1, {"a": True}),
        (1, {"a": (1.0, -0.1)}),
        (1, {"a": [1.0]}),
        (1, {"at": 3.0}),
    ],
)
def test_a_report_that_means_nothing_is_refused_at_once(step, metrics):
    with pytest.raises(InputError, match=r"report\(\) got"):
        line_of(step, metrics)


@given(json_values)
def test_any_json_is_understood_or_refused_as_a_value_error(value):
    try:
        found = measurements_of(value)
    except ValueError:
        return
    for measurement in found:
        measurement.metric.encode()
        assert measurement.step is None or abs(measurement.step) < 2**63
        assert measurement.sem is None or measurement.sem >= 0
        assert math.isfinite(measurement.at)


@pytest.mark.parametrize(
    "line",
    [
        '{"a": 1, "sem": "x"}',
        '{"step": 1.5, "a": 1}',
        '{"step": 1e300, "a": 1}',
        '{"step": NaN, "a": 1}',
        '{"a": {"value": 1, "sem": -1}}',
        '{"a": {"mean": 1}}',
        '{"\\ud800": 1}',
        '{"a\\u0000": 1}',
        "[1]",
        "3",
    ],
)
def test_lines_that_no_store_could_take_are_refused(line):
    with pytest.raises(ValueError):
        measurements_of(json.loads(line))


def test_huge_numbers_become_infinite_instead_of_breaking_the_reader():
    text = '{"a": {"value": %s, "sem": %s}, "at": %s}' % ((str(10**400),) * 3)
    (found,) = measurements_of(json.loads(text))
    assert found.value == found.sem == math.inf
    assert math.isfinite(found.at)


def test_reading_goes_on_where_it_stopped(tmp_path):
    writer, reader = (
        SpoolWriter(tmp_path / "new" / "report.jsonl"),
        SpoolReader(tmp_path / "new" / "report.jsonl"),
    )
    assert reader.read() == []
    writer.write(1, {"a": 1.0})
    assert [m.step for m in reader.read()] == [1]
    assert reader.read() == []
    writer.write(2, {"a": 2.0})
    writer.write(3, {"a": 3.0})
    writer.close()
    assert [m.step for m in reader.read()] == [2, 3]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.data())
def test_however_the_bytes_arrive_each_line_is_read_once(tmp_path_factory, values, data):
    path = tmp_path_factory.mktemp("spool") / "report.jsonl"
    lines = [json.dumps({"step": n, "größe": value}, ensure_ascii=False) for n, value in enumerate(values)]
    text = "".join(f"{line}\n" for line in lines)
    raw, reader, found, done = text.encode(), SpoolReader(path), [], 0
    while done < len(raw):
        end = data.draw(st.integers(done + 1, len(raw)))
        with open(path, "ab") as file:
            file.write(raw[done:end])
        done = end
        found += reader.read()
    assert [(m.step, m.value) for m in found] == list(enumerate(values))
    assert reader.faults == []


def test_an_unfinished_last_line_waits_until_the_training_has_ended(tmp_path):
    path = tmp_path / "report.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}')
    reader = SpoolReader(path)
    assert [m.value for m in reader.read()] == [1.0]
    assert [m.value for m in reader.read(final=True)] == [2.0]
    assert reader.read(final=True) == []


def test_bad_lines_are_skipped_and_told(tmp_path):
    path = tmp_path / "report.jsonl"
    path.write_bytes(b'{"a": 1}\nnonsense\n\xff\xfe\n\n{"a": "x"}\n' + b"[" * 100_000 + b'\n{"a": 2}\r\n')
    reader = SpoolReader(path)
    assert [m.value for m in reader.read()] == [1.0, 2.0]
    assert len(reader.faults) == 4


def test_endless_nonsense_does_not_fill_the_memory(tmp_path):
    path = tmp_path / "report.jsonl"
    path.write_text("x\n" * 1_000 + "y" * (1 << 21) + "\n")
    reader = SpoolReader(path)
    assert reader.read() == []
    assert len(reader.faults) == 100


def test_report_writes_to_the_spool_that_the_study_named(tmp_path, monkeypatch):
    writers = []
    for number in (1, 2):  # a warm worker goes from trial to trial
        monkeypatch.setenv(spool.REPORT_VARIABLE, str(tmp_path / str(number) / "report.jsonl"))
        spool.report(step=number, accuracy=0.5)
        (found,) = SpoolReader(tmp_path / str(number) / "report.jsonl").read()
        assert found == Measurement(metric="accuracy", value=0.5, step=number, at=found.at)
        writers.append(spool._writer)
    assert [writer._file is None for writer in writers] == [True, False]  # no descriptor is left open


def test_report_raises_once_the_stop_file_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv(spool.REPORT_VARIABLE, str(tmp_path / "report.jsonl"))
    spool.report(a=1)
    (tmp_path / spool.STOP_FILE).touch()
    with pytest.raises(StopTrial):
        spool.report(a=2)
    assert [m.value for m in SpoolReader(tmp_path / "report.jsonl").read()] == [1.0, 2.0]


def test_started_by_hand_a_report_does_nothing_but_finds_the_same_mistakes():
    spool.report(a=1)
    with pytest.raises(InputError):
        spool.report(a="x")


def test_parameters_are_read_from_the_file_that_the_study_named(tmp_path, monkeypatch):
    (tmp_path / "p.json").write_text('{"lr": 0.1, "größe": "ä"}', encoding="utf-8")
    monkeypatch.setenv(spool.PARAMETERS_VARIABLE, str(tmp_path / "p.json"))
    assert spool.parameters() == {"lr": 0.1, "größe": "ä"}


def test_parameters_without_a_study_say_what_to_do():
    with pytest.raises(InputError, match="not started by a study"):
        spool.parameters()


def test_a_report_file_that_is_a_folder_is_told_and_breaks_nothing(tmp_path):
    reader = SpoolReader(tmp_path)
    (tmp_path / "x").touch()
    assert reader.read() == []
    assert reader.read(final=True) == []
    assert "cannot be read" in reader.faults[0]


def test_a_line_without_end_is_passed_over_and_the_next_is_read(tmp_path):
    path = tmp_path / "report.jsonl"
    path.write_bytes(b"x" * (3 << 20))
    reader = SpoolReader(path)
    assert reader.read() == []
    assert reader.position_bytes == 3 << 20  # it is not read again and again
    with path.open("ab") as file:
        file.write(b'xx\n{"loss": 1}\n')
    assert [m.value for m in reader.read()] == [1.0]


def test_a_long_spool_is_read_to_its_end_when_the_training_has_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "_READ_BYTES", 64)
    path = tmp_path / "report.jsonl"
    path.write_text("".join(f'{{"step": {n}, "loss": 1}}\n' for n in range(50)))
    assert [m.step for m in SpoolReader(path).read(final=True)] == list(range(50))


@pytest.mark.parametrize("line", ['{"' + "x" * 600 + '": 1}'])
def test_a_metric_name_that_no_index_takes_is_refused(line, tmp_path):
    with pytest.raises(ValueError, match="more than 500 characters"):
        measurements_of(json.loads(line))
    with pytest.raises(InputError, match="more than 500 characters"):
        line_of(1, json.loads(line))


def test_the_last_value_is_a_final_one_else_that_of_the_highest_step():
    last = LastValues([Measurement(metric="a", value=9.0), Measurement(metric="a", value=1.0, step=1)])
    last.take([Measurement(metric="b", value=2.0, step=2, sem=0.1), Measurement(metric="b", value=3.0, step=1)])
    assert last.values == {"a": 9.0, "b": 2.0}
    assert last.sems == {"b": 0.1}
    last.take([Measurement(metric="b", value=4.0, step=2)])
    assert (last.values["b"], last.sems) == (4.0, {})

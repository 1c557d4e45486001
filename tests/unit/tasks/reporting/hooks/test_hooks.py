"""What other libraries show or write is heard, once it is there, and their work is never disturbed."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from meristem.tasks.reporting.hooks.import_hooks import when_imported
from meristem.tasks.reporting.hooks.matplotlib_hook import MatplotlibHook
from meristem.tasks.reporting.hooks.patching import call_after
from meristem.tasks.reporting.hooks.tensorboard_hook import TensorboardHook, histogram, placed


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library that can be imported, and is not yet: `made(code)`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def make(name, code):
        made.append(name)
        (tmp_path / f"{name}.py").write_text(code)
        return name

    yield make
    for name in made:
        sys.modules.pop(name, None)


class Recorder:
    """Takes reports as a reporter does."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *args, **named: self.calls.append((name, *args, *named.values()))


def test_a_patch_is_applied_when_its_module_comes(library):
    name, seen = library("lib_comes", "value = 1"), []
    when_imported(name, lambda module: seen.append(module.value))
    assert seen == []
    module = __import__(name)
    assert seen == [1]
    assert module.__spec__.loader is module.__loader__
    assert type(module.__loader__).__name__ == "SourceFileLoader"
    assert not [finder for finder in sys.meta_path if type(finder).__name__ == "_Finder"]


def test_a_patch_is_applied_at_once_where_its_module_is_there(library):
    __import__(library("lib_there", "value = 2"))
    seen = []
    when_imported("lib_there", lambda module: seen.append(module.value))
    assert seen == [2]


def test_a_patch_that_was_given_up_is_not_applied(library):
    name, seen = library("lib_given_up", ""), []
    when_imported(name, seen.append)()
    __import__(name)
    assert seen == []


def test_a_patch_that_fails_fails_no_import(library, capfd):
    name = library("lib_fails", "value = 3")
    when_imported(name, lambda module: module.no_such_thing)
    assert __import__(name).value == 3
    assert "lib_fails does is not captured" in capfd.readouterr().err


def test_a_module_that_does_not_exist_is_missing_as_ever():
    forget = when_imported("no_such_library_at_all", lambda module: None)
    with pytest.raises(ModuleNotFoundError):
        __import__("no_such_library_at_all")
    forget()


def test_an_error_in_what_is_added_is_told_once_and_the_original_stays(capfd):
    owner = SimpleNamespace(show=lambda value: value + 1)

    def broken(value):
        raise RuntimeError("broken")

    undo = call_after(owner, "show", broken)
    assert [owner.show(1), owner.show(2)] == [2, 3]
    assert capfd.readouterr().err.count("no longer captured") == 1
    undo()
    assert owner.show(3) == 4


def test_an_error_of_the_original_is_the_scripts_own():
    def show():
        raise ValueError("its own")

    owner, heard = SimpleNamespace(show=show), []
    call_after(owner, "show", lambda: heard.append(1))
    with pytest.raises(ValueError, match="its own"):
        owner.show()
    assert heard == []


def test_what_was_undone_is_silent_even_below_another_patch():
    owner, heard = SimpleNamespace(show=lambda: 1), []
    undo = call_after(owner, "show", lambda: heard.append("first"))
    call_after(owner, "show", lambda: heard.append("second"))
    undo()
    owner.show()
    assert heard == ["second"]


MATPLOTLIB = """
import pathlib
class Axes:
    def __init__(self, title): self._title = title
    def get_title(self): return self._title
class Figure:
    def __init__(self, title=""):
        self.axes, self.stale, self._suptitle = [Axes(title)], True, None
    def savefig(self, target, **rest):
        self.stale = False
        if isinstance(target, str):
            pathlib.Path(target).write_bytes(b"picture")
"""
PYPLOT = """
figures = {}
def show(*args, **named): pass
def get_fignums(): return list(figures)
def figure(number): return figures[number]
"""


@pytest.fixture
def matplotlib(monkeypatch):
    """A library with the parts of matplotlib that are patched, which the test environment has not."""
    from types import ModuleType

    figure, pyplot = ModuleType("matplotlib.figure"), ModuleType("matplotlib.pyplot")
    exec(MATPLOTLIB, figure.__dict__)
    exec(PYPLOT, pyplot.__dict__)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", figure)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)
    recorder = Recorder()
    uninstall = MatplotlibHook(recorder).install()
    yield SimpleNamespace(Figure=figure.Figure, plt=pyplot, recorder=recorder, uninstall=uninstall)
    uninstall()


def test_a_saved_figure_is_a_plot_named_by_its_title_step_by_step(matplotlib, tmp_path):
    figure = matplotlib.Figure("loss")
    figure.savefig(str(tmp_path / "a.pdf"))
    figure.savefig(str(tmp_path / "a.png"))
    assert matplotlib.recorder.calls == [
        ("report_plot", "loss", "loss", figure, 0),
        ("report_plot", "loss", "loss", tmp_path / "a.png", 1),
    ]


def test_a_shown_figure_is_a_plot_unless_it_is_known_as_it_is(matplotlib, tmp_path):
    known, new = matplotlib.Figure(), matplotlib.Figure("new")
    matplotlib.plt.figures.update({1: known, 2: new})
    known.savefig(str(tmp_path / "known.svg"))
    matplotlib.plt.show()
    assert [call[1] for call in matplotlib.recorder.calls] == ["known", "new"]


def test_figures_are_no_longer_captured_once_the_task_has_ended(matplotlib, tmp_path):
    matplotlib.uninstall()
    matplotlib.Figure().savefig(str(tmp_path / "a.png"))
    matplotlib.plt.show()
    assert matplotlib.recorder.calls == []


@pytest.mark.parametrize(
    ("tag", "folder", "expected"),
    [
        ("loss/train", "logs", ("loss", "train")),
        ("loss", "logs", ("loss", "loss")),
        ("both/x", "logs/both_x_a", ("both/x", "a")),
        ("both/x", "logs/both/x/a", ("both/x", "a")),
        ("epoch_loss", "logs/validation", ("epoch_loss", "validation")),
        ("loss", "other", ("loss", "other")),
        ("loss/train", "other", ("loss", "train (other)")),
        ("note/text_summary", "logs", ("note", "note")),
    ],
)
def test_folders_of_tensorboard_are_series_of_one_diagram(tag, folder, expected):
    assert placed(tag, folder, "logs") == expected


def test_a_histogram_is_bars_between_its_limits():
    histo = SimpleNamespace(bucket_limit=[0.0, 1.0, 2.0, 1.7e308], bucket=[0, 3, 1, 0], min=-1.0)
    (bars,) = histogram("h", histo)["data"]
    assert (bars["x"], bars["width"], bars["y"]) == ([0.5, 1.5], [1.0, 1.0], [3, 1])


def test_events_of_tensorboards_own_writer_are_reported_and_written(tmp_path):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    recorder = Recorder()
    uninstall = TensorboardHook(recorder).install()

    def metadata(plugin):
        return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))

    values = [
        Summary.Value(tag="old", simple_value=0.5),
        Summary.Value(tag="new", metadata=metadata("scalars"), tensor=TensorProto(dtype=1, float_val=[0.25])),
        Summary.Value(
            tag="packed", metadata=metadata("scalars"), tensor=TensorProto(dtype=2, tensor_content=b"\0\0\0\0\0\0\xe0?")
        ),
        Summary.Value(tag="pic", image=Summary.Image(encoded_image_string=b"png")),
        Summary.Value(tag="pics", metadata=metadata("images"), tensor=TensorProto(string_val=[b"1", b"1", b"a", b"b"])),
        Summary.Value(tag="txt", metadata=metadata("text"), tensor=TensorProto(string_val=[b"hello"])),
        Summary.Value(tag="else", metadata=metadata("mesh"), tensor=TensorProto(dtype=1, float_val=[1.0])),
    ]
    writer = EventFileWriter(str(tmp_path))
    try:
        for value in values:
            writer.add_event(Event(step=3, summary=Summary(value=[value])))
        uninstall()
        writer.add_event(Event(step=4, summary=Summary(value=values[:1])))
    finally:
        writer.close()
        uninstall()
    assert recorder.calls == [
        ("report_scalar", "old", "old", 0.5, 3),
        ("report_scalar", "new", "new", 0.25, 3),
        ("report_scalar", "packed", "packed", 0.5, 3),
        ("report_image", "pic", "pic", b"png", 3),
        ("report_image", "pics", "pics", b"a", 3),
        ("report_image", "pics", "pics 1", b"b", 3),
        ("report_text", "txt", "hello", "txt", 3, True),
    ]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) > 100

"""The context that Clara's components share."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from meristem.clara import Context, ContextKey, MMARPropKey
from meristem.errors import InputError


def test_a_job_inherits_properties_and_keeps_its_own() -> None:
    main = Context()
    job = Context(main)
    main.set_prop("a", 1)
    main.set_prop("none", None)
    assert (job.get_prop("a"), job.get_prop("b"), job.get_prop("b", 3)) == (1, None, 3)
    assert job.get_prop("none", 5) is None
    job.set_prop("a", 2)
    assert (job.get_prop("a"), main.get_prop("a")) == (2, 1)
    job.remove_prop("a")
    assert job.get_prop("a") == 1


def test_the_first_wish_to_stop_counts_for_all() -> None:
    main, told = Context(), []
    main.when_stopped(told.append)
    one, other = Context(main), Context(main)
    assert not one.stop_work_asked()
    one.stop_work(one, "first")
    main.stop_work("me", "second")
    assert main.stop_work_asked()
    assert other.stop_work_asked()
    assert other.get_stop_message() == "Context: first"
    assert told == ["Context: first"]


def test_who_listens_late_is_told_at_once() -> None:
    main, told = Context(), []
    main.stop_work("me", "now")
    main.when_stopped(told.append)
    assert told == ["me: now"]


def test_one_job_can_be_asked_to_stop_alone() -> None:
    main = Context()
    one, other = Context(main), Context(main)
    one.stop_here("timed out")
    assert (one.get_stop_message(), other.stop_work_asked(), main.stop_work_asked()) == ("timed out", False, False)


def test_of_many_threads_one_asks_to_stop_and_no_property_is_lost() -> None:
    main, told = Context(), []
    main.when_stopped(told.append)

    def work(number: int) -> None:
        job = Context(main)
        for place in range(200):
            main.set_prop(f"{number}-{place}", place)
        job.stop_work(f"job {number}", "enough")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 1
    assert all(main.get_prop(f"{n}-{place}") == place for n in range(8) for place in range(200))


def test_an_exception_fails_a_job_and_stops_a_workflow() -> None:
    main = Context()
    job = Context(main)
    try:
        raise OSError("no space")
    except OSError:
        job.exception_occurred("executor")
    assert job.failure is not None
    assert job.failure.message == "executor: OSError: no space"
    assert "Traceback" in str(job.failure.traceback)
    assert not main.stop_work_asked()
    main.exception_occurred("handler", "cannot go on")
    assert main.get_stop_message() == "handler: cannot go on"


def test_traces_are_kept_for_the_workflow_and_written_where_they_are_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main = Context()
    job = Context(main)
    file = str(tmp_path / "trace größe.txt")
    job.trace("quiet", "nobody reads this")
    job.set_trace("file", file)
    job.trace("a", "hello ü")
    main.trace("b", "loud", print_to_console=True)
    main.close_trace()
    main.trace("c", "late")
    assert Path(file).read_text(encoding="utf-8") == "a: hello ü\nb: loud\n"
    assert capsys.readouterr().err == "b: loud\n"
    assert job.traces == [("quiet", "nobody reads this"), ("a", "hello ü"), ("b", "loud"), ("c", "late")]
    main.set_trace("console")
    main.trace("d", "shown")
    assert capsys.readouterr().err == "d: shown\n"


@pytest.mark.parametrize(("dest", "file"), [("nowhere", "x"), ("file", None), ("both", "")])
def test_traces_go_nowhere_unknown(dest: str, file: str | None) -> None:
    with pytest.raises(InputError, match="Traces cannot go to"):
        Context().set_trace(dest, file)


def test_command_modules_are_kept() -> None:
    main = Context()
    Context(main).add_command_module("summary")
    assert main.command_modules == ["summary"]


def test_the_keys_have_the_values_that_are_documented() -> None:
    found = {name: value for name, value in vars(ContextKey).items() if name.isupper()}
    assert found == {
        "CONCRETE_SEARCH_VALUE": "_concreteSearchValue", "GPUS": "_gpus", "JOB_NAME": "_jobName",
        "JOB_STATUS": "_jobStatus", "NUM_WORKERS": "_numWorkers", "PROCESS_EXIT_STATUS": "_processExitStatus",
        "RECOMMENDATION": "_recommendation", "RECOMMENDATIONS": "_recommendations", "SCORE": "_score",
        "SEARCH_SPACE": "_searchSpace", "TRACE_DEST_FILE": "_traceDestFile", "TRACE_DEST_TYPE": "_traceDestType",
    }  # fmt: skip
    assert (MMARPropKey.AUTOML_ROOT, MMARPropKey.EXEC_SUBPROCESS) == ("_automlRoot", "_execSubprocess")
    assert MMARPropKey.JOB_MMAR_ROOT == "_jobMmarRoot"

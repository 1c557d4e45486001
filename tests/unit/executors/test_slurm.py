"""What Slurm's answers mean for trials: recorded answers of 22.05 and answers in the shape of later releases."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.errors import InputError
from meristem.executors import slurm as slurm_module
from meristem.executors import slurm_commands
from meristem.executors.file_metric import FileMetric
from meristem.executors.slurm import SlurmAway, SlurmRefused, SlurmRunner
from meristem.executors.slurm_script import write_job
from meristem.executors.slurm_states import (
    Job,
    Traces,
    jobs_of_json,
    jobs_of_lines,
    standing,
    standing_of_unlisted,
)

CLAIMED = Traces(claimant="7")

# From `squeue --json` of Slurm 22.05.8, the fields that are read and a few around them.
RECORDED = [
    {"job_id": 1, "name": "a", "job_state": "COMPLETED", "state_reason": "None", "exit_code": 0, "comment": 'k "x" é'},
    {"job_id": 2, "name": "b", "job_state": "FAILED", "state_reason": "NonZeroExitCode", "exit_code": 768},
    {"job_id": 3, "name": "c", "job_state": "RUNNING", "state_reason": "None", "exit_code": 0, "restart_cnt": 0},
    {"job_id": 4, "name": "d", "job_state": "COMPLETING", "state_reason": "None", "exit_code": 36608},
    {"job_id": 5, "name": "e", "job_state": "PENDING", "state_reason": "Resources", "exit_code": 0},
    {"job_id": 8, "name": "f", "job_state": "FAILED", "state_reason": "BadConstraints", "exit_code": 1},
]
# The same program, exit code 0, while the controller was away.
RECORDED_AWAY = {
    "meta": {"plugin": {"type": "openapi/v0.0.38", "name": "Slurm OpenAPI v0.0.38"}},
    "errors": [
        {
            "description": "Failed while looking for jobs",
            "error_number": -1,
            "error": "Unspecified error",
            "source": "slurm_load_jobs",
        }
    ],
    "jobs": [],
}
# From `scontrol -o show job` of Slurm 22.05.8, shortened.
RECORDED_LINE = (
    "JobId=2 JobName=job.sh UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901758 Nice=0 Account=(null) "
    "QOS=(null) JobState=FAILED Reason=NonZeroExitCode Dependency=(null) Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 "
    "ExitCode=3:0 RunTime=00:00:00 TimeLimit=01:00:00 Command=/tmp/job.sh exit 3 Comment=JobState=COMPLETED JobId=9 "
)


def answer(*jobs: Any) -> str:
    return json.dumps({"meta": {}, "errors": [], "jobs": list(jobs)})


def number(value: int) -> dict[str, Any]:
    return {"set": True, "infinite": False, "number": value}


def test_a_recorded_answer_is_read() -> None:
    jobs = jobs_of_json(answer(*RECORDED))

    assert [(job.job_id, job.state, job.reason, job.exit_code) for job in jobs] == [
        ("1", "COMPLETED", "", 0),
        ("2", "FAILED", "NonZeroExitCode", 3),
        ("3", "RUNNING", "", 0),
        ("4", "", "", 143),
        ("5", "PENDING", "Resources", 0),
        ("8", "FAILED", "BadConstraints", 129),  # refused by sbatch, listed nevertheless
    ]
    assert jobs[3].flags == {"COMPLETING"}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"job_state": ["FAILED"], "exit_code": {"status": "ERROR", "return_code": 3, "signal": {"signal_id": 0}}}, 3),
        (
            {
                "job_state": ["FAILED", "COMPLETING"],
                "exit_code": {"status": ["ERROR"], "return_code": number(3), "signal": {"id": number(0), "name": ""}},
            },
            3,
        ),
        (
            {
                "job_state": ["FAILED"],
                "exit_code": {"status": ["SIGNALED"], "return_code": number(0), "signal": {"id": number(9)}},
            },
            137,
        ),
        ({"job_state": ["FAILED"], "exit_code": {"return_code": {"set": False, "number": 0}}}, None),
        ({"job_state": "FAILED", "exit_code": 9}, 137),
        ({"job_state": "FAILED"}, None),
    ],
)
def test_answers_of_all_releases_say_the_same(fields: dict[str, Any], code: int | None) -> None:
    (job,) = jobs_of_json(answer({"job_id": 7, **fields}))
    assert (job.state, job.exit_code) == ("FAILED", code)


def test_no_jobs_beside_an_error_are_not_believed() -> None:
    with pytest.raises(ValueError, match="Failed while looking for jobs"):
        jobs_of_json(json.dumps(RECORDED_AWAY))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"jobs": null}', "squeue: unrecognized option '--json'"])
def test_an_answer_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        jobs_of_json(text)


def test_lines_of_scontrol_are_read_and_a_comment_cannot_forge_them() -> None:
    (job,) = jobs_of_lines(RECORDED_LINE + "\n")
    assert job == Job(job_id="2", name="job.sh", state="FAILED", reason="NonZeroExitCode", exit_code=3)
    assert jobs_of_lines("No jobs in the system\n") == []


@pytest.mark.parametrize(
    ("state", "status", "words"),
    [
        ("PENDING", "running", "waits in Slurm's queue (Priority)"),
        ("RUNNING", "running", ""),
        ("SUSPENDED", "running", "suspended"),
        ("CONFIGURING", "running", "made ready"),
        ("COMPLETING", "running", "is ending"),
        ("REQUEUED", "running", "put back"),
        ("REQUEUE_HOLD", "running", "scontrol release 7"),
        ("SPECIAL_EXIT", "running", "scontrol release 7"),
        ("SIGNALING", "running", ""),
        ("A_STATE_OF_TOMORROW", "running", ""),
        ("COMPLETED", "completed", ""),
        ("CANCELLED", "abandoned", "not by Meristem"),
        ("FAILED", "failed", "exit code 3"),
        ("TIMEOUT", "failed", "time limit"),
        ("OUT_OF_MEMORY", "failed", "memory"),
        ("NODE_FAIL", "failed", "node that failed"),
        ("BOOT_FAIL", "failed", "did not boot"),
        ("DEADLINE", "failed", "deadline"),
        ("PREEMPTED", "failed", "preempted"),
        ("REVOKED", "failed", "federation"),
        ("LAUNCH_FAILED", "failed", "could not be started"),
    ],
)
def test_each_state_of_slurm_has_a_status_and_words(state: str, status: str, words: str) -> None:
    for given_state in (state, [state]):
        (job,) = jobs_of_json(
            answer({"job_id": 7, "job_state": given_state, "state_reason": "Priority", "exit_code": 768})
        )
        found, why = standing(job, CLAIMED)
        assert found == status
        assert words in why
        assert bool(words) == bool(why)


def job_in(*states: str, **fields: Any) -> Job:
    (job,) = jobs_of_json(answer({"job_id": 7, "job_state": list(states), **fields}))
    return job


@pytest.mark.parametrize("state", ["CANCELLED", "FAILED", "COMPLETED", "TIMEOUT"])
def test_however_a_trial_ends_that_was_asked_to_stop_it_is_stopped(state: str) -> None:
    assert standing(job_in(state), Traces(stop_asked=True)) == ("stopped", "")


def test_a_job_that_is_put_back_into_the_queue_has_not_ended() -> None:
    assert standing(job_in("NODE_FAIL", "REQUEUED"), CLAIMED)[0] == "running"
    assert standing(job_in("PREEMPTED", "REQUEUED"), CLAIMED)[0] == "running"


def test_a_job_that_only_cleans_up_counts_by_its_exit_code_unless_slurm_ended_it() -> None:
    completing = job_in("COMPLETING")
    assert standing(completing, Traces(exit_code=0, claimant="7"))[0] == "completed"
    assert standing(completing, Traces(exit_code=0, claimant="7", terminated=True))[0] == "running"
    assert standing(completing, Traces(exit_code=1, claimant="7"))[0] == "running"
    assert standing(job_in("TIMEOUT", "COMPLETING"), Traces(exit_code=0, claimant="7"))[0] == "failed"


@pytest.mark.parametrize(
    "reason", ["JobHeldUser", "JobHoldMaxRequeue", "DependencyNeverSatisfied", "PartitionTimeLimit"]
)
def test_a_job_that_may_never_start_says_so(reason: str) -> None:
    assert "may never start" in standing(job_in("PENDING", state_reason=reason), Traces())[1]


def test_a_job_that_failed_before_the_training_says_where_to_look() -> None:
    why = standing(job_in("FAILED", state_reason="NonZeroExitCode"), Traces())[1]
    assert "before the training began" in why
    assert "shared with the nodes" in why


@pytest.mark.parametrize(
    ("traces", "status", "words"),
    [
        (Traces(exit_code=0), "completed", ""),
        (Traces(exit_code=2, last_words="ValueError: x"), "failed", "exit code 2: ValueError: x"),
        (Traces(exit_code=0, terminated=True), "failed", "Slurm ended job 7"),
        (Traces(exit_code=143, terminated=True, stop_asked=True), "stopped", ""),
        (CLAIMED, "failed", "left no exit code"),
        (Traces(), "failed", "never began"),
    ],
)
def test_a_job_that_slurm_forgot_is_judged_by_its_folder(traces: Traces, status: str, words: str) -> None:
    found, why = standing_of_unlisted("7", traces)
    assert found == status
    assert words in why


@given(
    st.dictionaries(st.sampled_from(["x", "two words", "名", "a.b"]), st.text(st.characters(exclude_characters="\0")))
)
def test_no_value_of_a_parameter_is_read_by_the_shell_as_code(
    tmp_path_factory: Any, parameters: dict[str, str]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    write_job(folder, "printf '%s\\0' " + " ".join(f"{{{name}}}" for name in parameters), 1, parameters, (), {})
    script = f". {folder}/environment.sh; . {folder}/command.sh"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True)
    given_values = [value.encode(errors="surrogatepass") for value in parameters.values()] or [b""]
    assert done.stdout.split(b"\0")[:-1] == given_values
    assert done.stderr == b""


def test_a_value_with_nul_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'x' contains NUL"):
        write_job(tmp_path, "echo {x}", 1, {"x": "a\0b"}, (), {})


class Programs:
    """Slurm's programs, as far as this test says what they answer; remembers the calls."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.answers: dict[str, tuple[int, str, str]] = {}
        self.environment: dict[str, str] = {}

    def run(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        self.calls.append(command)
        self.environment = options["env"]
        code, out, err = self.answers[command[0]]
        return subprocess.CompletedProcess(command, code, out, err)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    fake = Programs()
    fake.answers["sbatch"] = (0, "12\n", "")
    monkeypatch.setattr(slurm_commands.subprocess, "run", fake.run)
    return fake


AWAY = "sbatch: error: Batch job submission failed: "


def test_options_become_arguments_of_sbatch(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "7")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    runner = SlurmRunner(
        "true",
        folder=tmp_path / "100%",
        partition="gpu",
        cpus=4,
        memory="8G",
        gpus="a100:2",
        time_limit=timedelta(days=1, hours=2, seconds=3),
        sbatch_options={"account": "lab", "exclusive": True, "nice": 10, "mail_type": "END", "requeue": False},
    )
    trial = runner.run_trial(3, {"x": 1}, key="s/3")

    (call,) = programs.calls
    assert call[:2] == ["sbatch", "--parsable"]
    expected = "partition=gpu cpus-per-task=4 mem=8G time=1-02:00:03 gres=gpu:a100:2 account=lab exclusive nice=10"
    for option in [*expected.split(), "mail-type=END", "comment=s/3", f"job-name={trial['job_name']}"]:
        assert f"--{option}" in call
    assert f"--output={trial['folder'].replace('%', '%%')}/slurm.log" in call
    assert call[-2:] == [f"{trial['folder']}/job.sh", trial["folder"]]
    assert not any("requeue" in part for part in call)
    assert "SLURM_MEM_PER_CPU" not in programs.environment  # of the job in which Meristem itself runs
    assert programs.environment["SLURM_CONF"] == "/etc/slurm.conf"
    assert trial["job_id"] == "12"


def test_a_repeated_launch_makes_no_second_job(programs: Programs, tmp_path: Path) -> None:
    first = SlurmRunner("true", folder=tmp_path).run_trial(3, {}, key="s/3")
    again = SlurmRunner("true", folder=tmp_path)
    assert again.run_trial(3, {}, key="s/3") == first == again.find_trial("s/3")
    assert again.find_trial("s/4") is None
    assert len(programs.calls) == 1


@pytest.mark.parametrize(
    ("answer_of_sbatch", "error"),
    [
        ((1, "", AWAY + "Unable to contact slurm controller (connect failure)"), SlurmAway),
        ((1, "", AWAY + "Socket timed out on send/recv operation"), SlurmAway),
        ((0, "thank you", ""), SlurmAway),
        ((-9, "", ""), SlurmAway),
        ((1, "", "sbatch: error: invalid partition specified: x\n" + AWAY + "Invalid partition name"), SlurmRefused),
        ((1, "", AWAY + "Requested node configuration is not available"), SlurmRefused),
    ],
)
def test_what_may_pass_is_told_from_what_will_not(
    programs: Programs, tmp_path: Path, answer_of_sbatch: tuple[int, str, str], error: type[Exception]
) -> None:
    programs.answers["sbatch"] = answer_of_sbatch
    runner = SlurmRunner("true", folder=tmp_path)
    with pytest.raises(error) as raised:
        runner.run_trial(1, {}, key="k")
    assert "sbatch: error" not in str(raised.value)
    in_doubt = list(tmp_path.glob("*/stop"))
    assert bool(in_doubt) == (error is SlurmAway)  # a job that is made of it yet ends before it trains

    programs.answers |= {"sbatch": (0, "13\n", ""), "squeue": (0, answer(), "")}
    assert runner.run_trial(1, {}, key="k")["job_id"] == "13"
    assert list(tmp_path.glob("*/stop")) == []


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmRefused, match="no program 'sbatch' here"):
        SlurmRunner("true", folder=tmp_path).run_trial(1, {})


def test_all_trials_are_polled_by_one_call(programs: Programs, tmp_path: Path) -> None:
    jobs = [{**fields, "name": f"meristem-{fields['job_id']}"} for fields in RECORDED]
    programs.answers["squeue"] = (0, answer(*jobs), "")
    runner = SlurmRunner("true", folder=tmp_path)
    trials: dict[int, Any] = {n: {"job_id": str(n), "folder": str(tmp_path / str(n))} for n in (1, 3, 5)}
    trials[6] = {"nonsense": True}
    assert {n: status for n, (status, _) in runner.poll_trials(trials).items()} == {
        1: "completed",
        3: "running",
        5: "running",
        6: "failed",
    }
    assert runner.poll_trials({}) == {}
    assert [call[0] for call in programs.calls] == ["squeue"]


def test_a_slurm_that_is_away_loses_no_trial(programs: Programs, tmp_path: Path) -> None:
    runner = SlurmRunner("true", folder=tmp_path)
    trial = {"job_id": "1", "folder": str(tmp_path)}
    for away in [
        (0, json.dumps(RECORDED_AWAY), ""),
        (1, "", "squeue: error: Unable to contact slurm controller (connect failure)"),
    ]:
        programs.answers["squeue"] = away
        with pytest.raises(SlurmAway):
            runner.poll_trial(1, trial)


def test_a_slurm_without_json_is_read_by_lines(programs: Programs, tmp_path: Path) -> None:
    programs.answers["squeue"] = (1, "", "squeue: unrecognized option '--json'")
    programs.answers["scontrol"] = (0, RECORDED_LINE.replace("job.sh", f"meristem-{tmp_path.name}", 1), "")
    trial = {"job_id": "2", "folder": str(tmp_path)}
    assert SlurmRunner("true", folder=tmp_path).poll_trial(2, trial)[0] == "failed"


def test_a_job_that_is_not_listed_has_time_to_appear(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.answers["squeue"] = (0, answer(), "")
    programs.answers["scontrol"] = (1, "", "slurm_load_jobs error: Invalid job id specified")
    runner = SlurmRunner("true", folder=tmp_path)
    trial = {"job_id": "2", "folder": str(tmp_path)}
    assert runner.poll_trial(2, trial)[0] == "running"
    monkeypatch.setattr(slurm_module, "_UNLISTED_SECONDS", 0.0)
    assert runner.poll_trial(2, trial)[0] == "failed"


def test_the_job_that_claimed_the_trial_is_the_one_that_is_polled(programs: Programs, tmp_path: Path) -> None:
    programs.answers["squeue"] = (
        0,
        answer(*({**fields, "name": f"meristem-{tmp_path.name}"} for fields in RECORDED)),
        "",
    )
    runner, trial = SlurmRunner("true", folder=tmp_path), {"job_id": "1", "folder": str(tmp_path)}
    assert runner.poll_trial(1, trial)[0] == "completed"
    (tmp_path / "claim").symlink_to("3")
    assert runner.poll_trial(1, trial)[0] == "running"


def test_another_job_of_the_same_id_is_not_taken_for_the_trials(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_module, "_UNLISTED_SECONDS", 0.0)
    programs.answers["squeue"] = (0, answer(*RECORDED), "")
    trial = {"job_id": "1", "folder": str(tmp_path)}
    status, why = SlurmRunner("true", folder=tmp_path).poll_trial(1, trial)
    assert (status, why) == ("failed", "Slurm knows job 1 no more; it never began")


def test_stopping_a_job_that_has_ended_is_no_error(programs: Programs, tmp_path: Path) -> None:
    programs.answers["scancel"] = (1, "", "scancel: error: Kill job error on job id 2: Invalid job id specified")
    SlurmRunner("true", folder=tmp_path).stop_trial(1, {"job_id": "2", "folder": str(tmp_path)})
    assert (tmp_path / "stop").exists()
    programs.answers["scancel"] = (1, "", "scancel: error: Kill job error on job id 2: Access/permission denied")
    with pytest.raises(SlurmRefused, match="permission denied"):
        SlurmRunner("true", folder=tmp_path).stop_trial(1, {"job_id": "2", "folder": str(tmp_path)})


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as raised:
        SlurmRunner(
            "",
            folder=tmp_path / "file" / "trials",
            partition="a",
            time_limit=7200,  # type: ignore[arg-type]
            environment={"a b": "1"},
            cwd=tmp_path / "none",
            sbatch_options={"array": "1-3", "-p": "x", "partition": "b", "nodelist": ["n1"]},
        )
    for words in (
        "'command' is empty",
        "cannot be written",
        "'a b'",
        "'cwd'",
        "'array'",
        "'-p'",
        "'time_limit' is 7200",
        "'partition'",
        "n1",
    ):
        assert words in str(raised.value)


def test_unknown_placeholders_are_told(tmp_path: Path) -> None:
    runner = SlurmRunner("train {rte}", folder=tmp_path)
    assert "Did you mean 'rate'" in runner.expect(["rate"])[0]


@pytest.fixture
def report(tmp_path: Path) -> Callable[[str], None]:
    def write(lines: str) -> None:
        with open(tmp_path / "report.jsonl", "a") as file:
            file.write(lines)

    return write


def test_a_metric_is_read_on_as_it_is_reported(tmp_path: Path, report: Callable[[str], None]) -> None:
    loss, trial = FileMetric("loss"), {"folder": str(tmp_path)}
    with pytest.raises(LookupError, match="has not reported 'loss' yet"):
        loss.fetch(1, trial)
    report('{"step": 1, "loss": 0.9}\n{"step": 2, "loss": 0.8, "acc": 0.1}\n{"step": 3, "lo')
    assert loss.fetch(1, trial) == (2.0, 0.8)
    report('ss": {"value": 0.7, "sem": 0.01}}\n{"step": 1, "loss": 5}\n')
    assert loss.fetch(1, trial) == (3.0, (0.7, 0.01))
    report('{"loss": 0.65}')
    assert loss.fetch(1, trial) == (3.0, (0.7, 0.01))
    (tmp_path / "exit_code").write_text("0")
    assert [loss.fetch(1, trial), loss.fetch(1, trial)] == [(3.0, 0.65)] * 2


def test_a_metric_that_was_printed_is_found(tmp_path: Path) -> None:
    (tmp_path / "stdout.log").write_text('hello\n{"loss": {"value": 0.5, "sem": 0.1}, "acc": 0.9}\n')
    with pytest.raises(LookupError):
        FileMetric("loss").fetch(1, {"folder": str(tmp_path)})
    (tmp_path / "exit_code").write_text("0")
    assert FileMetric("loss").fetch(1, {"folder": str(tmp_path)}) == (0.0, (0.5, 0.1))
    assert FileMetric("acc").fetch(1, {"folder": str(tmp_path)}) == (0.0, 0.9)


def test_a_metric_of_another_name_and_unreadable_lines_are_told(tmp_path: Path, report: Callable[[str], None]) -> None:
    report('{"los": 0.5}\n{broken\n')
    (tmp_path / "exit_code").write_text("0")
    with pytest.raises(LookupError) as raised:
        FileMetric("loss").fetch(4, {"folder": str(tmp_path)})
    assert "trial 4 has not reported 'loss' at all. Did you mean 'los'? It reported: los." in str(raised.value)
    assert "{broken" in str(raised.value)


def test_a_submission_under_way_is_waited_for(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = SlurmRunner("true", folder=tmp_path)
    trial = runner.run_trial(1, {}, key="k")
    monkeypatch.setattr(slurm_module, "_LOCK_SECONDS", 0.0)
    with slurm_module._lock(Path(trial["folder"])), pytest.raises(SlurmAway, match="still under way"):
        runner.find_trial("k")
    assert runner.find_trial("k") == trial
    assert os.path.exists(trial["folder"])

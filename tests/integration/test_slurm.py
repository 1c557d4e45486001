"""Trials as jobs of a real Slurm, which is started and ended here; skipped where it is not installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from meristem.executors import slurm as slurm_module
from meristem.executors import slurm_commands
from meristem.executors.file_metric import FileMetric
from meristem.executors.runner_protocol import Metric, Runner
from meristem.executors.slurm import SlurmAway, SlurmRefused, SlurmRunner
from meristem.spool import STOP_FILE

_spec = spec_from_file_location("loopback_slurm", Path(__file__).with_name("loopback_slurm.py"))
assert _spec is not None
assert _spec.loader is not None
loopback_slurm = module_from_spec(_spec)
_spec.loader.exec_module(loopback_slurm)

_missing = ", ".join(loopback_slurm.missing_programs())
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(_missing),
        reason=f"Slurm is not installed here (missing: {_missing}); "
        "Debian: apt-get install --no-install-recommends slurmctld slurmd slurm-client munge",
    ),
]
RUNNING, ENDED = "running", {"completed", "failed", "stopped", "abandoned"}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A controller that forgets jobs after 15 s (a real one: 300 s), and two nodes of 4 cores."""
    loopback = loopback_slurm.LoopbackSlurm(tmp_path_factory.mktemp("slurm"), min_job_age=15)
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(loopback.conf)
    try:
        loopback.start()
        yield loopback
    finally:
        loopback.close()
        os.environ.pop("SLURM_CONF")
        if before is not None:
            os.environ["SLURM_CONF"] = before
    assert loopback.left_running() == []


@pytest.fixture
def squeue_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The programs of Slurm that were called, in order."""
    calls: list[str] = []
    run = slurm_commands._run

    def counted(command: Any, **options: Any) -> Any:
        calls.append(command[0])
        return run(command, **options)

    monkeypatch.setattr(slurm_commands, "_run", counted)
    return calls


def runner_in(folder: Path, command: Any, **options: Any) -> SlurmRunner:
    return SlurmRunner(command, folder=folder / "trials", **options)


def ended(runner: SlurmRunner, trials: Mapping[int, Any], seconds: float = 30) -> dict[int, tuple[str, str]]:
    """Polls until all have ended."""
    deadline = time.monotonic() + seconds
    while True:
        standings = runner.poll_trials(trials)
        if all(status in ENDED for status, _ in standings.values()):
            return {number: (str(status), why) for number, (status, why) in standings.items()}
        assert time.monotonic() < deadline, standings
        time.sleep(0.2)


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_many_trials_are_polled_by_one_call_and_their_metrics_fetched(
    slurm: Any, tmp_path: Path, squeue_calls: list[str]
) -> None:
    command = 'echo "{\\"step\\": 3, \\"loss\\": {x}}" >> "$MERISTEM_REPORT"; echo {x} >> "{folder}/seen"'
    runner = runner_in(tmp_path, command, cpus=1, time_limit=timedelta(minutes=5))
    trials = {number: runner.run_trial(number, {"x": number / 2}, key=f"s/{number}") for number in range(1, 13)}
    assert squeue_calls == ["sbatch"] * 12
    squeue_calls.clear()

    polls = 0
    while any(status == RUNNING for status, _ in runner.poll_trials(trials).values()):
        polls += 1
        time.sleep(0.2)

    assert squeue_calls == ["squeue"] * (polls + 1)
    assert set(ended(runner, trials).values()) == {("completed", "")}
    metric = FileMetric("loss")
    assert isinstance(runner, Runner)
    assert isinstance(metric, Metric)
    assert {number: metric.fetch(number, trial) for number, trial in trials.items()} == {
        number: (3.0, number / 2) for number in trials
    }
    assert [Path(trial["folder"], "seen").read_text() for trial in trials.values()] == [
        f"{number / 2}\n" for number in trials
    ]


HOSTILE = [
    "'; touch hacked; '",
    '"; touch hacked; "',
    "$(touch hacked)",
    "`touch hacked`",
    "a\r\n#SBATCH --partition=nope\r\nb",
    "%j %x \\n \\",
    "--wrap=true",
    "é 漢 \t*",
]


def test_no_value_is_run_as_code_or_changed_whatever_it_contains(slurm: Any, tmp_path: Path) -> None:
    folder = tmp_path / "a 'b\" $(touch hacked) %j"
    folder.mkdir()
    both = "os.fsencode(sys.argv[1] + os.environ['MERISTEM_PARAM_X'])"
    code = f"import os, sys; open(sys.argv[2] + '/seen', 'wb').write({both})"
    as_list = runner_in(folder, [sys.executable, "-c", code, "{x}", "{folder}"], cwd=tmp_path)
    as_text = runner_in(folder, 'printf %s {x} "$MERISTEM_PARAM_X" > {folder}/seen', cwd=tmp_path)

    trials = {}
    for i, value in enumerate(HOSTILE):
        trials[2 * i] = as_list.run_trial(2 * i, {"x": value}, key=value)
        trials[2 * i + 1] = as_text.run_trial(2 * i + 1, {"x": value})

    assert set(ended(as_list, trials).values()) == {("completed", "")}
    seen = [Path(trials[i]["folder"], "seen").read_bytes().decode() for i in trials]
    assert seen == [value * 2 for value in HOSTILE for _ in range(2)]
    assert list(tmp_path.rglob("hacked")) == []


def test_how_a_job_failed_is_told_for_people(slurm: Any, tmp_path: Path) -> None:
    trials: dict[int, Any] = {}
    commands = {
        1: "echo CUDA error: no device >&2; exit 3",
        2: "kill -SEGV $$",
        3: "kill -KILL $PPID",
        4: "sleep 0.2",
    }
    for number, command in commands.items():
        trials[number] = runner_in(tmp_path, command).run_trial(number, {})
    slurm.run("scontrol", "update", f"JobId={trials[4]['job_id']}", "Nice=1")

    standings = ended(runner_in(tmp_path, "true"), trials)

    assert standings[1] == ("failed", "exit code 3: CUDA error: no device")
    assert standings[2][0] == "failed"
    assert "SIGSEGV" in standings[2][1]
    assert standings[3][0] == "failed"
    assert "SIGKILL" in standings[3][1]
    assert standings[4] == ("completed", "")


def test_a_stopped_trial_may_save_its_work_and_is_told_from_one_that_others_cancelled(
    slurm: Any, tmp_path: Path
) -> None:
    runner = runner_in(tmp_path, "trap 'echo saved > {folder}/saved; exit 0' TERM; touch {folder}/up; sleep 60 & wait")
    trials = {number: runner.run_trial(number, {}) for number in (1, 2)}
    trials[3] = runner_in(tmp_path, "true", sbatch_options={"hold": True}).run_trial(3, {})
    until(lambda: all(Path(trials[number]["folder"], "up").exists() for number in (1, 2)))
    status, why = runner.poll_trial(3, trials[3])
    assert status == RUNNING
    assert "JobHeldUser" in why
    assert runner.poll_trial(1, trials[1]) == (RUNNING, "")

    runner.stop_trial(1, trials[1])
    slurm.run("scancel", trials[2]["job_id"])
    runner.stop_trial(3, trials[3])

    standings = ended(runner, trials)
    assert standings[1] == ("stopped", "")
    assert Path(trials[1]["folder"], "saved").read_text() == "saved\n"
    assert standings[2] == ("abandoned", f"job {trials[2]['job_id']} was cancelled in Slurm, not by Meristem")
    assert standings[3] == ("stopped", "")
    runner.stop_trial(1, trials[1])  # it has ended: nothing happens


def test_a_time_limit_is_named_even_when_the_training_ends_itself_well(slurm: Any, tmp_path: Path) -> None:
    runner = runner_in(tmp_path, "trap 'exit 0' TERM; sleep 200 & wait", time_limit="0:01", partition="cpu")
    trials = {1: runner.run_trial(1, {})}

    standings = ended(runner, trials, seconds=140)  # Slurm's shortest limit is a minute, and it looks twice a minute

    assert standings[1][0] == "failed"
    assert "time limit" in standings[1][1]


def test_a_refusal_is_told_in_the_words_of_sbatch(slurm: Any, tmp_path: Path) -> None:
    with pytest.raises(SlurmRefused, match=r"(?i)invalid partition"):
        runner_in(tmp_path, "true", partition="nope").run_trial(1, {})
    with pytest.raises(SlurmRefused, match="Memory specification can not be satisfied"):
        runner_in(tmp_path, "true", memory="900G").run_trial(1, {}, key="k")
    assert runner_in(tmp_path, "true").find_trial("k") is None  # although Slurm lists a failed job of that name


def test_the_same_key_launches_once(slurm: Any, tmp_path: Path, squeue_calls: list[str]) -> None:
    runner = runner_in(tmp_path, "echo once >> {folder}/ran")
    assert runner.find_trial("s/1") is None
    first = runner.run_trial(1, {}, key="s/1")
    again = runner_in(tmp_path, "echo once >> {folder}/ran").run_trial(1, {}, key="s/1")

    assert first == again == runner.find_trial("s/1")
    assert squeue_calls == ["sbatch"]
    ended(runner, {1: first})
    assert Path(first["folder"], "ran").read_text() == "once\n"


KILLED = """
    import os, signal, subprocess, sys
    from meristem.executors import slurm, slurm_commands
    step, folder = sys.argv[1:]
    if step == "in sbatch":  # the engine dies while sbatch is on its way
        run = subprocess.run
        def killed(command, **options):
            if command[0] != "sbatch":
                return run(command, **options)
            late = ["sh", "-c", 'sleep 1.5; exec "$@"', "sh", *command]
            subprocess.Popen(late, pass_fds=options["pass_fds"], env=options["env"], start_new_session=True,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            os.kill(os.getpid(), signal.SIGKILL)
        subprocess.run = killed
    else:
        target = {"before sbatch": "submit", "before the record": "_record"}[step]
        setattr(slurm, target, lambda *args: os.kill(os.getpid(), signal.SIGKILL))
    runner = slurm.SlurmRunner("echo once >> {folder}/ran; sleep 1", folder=folder)
    runner.run_trial(7, {}, key="s/7")
"""


@pytest.mark.parametrize("step", ["before sbatch", "in sbatch", "before the record", "before the record, seen late"])
def test_a_launch_that_a_kill_left_in_doubt_is_found_and_trained_once(slurm: Any, tmp_path: Path, step: str) -> None:
    folder = tmp_path / "trials"
    command = [sys.executable, "-c", textwrap.dedent(KILLED), step.partition(",")[0], str(folder)]
    assert subprocess.run(command, env=dict(os.environ)).returncode == -signal.SIGKILL
    if "late" in step:  # the job has ended, and Slurm has forgotten it
        until(lambda: bool(list(folder.glob("*/exit_code"))))
        until(lambda: "meristem-7" not in slurm.run("squeue", "--states=all", "--format=%j"), seconds=90)

    runner = SlurmRunner("echo once >> {folder}/ran; sleep 1", folder=folder)
    found = runner.find_trial("s/7")
    assert (found is None) == (step == "before sbatch")
    trial = found or runner.run_trial(7, {}, key="s/7")

    assert ended(runner, {7: trial}) == {7: ("completed", "")}
    assert runner.find_trial("s/7") == trial == runner.run_trial(7, {}, key="s/7")
    assert Path(trial["folder"], "ran").read_text() == "once\n"


def test_a_submission_whose_answer_was_lost_is_withdrawn_and_repeated(
    slurm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = runner_in(tmp_path, "echo once >> {folder}/ran")
    job_ids: list[str] = []

    def lost(arguments: Any, descriptor: Any) -> str:
        job_ids.append(slurm_commands.submit(arguments, descriptor))
        raise SlurmAway("The answer was lost.")

    monkeypatch.setattr(slurm_module, "submit", lost)
    with pytest.raises(SlurmAway):
        runner.run_trial(1, {}, key="k")
    monkeypatch.undo()
    until(lambda: "COMPLETED" in slurm.run("scontrol", "-o", "show", "job", job_ids[0]))
    assert list(tmp_path.rglob("ran")) == []
    assert runner.find_trial("k") is None

    trial = runner.run_trial(1, {}, key="k")

    assert trial["job_id"] != job_ids[0]
    assert ended(runner, {1: trial}) == {1: ("completed", "")}
    assert [path.read_text() for path in tmp_path.rglob("ran")] == ["once\n"]


def test_two_jobs_of_one_trial_train_once(slurm: Any, tmp_path: Path) -> None:
    runner = runner_in(tmp_path, "echo once >> {folder}/ran; sleep 1; exit 4")
    first = runner.run_trial(1, {}, key="k")
    folder = Path(first["folder"])
    second = slurm.run(
        "sbatch",
        "--parsable",
        f"--job-name={first['job_name']}",
        f"--output={tmp_path}/log",
        str(folder / "job.sh"),
        str(folder),
    ).strip()

    as_the_other = {1: {**first, "job_id": second}}

    assert ended(runner, as_the_other) == ended(runner, {1: first}) == {1: ("failed", "exit code 4")}
    assert (folder / "ran").read_text() == "once\n"


def test_trials_go_on_while_the_controller_is_away(slurm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = runner_in(tmp_path, 'sleep {seconds}; echo "{\\"loss\\": 1}"')
    trials = {number: runner.run_trial(number, {"seconds": seconds}) for number, seconds in {1: 1, 2: 15}.items()}
    until(lambda: all(Path(trial["folder"], "claim").is_symlink() for trial in trials.values()))
    slurm.stop_controller()
    try:
        with pytest.raises(SlurmAway, match="how its jobs stand"):
            runner.poll_trials(trials)
        with pytest.raises(SlurmAway, match="whether it took the job"):
            runner.run_trial(3, {"seconds": 0}, key="s/3")
        with pytest.raises(SlurmAway, match="did not cancel"):
            runner_in(tmp_path, "true").stop_trial(3, {"job_id": "3", "folder": str(tmp_path)})
        assert runner.find_trial("s/3") is None
    finally:
        slurm.start_controller()
    until(lambda: answers(runner, trials))

    trials[3] = runner.run_trial(3, {"seconds": 0}, key="s/3")
    standings = ended(runner, trials, seconds=60)

    assert set(standings.values()) == {("completed", "")}
    assert FileMetric("loss").fetch(2, trials[2]) == (0.0, 1.0)
    assert not Path(trials[3]["folder"], STOP_FILE).exists()


def answers(runner: SlurmRunner, trials: Mapping[int, Any]) -> bool:
    try:
        return bool(runner.poll_trials(trials))
    except SlurmAway:
        return False


def test_a_job_that_slurm_has_forgotten_is_judged_by_its_folder(
    slurm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_module, "_UNLISTED_SECONDS", 0.0)
    commands = {1: "true", 2: "exit 5", 3: "kill -KILL $PPID", 4: "trap 'exit 0' TERM; sleep 60 & wait"}
    trials = {n: runner_in(tmp_path, command).run_trial(n, {}) for n, command in commands.items()}
    until(lambda: Path(trials[4]["folder"], "claim").is_symlink())
    time.sleep(0.5)  # until its shell has set its trap
    slurm.run("scancel", trials[4]["job_id"])
    until(lambda: not slurm.run("squeue", "--noheader", "--states=all", f"--name={names_of(trials)}"), seconds=90)

    standings = runner_in(tmp_path, "true").poll_trials(trials)

    assert standings[1] == ("completed", "")
    assert standings[2] == ("failed", "exit code 5")
    assert standings[3][0] == "failed"
    assert "left no exit code" in standings[3][1]
    assert standings[4][0] == "failed"
    assert f"Slurm ended job {trials[4]['job_id']}" in standings[4][1]


def names_of(trials: Mapping[int, Any]) -> str:
    return ",".join(trial["job_name"] for trial in trials.values())


def test_a_requeued_job_trains_again_and_ends_well(slurm: Any, tmp_path: Path) -> None:
    runner = runner_in(tmp_path, "echo run >> {folder}/ran; [ -e {folder}/second ] || sleep 60")
    trial = runner.run_trial(1, {})
    until(lambda: Path(trial["folder"], "ran").exists())
    Path(trial["folder"], "second").touch()
    slurm.run("scontrol", "requeue", trial["job_id"])
    until(lambda: "queue" in runner.poll_trial(1, trial)[1])
    slurm.run("scontrol", "update", f"JobId={trial['job_id']}", "StartTime=now")

    assert ended(runner, {1: trial}, seconds=150) == {1: ("completed", "")}
    assert Path(trial["folder"], "ran").read_text() == "run\nrun\n"


def test_a_suspended_job_goes_on_and_one_whose_node_fails_says_so(slurm: Any, tmp_path: Path) -> None:
    options = {"nodelist": "n2", "no-requeue": True}
    runner = runner_in(tmp_path, "sleep {seconds}", sbatch_options=options)
    trials = {number: runner.run_trial(number, {"seconds": seconds}) for number, seconds in {1: 1, 2: 60}.items()}
    until(lambda: all(Path(trial["folder"], "claim").is_symlink() for trial in trials.values()))

    slurm.run("scontrol", "suspend", trials[2]["job_id"])
    assert runner.poll_trial(2, trials[2]) == (RUNNING, f"job {trials[2]['job_id']} is suspended")
    slurm.run("scontrol", "resume", trials[2]["job_id"])
    assert runner.poll_trial(2, trials[2]) == (RUNNING, "")

    assert ended(runner, {1: trials[1]}) == {1: ("completed", "")}
    slurm.run("scontrol", "update", "NodeName=n2", "State=DOWN", "Reason=test")
    assert ended(runner, {2: trials[2]}) == {2: ("failed", f"job {trials[2]['job_id']} was on a node that failed")}
    slurm.run("scontrol", "update", "NodeName=n2", "State=RESUME")
    until(lambda: slurm.run("sinfo", "--noheader", "--nodes=n2", "--format=%t").strip() == "idle", seconds=60)


def test_metadata_is_json_and_survives_it(slurm: Any, tmp_path: Path) -> None:
    runner = runner_in(tmp_path, "true")
    trial = json.loads(json.dumps(runner.run_trial(1, {})))
    assert ended(runner, {1: trial}) == {1: ("completed", "")}


STUDY = """
    import sys
    import meristem as ms
    from meristem.executors.file_metric import FileMetric
    from meristem.executors.slurm import SlurmRunner

    def main(folder):
        command = 'echo {trial} >> ../ran; sleep 1; echo "{\\\\"loss\\\\": {x}}"'
        runner = SlurmRunner(command, folder=folder + "/trials", cwd=folder + "/trials", poll_seconds=0.2)
        study = ms.Study("s", space={"x": ms.Float(0, 1)}, objective="-loss", controller="sobol", seed=1,
                         store=f"sqlite:///{folder}/s.db")
        study.run(executor=ms.RunnerExecutor(runner, [FileMetric("loss")]), trials=10, parallel=4, handlers=[])
        for trial in study.trials:
            print(trial.number, trial.status, trial.parameters["x"] == trial.values["loss"])

    main(sys.argv[1])
"""


def test_a_study_whose_engine_is_killed_again_and_again_launches_each_trial_once(slurm: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(STUDY), str(tmp_path)]
    (tmp_path / "trials").mkdir()
    for launched in (2, 4, 6):
        engine = subprocess.Popen(command)
        until(lambda: len(list((tmp_path / "trials").iterdir())) >= launched, seconds=60)  # noqa: B023
        engine.kill()
        engine.wait()

    done = subprocess.run(command, capture_output=True, text=True, timeout=90)

    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")[:-1]) == sorted(f"{number} completed True" for number in range(1, 11))
    assert sorted(map(int, (tmp_path / "ran").read_text().split())) == list(range(1, 11))

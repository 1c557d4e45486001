"""A whole Slurm on this machine for one test session: munged, slurmctld and two slurmd, in one folder, on free ports.

It needs the programs (Debian: `apt-get install --no-install-recommends slurmctld slurmd slurm-client munge`), no root,
no service and no file outside of its folder. Nothing is left behind, also when a test fails; should the test itself get
SIGKILL, the daemons end with it, and a job that was running ends when its command does.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "setpriv")
NODES = ("n1", "n2")
_SEARCHED = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
_CONF = """
ClusterName=loop
SlurmctldHost={host}(127.0.0.1)
SlurmctldAddr=127.0.0.1
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPort={ports[0]}
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0
DefMemPerCPU=100
KillWait=2
OverTimeLimit=0
MinJobAge={min_job_age}
SlurmdTimeout=20
MessageTimeout=5
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=2000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=2000
PartitionName=cpu Nodes=n1,n2 Default=YES MaxTime=60 State=UP
"""


def missing_programs() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program, path=_SEARCHED) is None]


class LoopbackSlurm:
    """Starts on `start`, ends on `close`; commands find it through `SLURM_CONF=<conf>`."""

    def __init__(self, folder: Path, min_job_age: int = 300) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "state").mkdir(parents=True)
        self.conf.write_text(
            _CONF.format(
                host=socket.gethostname().split(".")[0],
                user=getpass.getuser(),
                folder=folder,
                ports=_free_ports(3),
                min_job_age=min_job_age,
            )
        )

    def start(self) -> None:
        self._start_munge()
        self.start_controller()
        for node in NODES:
            self._start(f"slurmd-{node}", "slurmd", "-D", "-N", node)
        _wait(self._nodes_are_idle, 30, self._what_logs_say)

    def start_controller(self) -> None:
        self._start("slurmctld", "slurmctld", "-D")

    def stop_controller(self) -> None:
        self._end("slurmctld")

    def run(self, *command: str) -> str:
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, timeout=30)
        return done.stdout

    def close(self) -> None:
        """Ends jobs, daemons and whatever still runs from this folder."""
        with suppress(subprocess.TimeoutExpired, OSError):
            if "slurmctld" in self._daemons:
                self.run("scancel", f"--user={getpass.getuser()}", "--signal=KILL", "--full")
        for name in reversed(list(self._daemons)):
            self._end(name)
        for process in self.left_running():
            with suppress(psutil.Error):
                process.kill()

    def left_running(self) -> list[psutil.Process]:
        """Processes that name this folder on their command line, or are jobs' supervisors that worked in it."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                cwd = process.cwd() if process.name().startswith(("slurmstepd", "slurmd")) else ""
                if any(str(self.folder) in part for part in [*process.cmdline(), cwd]):
                    found.append(process)
        return found

    def _start_munge(self) -> None:
        key, at = self.folder / "munge.key", self.folder / "munge"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        options = {"key-file": key, "socket": self.folder / "munge.socket"}
        options |= {f"{kind}-file": f"{at}.{kind}" for kind in ("log", "pid", "seed")}
        self._start("munged", "munged", "-F", "--force", *(f"--{name}={value}" for name, value in options.items()))
        _wait((self.folder / "munge.socket").exists, 10, self._what_logs_say)

    def _start(self, name: str, *command: str) -> None:
        # Killed with this test, however that ends.
        with open(self.folder / f"{name}.out", "ab") as out:
            self._daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.folder,
            )

    def _end(self, name: str) -> None:
        daemon = self._daemons.pop(name)
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": _SEARCHED, "SLURM_CONF": str(self.conf)}

    def _nodes_are_idle(self) -> bool:
        return self.run("sinfo", "--noheader", "--Node", "--format=%t").split() == ["idle"] * len(NODES)

    def _what_logs_say(self) -> str:
        logs = [*self.folder.glob("*.log"), *self.folder.glob("*.out")]
        return "\n".join(f"{log.name}:\n{log.read_text(errors='replace')[-1500:]}" for log in logs)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


def _wait(condition: Callable[[], bool], seconds: float, explain: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Slurm did not start in {seconds} s.\n{explain()}")
        time.sleep(0.1)

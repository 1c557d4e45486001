"""Shows how far a study is: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from meristem.handlers.handler import Handler
from meristem.statuses import TrialStatus
from meristem.study.happenings import StudyEnded, StudyStarted, TrialEnded, TrialStarted
from meristem.study.run import StudyRun


class Progress(Handler):
    """A bar with what is done, running and failed, the best so far, and when it will be finished.

    Args:
        every: Seconds between lines where there is no terminal; a better trial is told at once.
    """

    def __init__(self, every: float = 10.0, console: Console | None = None) -> None:
        self.every = every
        self._console = console or Console(stderr=True)
        self._bar: Bar | None = None
        self._failed = self._ended_now = 0
        self._told_at = 0.0
        self._told_best = ""

    def study_started(self, event: StudyStarted, run: StudyRun) -> None:
        self._failed = self._ended_now = 0
        self._told_at, self._told_best = time.monotonic(), _best(run)
        if event.run > 1 and run.ended:
            self._console.print(f"[dim]{run.name}: goes on after {run.ended} trials[/dim]", highlight=False)
        if self._console.is_terminal:
            self._bar = self._new_bar(run)
            self._bar.start()
        self._show(run)

    def trial_started(self, event: TrialStarted, run: StudyRun) -> None:
        self._show(run)

    def trial_ended(self, event: TrialEnded, run: StudyRun) -> None:
        if not event.again:
            self._ended_now += 1
            self._failed += event.trial.status == TrialStatus.FAILED
        self._show(run)
        if self._bar is None:
            self._tell_line(run)

    def study_ended(self, event: StudyEnded, run: StudyRun) -> None:
        self._show(run)
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        message = f": {event.message}" if event.message else ""
        self._console.print(Text(f"{run.name}: {event.status.value}{message}; {self._summary(run)}"), soft_wrap=True)

    def _new_bar(self, run: StudyRun) -> Bar:
        bar = Bar(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(bar_width=20),
            TextColumn("{task.fields[done]}", markup=False), _TimeLeft(),
            TextColumn("{task.fields[state]}", markup=False), console=self._console, transient=False,
        )  # fmt: skip
        bar.add_task(run.name[:30], total=run.plan.trials, completed=run.ended, done="", state="", eta=None)
        return bar

    def _show(self, run: StudyRun) -> None:
        if self._bar is not None:
            done = f"{run.ended}/{run.plan.trials}" if run.plan.trials else str(run.ended)
            self._bar.update(
                self._bar.task_ids[0], completed=run.ended, done=done, state=self._state(run), eta=self._left(run)
            )

    def _tell_line(self, run: StudyRun) -> None:
        best = _best(run)
        now = time.monotonic()
        if best == self._told_best and now - self._told_at < self.every:
            return
        self._told_at, self._told_best = now, best
        left = self._left(run)
        eta = "" if left is None else f", about {timedelta(seconds=round(left))} left"
        self._console.print(Text(f"{run.name}: {self._summary(run)}{eta}"), soft_wrap=True)

    def _summary(self, run: StudyRun) -> str:
        done = f"{run.ended}/{run.plan.trials}" if run.plan.trials else str(run.ended)
        return f"{done} trials, {self._state(run)}"

    def _state(self, run: StudyRun) -> str:
        parts = [_best(run), f"{len(run.running)} running"]
        return ", ".join(parts + ([f"{self._failed} failed"] if self._failed else []))

    def _left(self, run: StudyRun) -> float | None:
        """Seconds until the budget is used, as far as one can tell."""
        estimates = []
        if run.plan.trials is not None and self._ended_now:
            estimates.append(run.elapsed / self._ended_now * max(0, run.plan.trials - run.ended))
        if run.plan.seconds is not None:
            estimates.append(max(0.0, run.plan.seconds - run.elapsed))
        return min(estimates, default=None)


def _best(run: StudyRun) -> str:
    leaders = run.leaders
    if not leaders:
        return "no best yet"
    if run.goals.single:
        return f"best {run.goals.objectives[0].metric} {leaders[0].value:.6g} (trial {leaders[0].number})"
    return f"{len(leaders)} on the Pareto front"


class _TimeLeft(ProgressColumn):
    def render(self, task: Task) -> Text:
        left = task.fields.get("eta")
        return Text("" if left is None else f"{timedelta(seconds=round(left))} left", style="cyan")

"""What goes wrong, as one tree.

    MeristemError
    ├── InputError             what the user gave cannot be used (lists every mistake at once)
    │   ├── SpaceError         a search space that contradicts itself
    │   ├── ParameterError     a point that does not lie in its space
    │   ├── StudyFileError     a study file with mistakes
    │   └── UnknownComponent   no controller, executor or handler of that name or path
    ├── StudyError             the study is not in a state for what was asked
    │   ├── StudyNotFound
    │   ├── StudyExists        the name is taken by a study with another definition
    │   ├── StudyBusy          another engine holds the study
    │   ├── LeaseLost          another engine has taken the study over
    │   ├── IllegalMove        a trial or study cannot go from one status to the other
    │   ├── NoBestTrial        no trial has a usable objective value yet
    │   ├── NothingToTry       the controller has no more recommendations
    │   └── TooManyFailures    so many trials failed that the run was given up
    ├── TaskError              the task is not in a state for what was asked
    │   ├── TaskNotFound
    │   ├── TaskRefused        it runs, waits, has ended or is published
    │   └── AttemptLost        another attempt of the task has begun, or it was ended: writes of this one are refused
    ├── QueueError
    │   ├── QueueNotFound
    │   └── QueueRefused       it takes no tasks now, is not empty, or exists already
    ├── WorkerError
    │   ├── WorkerNotFound
    │   └── WorkerLost         its lease ran out: its tasks were given to others
    ├── DatasetError           the dataset, or a version of it, cannot do what was asked
    │   ├── DatasetNotFound
    │   ├── VersionNotFound
    │   ├── VersionRefused     it is a draft, final, published or deleted, or its number is taken
    │   ├── DraftMoved         another process wrote this draft meanwhile
    │   ├── VersionConflict    another version was made from the same parent meanwhile
    │   ├── ManifestRefused    what a version would hold cannot lie in a folder, or its manifest is damaged
    │   ├── EntryNotFound      the version holds nothing at that path
    │   ├── ObjectMissing      bytes that a version needs are in no pack
    │   ├── ObjectDamaged      bytes that a version needs are not those that were stored
    │   ├── PackDamaged        a pack of objects cannot be read
    │   ├── PlaceUnavailable   where packs lie cannot be reached or written just now
    │   ├── NotInPlace         where packs lie has nothing of that name
    │   ├── CopyRefused        a copy cannot be made in that folder, or not in that way
    │   └── DiskFull           there is no room for a copy where it is to be
    ├── StoreError             the store cannot do what was asked
    │   ├── StoreUnavailable   cannot be reached or written just now
    │   ├── StoreDamaged       is not a store, or its bytes are broken
    │   └── StoreSchemaError   was written by another schema version
    └── ComponentFailed        a controller, executor or handler raised
    StopTrial                  raised in user code by `trial.report` when the trial is asked to stop

User code that fails is not here: a failed trial is a value (see `meristem.study.protocols.Outcome`).
Each error says what, why and how to fix it, and carries its facts as attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

DONE, WORK_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class MeristemError(Exception):
    """Root of every error that Meristem raises on purpose."""

    exit_code = WORK_FAILED

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        self.what, self.why, self.fix = what, why, fix
        super().__init__(" ".join(part for part in (what, why, fix) if part))

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(cls: type[MeristemError], args: tuple[object, ...], facts: dict[str, object]) -> MeristemError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(facts)
    return error


class InputError(MeristemError):
    """What the user gave cannot be used; `problems` lists every mistake."""

    exit_code = BAD_INPUT

    def __init__(self, what: str, problems: Sequence[str] = (), fix: str = "") -> None:
        self.problems = tuple(problems)
        listed = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(what + (":" + listed if listed else ""), fix=("\n" if listed and fix else "") + fix)


class SpaceError(InputError):
    """A search space that contradicts itself."""


class ParameterError(InputError):
    """A point that does not lie in its space."""


class StudyFileError(InputError):
    """A study file with mistakes."""


class UnknownComponent(InputError):
    """No component of that name or path."""

    def __init__(self, kind: str, name: str, known: Sequence[str], why: str = "") -> None:
        self.kind, self.name, self.known = kind, name, tuple(known)
        super().__init__(
            f"There is no {kind} {name!r}{f' ({why})' if why else ''}.",
            fix=f"{did_you_mean(name, known)}Known: {', '.join(sorted(known)) or 'none'}. "
            f"Bring your own with path: package.module.Class.",
        )


class StudyError(MeristemError):
    """The study is not in a state for what was asked."""


class StudyNotFound(StudyError):
    exit_code = BAD_INPUT

    def __init__(self, name: str, store: str, known: Sequence[str]) -> None:
        self.name, self.store, self.known = name, store, tuple(known)
        shown = ", ".join(known[:10]) + (" …" if len(known) > 10 else "")
        super().__init__(
            f"Study {name!r} does not exist in {store}.",
            fix=f"{did_you_mean(name, known)}Known: {shown or 'none'}. Another store is chosen with "
            "store=… (Python), --store or MERISTEM_STORE (command line).",
        )


class StudyExists(StudyError):
    exit_code = BAD_INPUT

    def __init__(self, name: str, differences: Sequence[str]) -> None:
        self.name, self.differences = name, tuple(differences)
        super().__init__(
            f"Study {name!r} exists with another definition:" + "".join(f"\n  - {d}" for d in differences),
            "\nTrials of different definitions are not mixed in one study.",
            f"Choose another name, delete it (meristem study delete {name}), or give the definition it has.",
        )


class StudyBusy(StudyError):
    def __init__(self, name: str, owner: str, expires_in_seconds: float) -> None:
        self.name, self.owner, self.expires_in_seconds = name, owner, expires_in_seconds
        super().__init__(
            f"Study {name!r} is being run by another engine ({owner}).",
            "Two engines on one study would run trials twice.",
            f"Wait for it (run(…, wait=True), --wait) or stop it (meristem study stop {name}). If its machine is "
            f"gone, its lease expires in {max(0.0, expires_in_seconds):.0f} s.",
        )


class LeaseLost(StudyError):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"This engine no longer holds study {name!r}.",
            "It did not renew its lease in time and another engine took the study over, "
            "so results of this one are refused.",
            "Nothing needs repair: the other engine runs the unfinished trials.",
        )


class IllegalMove(StudyError):
    def __init__(self, noun: str, status: str, wanted: str) -> None:
        self.noun, self.status, self.wanted = noun, status, wanted
        super().__init__(f"{noun} is {status} and cannot become {wanted}.")


class NoBestTrial(StudyError):
    def __init__(self, name: str, counts: str, why: str | None = None) -> None:
        self.name = name
        super().__init__(
            f"Study {name!r} has no best trial yet.",
            f"No trial has completed with finite objective values within all limits ({counts})"
            + (f": {why}." if why else "."),
            f"Run more trials, or see why they failed: study.trials, meristem study trials {name} --status failed",
        )


class NothingToTry(StudyError):
    def __init__(self, name: str, fixed: str = "") -> None:
        self.name, self.fixed = name, fixed
        if fixed:
            super().__init__(
                f"Study {name!r} has nothing more to try with {fixed}.",
                "Its controller found no such point: all are tried, the constraints leave (almost) none, or it waits "
                "for pending trials.",
                "Ask with other values, or without.",
            )
            return
        super().__init__(
            f"Study {name!r} has nothing more to try.",
            "Its controller gave no recommendation: the space is used up, or it waits for pending trials.",
            "Tell the results of the trials you asked for, or look at study.best.",
        )


class TooManyFailures(StudyError):
    def __init__(self, name: str, message: str, failures: Sequence[str]) -> None:
        self.name, self.failures = name, tuple(failures)
        super().__init__(
            f"Study {name!r} was given up: {message.rstrip('.')}." + "".join(f"\n  - {f}" for f in failures),
            fix="\nMend the training and run the study again, or allow more with max_failure_rate. Details: "
            f"study.trials, or meristem study trials {name} --status failed --json",
        )


class TaskError(MeristemError):
    """The task is not in a state for what was asked."""


class TaskNotFound(TaskError):
    exit_code = BAD_INPUT

    def __init__(self, name: str, store: str, why: str = "") -> None:
        self.name, self.store = name, store
        super().__init__(
            f"There is no task {name!r} in {store}{f' ({why})' if why else ''}.",
            fix="Tasks are named by their number, their id or the first letters of it; list them with: "
            "meristem task list. Another store is chosen with store=… (Python), --store or MERISTEM_STORE.",
        )


class TaskRefused(TaskError):
    """It runs, waits, has ended or is published. `status` says where it stands."""

    def __init__(self, number: int, status: str, wanted: str, fix: str = "") -> None:
        self.number, self.status, self.wanted = number, status, wanted
        super().__init__(f"Task {number} is {status} and cannot be {wanted}.", fix=fix)


class AttemptLost(TaskError):
    def __init__(self, number: int, fence: int) -> None:
        self.number, self.fence = number, fence
        super().__init__(
            f"This attempt of task {number} no longer counts.",
            "Its worker was not heard of in time, or somebody ended the task: what this attempt reports is refused.",
            "Nothing needs repair: the task's history says what became of it (meristem task show).",
        )


class QueueError(MeristemError):
    """The queue cannot do what was asked."""


class QueueNotFound(QueueError):
    exit_code = BAD_INPUT

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(
            f"Queue {name!r} does not exist.",
            "Tasks are accepted only on queues made beforehand, so that a typo strands no work.",
            f"{did_you_mean(name, known)}Create it with: meristem queue create {name} "
            f"(known: {', '.join(known) or 'none'}).",
        )


class QueueRefused(QueueError):
    """It takes no tasks now, is not empty, or exists already."""

    exit_code = BAD_INPUT


class WorkerError(MeristemError):
    """The worker cannot do what was asked."""


class WorkerNotFound(WorkerError):
    exit_code = BAD_INPUT

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(
            f"There is no worker {name!r}.",
            fix=f"{did_you_mean(name, known)}Known: {', '.join(known[:10]) or 'none'} (meristem worker list).",
        )


class WorkerLost(WorkerError):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"Worker {name} no longer counts.",
            "It did not renew its lease in time, so its tasks were given back to their queues.",
            "It ends what it runs and registers anew.",
        )


class DatasetError(MeristemError):
    """The dataset, or a version of it, cannot do what was asked."""


class DatasetNotFound(DatasetError):
    exit_code = BAD_INPUT

    def __init__(self, name: str, store: str, known: Sequence[str]) -> None:
        self.name, self.store, self.known = name, store, tuple(known)
        shown = ", ".join(known[:10]) + (" …" if len(known) > 10 else "")
        super().__init__(
            f"There is no dataset {name!r} in {store}.",
            fix=f"{did_you_mean(name, known)}Known: {shown or 'none'} (meristem data list). Make it with: "
            "meristem data create. Another store is chosen with store=… (Python), --store or MERISTEM_STORE.",
        )


class VersionNotFound(DatasetError):
    """`name` is the version as it was asked for, `known` the numbers that there are."""

    exit_code = BAD_INPUT

    def __init__(self, name: str, known: Sequence[str] = (), *, what: str = "", fix: str = "") -> None:
        self.name, self.known = name, tuple(known)
        shown = (
            f"Known: {', '.join(known[:10])}{' …' if len(known) > 10 else ''} (meristem data list). " if known else ""
        )
        near = did_you_mean(name.rpartition("@")[2], known)
        super().__init__(what or f"There is no version {name!r}.", fix=f"{near}{shown}{fix}".rstrip())


class VersionRefused(DatasetError):
    """It is not in a state for that. `status` says where it stands."""

    def __init__(self, name: str, status: str, wanted: str, fix: str = "", *, why: str = "") -> None:
        self.name, self.status, self.wanted = name, status, wanted
        super().__init__(f"{name} is {status} and cannot be {wanted}.", why, fix)


class DraftMoved(DatasetError):
    def __init__(self, name: str, expected: int, found: int) -> None:
        self.name, self.expected, self.found = name, expected, found
        super().__init__(
            f"Another process wrote {name} meanwhile (it is at checkpoint {found}, here it was at {expected}).",
            "One draft is written by one process at a time, so that nothing is silently lost.",
            "Open the draft again and repeat what you did, or begin a draft of your own from the same parent.",
        )


class VersionConflict(DatasetError):
    """Another version was made from the same parent. `theirs` is that version, `conflicts` the paths both changed."""

    def __init__(self, name: str, theirs: Any, conflicts: Sequence[str] = (), *, why: str = "") -> None:
        self.name, self.theirs, self.conflicts = name, theirs, tuple(conflicts)
        number = getattr(theirs, "number", theirs)
        listed = "".join(f"\n  - {path}" for path in self.conflicts[:20])
        more = f"\n  and {len(self.conflicts) - 20} more" if len(self.conflicts) > 20 else ""
        can_merge = not self.conflicts and not why
        merge = "Merge that one into it (on_conflict='merge', --on-conflict merge); or f" if can_merge else "F"
        super().__init__(
            f"{name} was not made from {number}, which is the newest version by now."
            + (f" Both changed:{listed}{more}\n" if listed else ""),
            why or "Finished as it is, it would lose what that version changed.",
            f"{merge}inish it beside that one, without what that one changed (on_conflict='branch', --on-conflict "
            "branch); or begin anew from that one, and bring in what you changed.",
        )


class ManifestRefused(DatasetError):
    """What a version would hold, or its manifest holds, is against the rules; `path` and `problems` say where."""

    exit_code = BAD_INPUT

    def __init__(
        self, what: str, why: str = "", *, path: str | None = None, problems: Sequence[str] = (), fix: str = ""
    ) -> None:
        self.path, self.problems = path, tuple(problems)
        super().__init__(what + "".join(f"\n  - {problem}" for problem in self.problems), why, fix)


class EntryNotFound(DatasetError):
    exit_code = BAD_INPUT

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"There is nothing at {path!r} in this version.",
            fix="Paths are relative, and name files in full. List them with: meristem data show --files.",
        )


class ObjectMissing(DatasetError):
    def __init__(self, name: str, place: str = "") -> None:
        self.name, self.place = name, place
        super().__init__(
            f"Object {name} is in no pack{f' of {place}' if place else ''}.",
            "A version that needs it cannot be read whole.",
            "Where the packs were left at another place, copy them to this one. Else see what is missing with: "
            "meristem data verify NAME. Where somebody still has the files, they are stored again by: meristem data "
            "verify NAME --heal --source FOLDER.",
        )


class ObjectDamaged(DatasetError):
    def __init__(self, name: str, pack: str) -> None:
        self.name, self.pack = name, pack
        super().__init__(
            f"Object {name} in pack {pack} does not hold the bytes that were stored.",
            "The medium or somebody changed them.",
            "See what is damaged, and heal it from a copy where there is one: meristem data verify --heal.",
        )


class PackDamaged(DatasetError):
    def __init__(self, pack: str, why: str) -> None:
        self.pack = pack
        super().__init__(f"Pack {pack} cannot be read: {why.rstrip('.')}.", fix="See more: meristem data verify.")


class PlaceUnavailable(DatasetError):
    """Where packs lie cannot be reached or written just now; `transient`: it may work in a moment."""

    def __init__(self, what: str, why: str = "", fix: str = "", *, transient: bool = False) -> None:
        self.transient = transient
        super().__init__(what, why, fix)


class NotInPlace(DatasetError):
    def __init__(self, key: str, place: str) -> None:
        self.key, self.place = key, place
        super().__init__(f"There is no {key} in {place}.")


class CopyRefused(DatasetError):
    """A copy of a version cannot be made in that folder, or not in that way; `problems` lists every reason."""

    exit_code = BAD_INPUT

    def __init__(self, what: str, problems: Sequence[str] = (), fix: str = "") -> None:
        self.problems = tuple(problems)
        listed = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(what + (":" + listed if listed else ""), fix=("\n" if listed and fix else "") + fix)


class DiskFull(DatasetError):
    """There is no room for a copy: `needed_bytes` are still to come, `free_bytes` are left there."""

    def __init__(self, folder: str, why: str, needed_bytes: int, free_bytes: int) -> None:
        self.folder, self.needed_bytes, self.free_bytes = folder, needed_bytes, free_bytes
        super().__init__(
            f"There is no room for the copy in {folder}: {why}.",
            f"It needs {needed_bytes:,} bytes more, and {free_bytes:,} are left there.",
            "Make room and repeat it: what was written already is kept and taken over. Local copies can lie elsewhere "
            "(MERISTEM_CACHE).",
        )


class StoreError(MeristemError):
    """The store cannot do what was asked."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or written just now."""


class StoreDamaged(StoreError):
    """The store's bytes are broken, or it is not a store."""


class StoreSchemaError(StoreError):
    """The store was written by another schema version."""


class ComponentFailed(MeristemError):
    """A controller, executor or handler raised; its traceback is kept in `details`."""

    def __init__(self, kind: str, name: str, details: str) -> None:
        self.kind, self.name, self.details = kind, name, details
        last_line = details.strip().splitlines()[-1] if details.strip() else "no details"
        super().__init__(f"The {kind} {name} raised: {last_line}", f"\n{details}")


class StopTrial(Exception):
    """Raised by `trial.report` inside the training when its trial is asked to stop."""


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """A hint such as "Did you mean 'grid'? ", or nothing when no known name is near."""
    near = get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}? " if near else ""


def one_line(error: BaseException) -> str:
    """What kind of error it is and the first line of what it says, for a status line or a log."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:500].rstrip().removesuffix(":")

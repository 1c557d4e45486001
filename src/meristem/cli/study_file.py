"""Reads a study file and checks it whole: every mistake at once, each with its line.

What it accepts is what `study_file_schema` says. Nothing is started, and no store is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from inspect import getattr_static
from pathlib import Path
from typing import Any

from meristem.cli.located import Located, read_located, read_text
from meristem.components import ComponentSpec, import_from, spec_of
from meristem.errors import InputError, SpaceError, StudyFileError, did_you_mean
from meristem.objective import Goals
from meristem.space import Space
from meristem.stopping.combined import build_rule
from meristem.study.adapting import build_adapted, problems_with_args
from meristem.study.definition import build_controller, check_fits, check_name, check_seed
from meristem.study.plan import Plan
from meristem.study.setup import build_handler

BUDGET = ("trials", "seconds", "without_improvement")
RUN_SETTINGS = (
    "parallel", "timeout", "retries", "max_failure_rate", "min_failures_before_abort", "at_stop", "grace",
    "on_handler_error",
)  # fmt: skip
SECTIONS = (
    "name", "space", "constraints", "objective", "outcome_constraints", "thresholds", "warm_start",
    "controller", "executor", "handlers", "budget", "store",
    "seed", "gpus", "early_stopping", *RUN_SETTINGS,
)  # fmt: skip
REQUIRED = ("name", "executor")
DETERMINED = ("space", "objective")  # by some executors; else required, too


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFile:
    """A study file that was checked.

    Attributes:
        handlers: None where the file has no such section.
        store: As written there: a URL or a path, relative to the working directory.
    """

    path: Path
    name: str
    space: Space
    goals: Goals
    executor: ComponentSpec
    controller: ComponentSpec
    handlers: tuple[ComponentSpec, ...] | None = None
    plan: Plan = field(default_factory=Plan)
    store: str | None = None
    seed: int | None = None
    early_stopping: Any = None
    warm_start: tuple[str, ...] = ()


def read_study_file(path: str | Path) -> StudyFile:
    """The study that the file at `path` describes.

    The file's folder is put on the import path, and is where a `command` without `cwd` runs.

    Raises:
        StudyFileError: The file cannot be read, or has mistakes; lists all of them.
    """
    path = Path(path)
    text = read_text(path)
    located = read_located(text, str(path), as_json=path.suffix.lower() == ".json")
    import_from(path.absolute().parent, first=True)
    return check_study_file(located, path)


def check_study_file(located: Located, path: Path) -> StudyFile:
    """The study that `located` describes.

    Raises:
        StudyFileError: It has mistakes; lists all of them.
    """
    checker = _Checker(located, path)
    found = checker.check()
    if checker.problems:
        listed = [f"{path}:{line}: {problem}" for line, problem in sorted(dict.fromkeys(checker.problems))]
        raise StudyFileError(f"{path} has {_mistakes(len(listed))}", listed, fix="Nothing was started.")
    return StudyFile(path=path, **found)


def _mistakes(count: int) -> str:
    return "a mistake" if count == 1 else f"{count} mistakes"


class _Checker:
    """Checks section by section; a mistake in one does not hide those in another."""

    def __init__(self, located: Located, path: Path) -> None:
        self._located, self._folder = located, path.absolute().parent
        self.problems: list[tuple[int, str]] = list(located.problems)
        self._components: list[tuple[Any, tuple[Any, ...]]] = []
        self._determining: Any = None

    def check(self) -> dict[str, Any]:
        data = self._located.data
        if not isinstance(data, Mapping):
            self._say("must be sections such as 'name: digits', one a line")
            return {}
        self._unknown(data, SECTIONS, "section")
        for name in REQUIRED:
            if data.get(name) is None:
                self._say(f"the section {name!r} is missing or empty", name)
        given = {name: value for name, value in data.items() if value is not None}
        executor = self._executor(given)
        found = {
            "name": self._part("name", given, check_name),
            "space": self._space(given) if "space" in given else self._determined("space"),
            "goals": self._goals(given | self._goal_of_executor(given)),
            "controller": self._controller(given),
            "executor": executor,
            "handlers": self._handlers(given),
            "plan": self._plan(given),
            "store": self._part("store", given, _text("store")),
            "seed": self._part("seed", given, check_seed),
            "early_stopping": self._early_stopping(given),
            "warm_start": self._part("warm_start", given, _names),
        }
        self._check_one_objective(found["goals"])
        return {name: value for name, value in found.items() if value is not None}

    def _check_one_objective(self, goals: Goals | None) -> None:
        if goals is None or goals.single:
            return
        for component, place in self._components:
            self._tried(partial(check_fits, component, goals), *place)
        if self._located.data.get("early_stopping") is not None:
            self._say("trials can be stopped early where there is one objective only", "early_stopping")

    def _determined(self, section: str) -> Any:
        """What the executor says of a section that is missing."""
        executor = self._located.data.get("executor")
        if self._determining is None and isinstance(executor, Mapping) and "path" in executor:
            return None  # it is mistaken itself, so that nobody knows what it would say
        if getattr_static(self._determining, section, None) is None:
            self._say(f"the section {section!r} is missing or empty", section)
            return None
        return self._tried(lambda: getattr(self._determining, section), "executor")

    def _goal_of_executor(self, given: Mapping[str, Any]) -> dict[str, Any]:
        found = None if "objective" in given else self._determined("objective")
        return {} if found is None else {"objective": found}

    def _say(self, problem: str, *place: Any) -> None:
        self.problems.append((self._located.line(*place), problem.strip()))

    def _unknown(self, given: Mapping[Any, Any], known: tuple[str, ...], what: str, *place: Any) -> None:
        for key in given:
            if key not in known:
                hint = did_you_mean(str(key), known)
                self._say(f"unknown {what} {key!r:.80}. {hint}Known: {', '.join(known)}", *place, key)

    def _part(self, name: str, given: Mapping[str, Any], read: Callable[[Any], Any]) -> Any:
        if name not in given:
            return None
        return self._tried(lambda: read(given[name]), name)

    def _tried(self, work: Callable[[], Any], *place: Any) -> Any:
        try:
            return work()
        except InputError as error:
            for problem in error.problems or (str(error),):
                self._say(problem, *place)
            return None

    def _space(self, given: Mapping[str, Any]) -> Space | None:
        space, constraints = given.get("space", {}), given.get("constraints", [])
        if not isinstance(constraints, list):
            self._say("constraints must be a list, such as ['x1 + 2*x2 <= 1']", "constraints")
            constraints = []
        if "space" not in given:
            return None
        if not isinstance(space, Mapping):
            self._say("the space must map names to parameters, such as 'lr: {float: [0.1, 1]}'", "space")
            return None
        try:
            return Space.from_json({"parameters": space, "constraints": constraints})
        except SpaceError as error:
            for problem in error.problems or (str(error),):
                self._say(problem, *self._place_in_space(problem, space, constraints))
            return None

    def _place_in_space(self, problem: str, space: Mapping[Any, Any], constraints: list[Any]) -> tuple[Any, ...]:
        for index, constraint in enumerate(constraints):
            if problem.startswith("constraint") and repr(constraint) in problem:
                return ("constraints", index)
        for mark in (":", " ->"):
            named = [n for n in space if isinstance(n, str) and problem.startswith(n + mark)]
            if named:
                name = max(named, key=len)
                key = problem.removeprefix(f"{name}: ").partition(" ")[0].strip(":'")
                return ("space", name, key)
        return ("constraints",) if problem.lower().startswith(("constraint", "the constraint")) else ("space",)

    def _goals(self, given: Mapping[str, Any]) -> Goals | None:
        if "objective" not in given:
            return None
        try:
            return Goals.parse(given["objective"], given.get("outcome_constraints", ()), given.get("thresholds"))
        except InputError as error:
            for problem in error.problems or (str(error),):
                limit = "limit" in problem or "outcome constraints" in problem
                section = "thresholds" if "threshold" in problem else "outcome_constraints" if limit else "objective"
                self._say(problem, section)
            return None

    def _controller(self, given: Mapping[str, Any]) -> ComponentSpec | None:
        spec = self._spec("controller", given.get("controller", "auto"), "controller")
        if spec is not None and self._fits("controller", spec, "controller"):
            self._built(lambda: build_controller(spec), spec, "controller")
        return spec

    def _executor(self, given: Mapping[str, Any]) -> ComponentSpec | None:
        if "executor" not in given:
            return None
        spec = self._spec("executor", given["executor"], "executor")
        if spec is None:
            return None
        spec = ComponentSpec(name=spec.name, path=spec.path, args=self._executor_args(spec, given))
        if not self._fits("executor", spec, "executor"):
            return spec
        built = self._determining = self._built(lambda: build_adapted("executor", spec), spec, "executor")
        space = given.get("space")
        if hasattr(built, "expect") and isinstance(space, Mapping):
            for problem in self._tried(lambda: built.expect([str(name) for name in space]), "executor") or ():
                self._say(problem, "executor", "args", "command")
        return spec

    def _executor_args(self, spec: ComponentSpec, given: Mapping[str, Any]) -> dict[str, Any]:
        args = dict(spec.args)
        if spec.name == "command" and isinstance(args.get("cwd", ""), str):
            args["cwd"] = str(self._folder / args.get("cwd", ""))
        if spec.name in ("bundle", "mmar"):  # from the study file's folder, but for the name of a program
            for name, is_path in ((spec.name, True), ("python", "/" in str(args.get("python")))):
                if is_path and isinstance(args.get(name), str):
                    args[name] = str(self._folder / args[name])
        if "gpus" in given:  # kept with the executor, so that a resumed study has the same
            args.setdefault("gpus", given["gpus"] if not _is_whole(given["gpus"]) else str(given["gpus"]))
        return args

    def _handlers(self, given: Mapping[str, Any]) -> tuple[ComponentSpec, ...] | None:
        handlers = given.get("handlers")
        if handlers is None:
            return None
        if not isinstance(handlers, list):
            self._say("handlers must be a list, such as [{name: progress}]", "handlers")
            return None
        specs = []
        for index, item in enumerate(handlers):
            place = ("handlers", index)
            spec = self._spec("handler", item, *place)
            if spec is not None and self._fits("handler", spec, *place):
                specs.append(spec)
                self._built(partial(build_handler, spec), spec, *place)
        return tuple(specs)

    def _early_stopping(self, given: Mapping[str, Any]) -> Any:
        rule = given.get("early_stopping")
        if rule is not None:
            self._tried(lambda: build_rule(rule), "early_stopping")
        return rule

    def _spec(self, kind: str, given: Any, *place: Any) -> ComponentSpec | None:
        found: ComponentSpec | None = self._tried(lambda: spec_of(kind, given), *place)
        bad = [key for key in (found.args if found else ()) if not isinstance(key, str)]
        for key in bad:
            self._say(f"the argument name {key!r} must be text", *place, "args", key)
        return None if bad else found

    def _fits(self, kind: str, spec: ComponentSpec, *place: Any) -> bool:
        problems: list[str] | None = self._tried(lambda: problems_with_args(kind, spec), *place)
        for problem in problems or ():
            named = next((arg for arg in spec.args if f"no argument {arg!r}" in problem), None)
            self._say(problem, *place, "args", named)
        return problems is not None and not problems

    def _built(self, work: Callable[[], Any], spec: ComponentSpec, *place: Any) -> Any:
        """What `work` builds; a problem that begins with an argument's name is told in its line."""
        try:
            built = work()
            self._components.append((built[0] if isinstance(built, tuple) else built, place))
            return built
        except InputError as error:
            for problem in error.problems or (str(error),):
                named = next((arg for arg in spec.args if problem.startswith(f"{arg!r} ")), None)
                self._say(problem, *place, "args", named)
            return None

    def _plan(self, given: Mapping[str, Any]) -> Plan | None:
        budget = given.get("budget", {})
        if not isinstance(budget, Mapping):
            self._say("the budget must map limits to numbers, such as {trials: 50, seconds: 3600}", "budget")
            budget = {}
        self._unknown(budget, BUDGET, "limit of the budget", "budget")
        settings = {name: value for name, value in budget.items() if name in BUDGET and value is not None}
        settings |= {name: given[name] for name in RUN_SETTINGS if name in given}
        try:
            return Plan(**settings)
        except InputError as error:
            for problem in error.problems:
                name = problem.partition("=")[0]
                self._say(problem, *(("budget", name) if name in BUDGET else (name,)))
            return None


def _text(what: str) -> Callable[[Any], str]:
    def read(given: Any) -> str:
        if not isinstance(given, str) or not given.strip():
            raise InputError(f"the {what} must be text, not {given!r:.80}")
        return given

    return read


def _names(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list):
        raise InputError("warm_start must be a list of studies, such as [digits-2024]")
    return tuple(check_name(name) for name in given)


def _is_whole(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)

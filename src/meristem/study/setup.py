"""How a study is run, as a value: plan, executor, handlers. Built from what the user gave, kept for resuming."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meristem.components import ComponentSpec, build, import_folders, import_from, spec_of
from meristem.errors import InputError
from meristem.study.adapting import adapted, build_adapted
from meristem.study.plan import Plan
from meristem.study.protocols import Executor, Handler

_EXECUTORS = (
    "An executor is an object with slots, open, start, adopt, poll, stop and close, or one in the style of Clara "
    "AutoML with determine_search_space and execute. A function is given first: study.run(train)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a study is run.

    Attributes:
        executor: Its specification; None where it was a Python function or object, named by `executor_label`.
        handlers: Those that can be built again.
        left_out: Names of handlers that were Python objects.
        early_stopping: The stopping rule as data; None where there was none, or an object.
        import_from: Folders in which components by path are found.
        root: The folder in which the study was first run.
    """

    plan: Plan = field(default_factory=Plan)
    executor: ComponentSpec | None = None
    executor_label: str = ""
    handlers: tuple[ComponentSpec, ...] = ()
    left_out: tuple[str, ...] = ()
    early_stopping: Any = None
    import_from: tuple[str, ...] = ()
    root: str = ""

    def to_json(self) -> dict[str, Any]:
        executor = self.executor.to_json() if self.executor else {"object": self.executor_label}
        handlers = [spec.to_json() for spec in self.handlers] + [{"object": name} for name in self.left_out]
        return {
            "plan": self.plan.to_json(),
            "executor": executor,
            "handlers": handlers,
            "import_from": list(self.import_from),
            "root": self.root,
            **({} if self.early_stopping is None else {"early_stopping": self.early_stopping}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Setup:
        executor, handlers = data.get("executor") or {}, data.get("handlers") or []
        return cls(
            plan=Plan.from_json(data.get("plan", {})),
            executor=spec_of("executor", executor) if executor and "object" not in executor else None,
            executor_label=executor.get("object", ""),
            handlers=tuple(spec_of("handler", h) for h in handlers if "object" not in h),
            left_out=tuple(h["object"] for h in handlers if "object" in h),
            import_from=tuple(data.get("import_from", ())),
            root=data.get("root", ""),
            early_stopping=data.get("early_stopping"),
        )

    def resumable(self, name: str) -> ComponentSpec:
        """The executor with which study `name` can go on.

        Raises:
            InputError: It was never run, or its trials are a Python function.
        """
        if self.executor is not None:
            return self.executor
        if not self.executor_label:
            raise InputError(
                f"Study {name!r} was never run, so that there is nothing to resume.",
                fix="Run its study file (meristem run study.yaml) or its Python script.",
            )
        raise InputError(
            f"Study {name!r} runs the Python object {self.executor_label}, which cannot be kept in the store.",
            fix="Run its Python script again: it goes on where the study was.",
        )

    def find_components(self) -> None:
        """Puts the folders of its components on the import path."""
        for folder in reversed(self.import_from):
            import_from(Path(folder), first=True)


def setup_of(
    plan: Plan, function: Any, executor: Any, handlers: Sequence[Any], early_stopping: Any, *, root: str
) -> Setup:
    """How the study is being run, from what was given to `Study.run`."""
    by_name = isinstance(executor, (str, Mapping, ComponentSpec))
    named = [h for h in handlers if isinstance(h, (str, Mapping, ComponentSpec))]
    return Setup(
        plan=plan,
        executor=spec_of("executor", executor) if by_name else None,
        executor_label="" if by_name else _label(function if executor is None else executor),
        handlers=tuple(spec_of("handler", h) for h in named),
        left_out=tuple(_label(h) for h in handlers if not isinstance(h, (str, Mapping, ComponentSpec))),
        early_stopping=early_stopping if isinstance(early_stopping, (str, Mapping, list, tuple)) else None,
        import_from=tuple(import_folders()),
        root=root,
    )


def build_executor(function: Any, executor: Any, *, isolate: bool, gpus: str | None) -> Executor:
    """The executor that the user gave, or one that calls `function`.

    Raises:
        InputError: Neither or both, or something that cannot be built.
    """
    if (function is None) == (executor is None):
        raise InputError(
            "run() needs either a function or an executor.",
            fix="Write study.run(train, trials=50) or study.run(executor={'name': 'command', 'args': {…}}, trials=50).",
        )
    if executor is None:
        if not callable(function):
            raise InputError(f"run() got {type(function).__name__}, which cannot be called.", fix="Pass a function.")
        built: Executor = build(
            "executor", ComponentSpec(name="function"), function=function, isolate=isolate, gpus=gpus
        )
        return built
    supplied = {"gpus": gpus} if gpus else {}
    if isinstance(executor, (str, Mapping, ComponentSpec)):
        built = build_adapted("executor", spec_of("executor", executor), **supplied)
    else:
        built = adapted("executor", executor, **supplied)
    if isinstance(built, type) or not callable(getattr(built, "poll", None)):
        raise InputError(f"The executor {built!r:.80} cannot run trials.", fix=_EXECUTORS)
    return built


def build_handler(given: Any) -> Handler:
    """The handler that the user gave: a name, a mapping or an object.

    Raises:
        InputError: It cannot be built, or has no `handle`.
    """
    if isinstance(given, (str, Mapping, ComponentSpec)):
        handler: Handler = build_adapted("handler", spec_of("handler", given))
    else:
        handler = adapted("handler", given)
    if isinstance(handler, type) or not callable(getattr(handler, "handle", None)):
        raise InputError(
            f"The handler {handler!r:.80} has no method handle(event, run).",
            fix="Subclass meristem.Handler, and pass an object, not the class.",
        )
    return handler


def with_progress(handlers: Sequence[Any] | None) -> list[Any]:
    """`handlers`, and progress where none of them shows it; an empty list means none at all."""
    if handlers is not None and not handlers:
        return []
    given = list(handlers or ())
    specs = [spec_of("handler", h).label for h in given if isinstance(h, (str, Mapping, ComponentSpec))]
    return given if "progress" in specs or any(type(h).__name__ == "Progress" for h in given) else ["progress", *given]


def _label(given: Any) -> str:
    owner = given if hasattr(given, "__qualname__") else type(given)
    return f"{getattr(owner, '__module__', '?')}.{owner.__qualname__}"

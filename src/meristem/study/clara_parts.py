"""A controller, an executor and handlers of which any may be Clara's, made ready for one study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from meristem.clara.context import Context
from meristem.clara.run import ClaraRun, bring_together
from meristem.controllers.protocol import Controller
from meristem.space import Space
from meristem.study.definition import build_controller
from meristem.study.protocols import Executor, Handler
from meristem.study.setup import build_executor, build_handler


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaraParts:
    """What a study is made of and run with.

    Attributes:
        run: What those of them share that are Clara's.
    """

    controller: Controller
    executor: Executor
    handlers: tuple[Handler, ...]
    run: ClaraRun

    @property
    def context(self) -> Context:
        """The main context of the study's next run."""
        return self.run.context

    @property
    def space(self) -> Space:
        """The space that the executor determines.

        Raises:
            InputError: It could not, or is an executor that determines none.
        """
        return self.executor.space  # type: ignore[attr-defined, no-any-return]

    @property
    def objective(self) -> str:
        """What the study makes large: the executor's score."""
        return getattr(self.executor, "objective", "score")


def clara_parts(controller: Any, executor: Any, handlers: Sequence[Any] = (), *, gpus: str | None = None) -> ClaraParts:
    """Makes components ready that share one main context.

    A study brings its components together by itself; this is for who needs the context or the space before there is
    a study. What is given as an object cannot be built again when a study is resumed by its name.

    Args:
        controller: A name, `{"name" | "path": …, "args": {…}}`, or an object; Clara's or any other. So are the others.
        gpus: GPU ids by worker: `"0,1:2,3"`.

    Raises:
        InputError: One of them cannot be built.
    """
    built_controller = build_controller(controller)[0]
    built_executor = build_executor(None, executor, isolate=True, gpus=gpus)
    built_handlers = tuple(build_handler(handler) for handler in handlers)
    run = bring_together([built_controller, built_executor, *built_handlers]) or ClaraRun()
    return ClaraParts(controller=built_controller, executor=built_executor, handlers=built_handlers, run=run)

"""Those who hear what happens in a run: the handlers, called in order, shut down in reverse.

One that raises is told by name with its traceback, and does not keep the others from hearing.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from meristem.errors import ComponentFailed
from meristem.study.happenings import Happening
from meristem.study.protocols import Handler
from meristem.study.run import StudyRun

log = logging.getLogger("meristem.study")


class Audience:
    """The handlers of one run.

    Args:
        failed: Told of each failure.
    """

    def __init__(self, handlers: Sequence[Handler], run: StudyRun, failed: Callable[[ComponentFailed], None]) -> None:
        self._handlers, self._run, self._failed = list(handlers), run, failed

    def tell(self, happening: Happening) -> None:
        for handler in self._handlers:
            self._guarded("handler", handler, handler.handle, happening, self._run)

    def shut_down(self, controller: Any, executor: Any) -> None:
        """Ends the handlers in reverse order, then controller and executor where they want to hear of it."""
        for handler in reversed(self._handlers):
            self._guarded("handler", handler, handler.shutdown, self._run)
        for kind, component in (("controller", controller), ("executor", executor)):
            if callable(shut := getattr(component, "shutdown", None)):
                self._guarded(kind, component, shut)

    def _guarded(self, kind: str, component: Any, call: Callable[..., Any], *args: Any) -> None:
        try:
            call(*args)
        except Exception:  # a user's component may raise anything
            failure = ComponentFailed(
                kind, getattr(component, "label", type(component).__name__), traceback.format_exc()
            )
            log.error("%s", failure)
            self._failed(failure)

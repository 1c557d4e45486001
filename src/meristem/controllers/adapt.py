"""Accepts controllers in every form in which a user may bring one."""

from __future__ import annotations

import inspect
from typing import Any, cast

from meristem.controllers.clara import ClaraController
from meristem.controllers.function import FunctionController
from meristem.controllers.protocol import Controller
from meristem.errors import InputError

_CLARA = ("set_search_space", "initial_recommendation", "refine_recommendation")
_FORMS = (
    "A controller is an object with recommend(snapshot, count), a function (snapshot, count), a function of "
    "any of space, objectives, history, pending, count and seed, or an object with "
    f"{', '.join(_CLARA)} and perhaps shutdown."
)


def as_controller(given: Any) -> Controller:
    """`given` as a controller.

    Raises:
        InputError: It has none of the accepted forms.
    """
    if inspect.isclass(given):
        raise InputError(
            f"The controller is the class {given.__name__}, not an object.",
            fix=f"Give {given.__name__}(…), with its arguments.",
        )
    if callable(getattr(given, "recommend", None)):
        return cast(Controller, given)
    present = [name for name in _CLARA if callable(getattr(given, name, None))]
    if len(present) == len(_CLARA):
        return ClaraController(given)
    if present:
        missing = [name for name in _CLARA if name not in present]
        raise InputError(
            f"The controller {type(given).__name__} has {', '.join(present)}, but not {', '.join(missing)}.",
            fix=_FORMS,
        )
    if callable(given):
        return FunctionController(given)
    raise InputError(f"{type(given).__name__} cannot serve as a controller.", fix=_FORMS)

"""What a client was told of its study before there is one; makes the study, or opens the one that is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from meristem.client.configs import StorageConfig
from meristem.client.strategies import controller_of
from meristem.errors import InputError, StudyError
from meristem.objective import Goals
from meristem.space import Space
from meristem.study.study import Study

_UNNAMED = "unnamed"


@dataclass(slots=True, kw_only=True)
class Draft:
    """What was configured so far.

    Attributes:
        about: What the user says of the experiment; kept with the client and its JSON file.
        controller: A name, data, or an object.
    """

    space: Space | None = None
    goals: Goals | None = None
    name: str | None = None
    seed: int | None = None
    controller: Any = field(default_factory=controller_of)
    about: dict[str, str] = field(default_factory=dict)

    def open(self, storage: StorageConfig | None) -> Study:
        """The study that was configured; one of that name and definition in the store goes on where it was.

        Raises:
            StudyError: Something was not configured.
            StudyExists: The store has another study of that name.
        """
        if self.space is None:
            raise StudyError(
                "The client has no parameters yet.", fix="Call configure_experiment(parameters=[…]) first."
            )
        if self.goals is None:
            raise StudyError(
                "The client has no objective yet.", fix="Call configure_optimization(objective='-loss') first."
            )
        if storage is not None and self.name is None:
            raise InputError(
                "What is kept in a store needs a name.", fix="Write configure_experiment(…, name='hartmann6')."
            )
        return Study(
            self.name or _UNNAMED,
            space=self.space,
            objective=str(self.goals),
            outcome_constraints=[str(limit) for limit in self.goals.constraints],
            thresholds=self.goals.thresholds or None,
            controller=self.controller,
            store=url_of(storage),
            seed=self.seed,
        )


def url_of(storage: StorageConfig | None) -> str | None:
    """Where the study is kept; None: in memory.

    Raises:
        InputError: The configuration has no URL, or things that a store does not need.
    """
    if storage is None:
        return None
    if not isinstance(storage, StorageConfig):
        raise InputError(
            f"storage_config={storage!r:.80} is no StorageConfig.",
            fix="Write StorageConfig(url='sqlite:///meristem.db').",
        )
    if storage.creator is not None or storage.registry_bundle is not None:
        raise InputError(
            "StorageConfig takes no creator and no registry_bundle.",
            fix="Give url= alone. Runners and metrics are not stored: configure them again after loading.",
        )
    if not storage.url or not isinstance(storage.url, str):
        raise InputError("StorageConfig has no url.", fix="Write StorageConfig(url='sqlite:///meristem.db').")
    return storage.url

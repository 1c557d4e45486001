"""`meristem schema`: the JSON Schema of study files, by which editors complete and check them."""

from __future__ import annotations

from typing import Any

import typer

from meristem.cli.output import print_json
from meristem.components import known_names

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="JSON Schemas of the files it reads.")


@app.callback()
def _group() -> None:
    pass


@app.command()
def study() -> None:
    """Print the JSON Schema of a study file (draft 2020-12).

    \b
    meristem schema study > study.schema.json
    Then, as the first line of study.yaml:
    # yaml-language-server: $schema=study.schema.json
    """
    print_json(study_file_schema())


def study_file_schema() -> dict[str, Any]:
    """JSON Schema of a study file."""
    from meristem.space import space_json_schema  # slow to import: not for --help

    space = space_json_schema()["properties"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Meristem study file",
        "type": "object",
        "required": ["name", "executor"],
        # Other executors may determine space and objective themselves.
        "if": {"properties": {"executor": {"required": ["name"], "properties": {"name": {"const": "command"}}}}},
        "then": {"required": ["space", "objective"]},
        "additionalProperties": False,
        "properties": {
            "name": {
                "type": "string",
                "minLength": 1,
                "maxLength": 200,
                "description": "Unique in its store.",
            },
            "space": {**space["parameters"], "description": "What may be chosen: names and parameters."},
            "constraints": space["constraints"],
            "objective": {
                "type": ["string", "array"],
                "minLength": 1,
                "minItems": 1,
                "items": {"type": "string", "minLength": 1},
                "description": "A metric to maximize (accuracy) or, with a minus sign, to minimize (-loss); "
                "a weighted sum (2*accuracy - latency); or several, with commas (accuracy, -latency) or as a list.",
            },
            "outcome_constraints": {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "examples": ["latency <= 10", "size <= 1.1 * baseline"]},
                "description": "Limits on metrics.",
            },
            "thresholds": {
                "type": "object",
                "additionalProperties": {"type": "number"},
                "description": "Of several objectives the worst values worth having.",
            },
            "controller": _component("Decides what to try next; by default auto.", known_names("controller")),
            "executor": _component("Runs trials.", ["command"]),
            "handlers": {"type": "array", "items": _component("Reacts to events.", known_names("handler"))},
            "budget": _budget(),
            "store": {"type": "string", "description": "URL or path, relative to the working directory."},
            "seed": {"type": "integer", "minimum": 0, "description": "Makes the search repeatable."},
            "warm_start": {
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "description": "Earlier studies of the same store to learn from.",
            },
            "early_stopping": {
                "anyOf": [
                    _component("Stops trials whose learning curve is hopeless.", known_names("stopping rule")),
                    {"type": "array", "description": "Any of these may stop a trial."},
                ]
            },
            "gpus": {"type": ["string", "integer"], "description": "GPU ids by slot, such as 0,1:2,3."},
            **_run_settings(),
        },
    }


def _component(description: str, known: list[str]) -> dict[str, Any]:
    name = {"type": "string", "minLength": 1, "examples": known}
    path = {"type": "string", "minLength": 1, "description": "package.module.Class on the import path."}
    return {
        "description": description,
        "oneOf": [
            name,
            {
                "type": "object",
                "additionalProperties": False,
                "anyOf": [{"required": ["name"]}, {"required": ["path"]}],
                "properties": {"name": name, "path": path, "args": {"type": "object"}},
            },
        ],
    }


def _budget() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "trials": _whole(1, "Ended trials in all, earlier runs included."),
            "seconds": _seconds("Wall time of a run."),
            "without_improvement": _whole(1, "Ends after this many trials in a row without a better one."),
        },
    }


def _run_settings() -> dict[str, Any]:
    return {
        "parallel": _whole(1, "Trials at a time.", 1),
        "timeout": _seconds("After which a trial is stopped and counts as failed."),
        "retries": _whole(0, "How often a failed trial is run again.", 0),
        "max_failure_rate": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.8},
        "min_failures_before_abort": _whole(1, "Failures before max_failure_rate counts.", 5),
        "at_stop": {"enum": ["stop", "wait"], "default": "stop", "description": "Running trials."},
        "grace": _seconds("Between asking a trial to stop and ending it by force.", 10),
        "on_handler_error": {"enum": ["stop", "continue"], "default": "stop"},
    }


def _whole(least: int, description: str, default: int | None = None) -> dict[str, Any]:
    found = {"type": "integer", "minimum": least, "description": description}
    return found if default is None else {**found, "default": default}


def _seconds(description: str, default: float | None = None) -> dict[str, Any]:
    found = {"type": "number", "minimum": 0, "description": f"Seconds. {description}"}
    return found if default is None else {**found, "default": default}

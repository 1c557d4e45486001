"""The published JSON Schema of a space, by which editors complete and check study files.

It has no references, so that any part of it can be put into another schema. What a schema cannot
say (low below high, known parents, feasible constraints) `Space` checks.
"""

from __future__ import annotations

from typing import Any

_NUMBER = {"type": "number"}
_ANY_VALUE = {"description": "Any JSON value."}
_WHEN = {
    "type": "object",
    "minProperties": 1,
    "description": "Exists only when these other parameters have these values; a list means any of them.",
}


def space_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `Space.to_json`; the mapping of a study file's `space` section
    is its `properties.parameters`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Space",
        "description": "What may be chosen: named parameters, conditions, constraints.",
        "type": "object",
        "required": ["parameters"],
        "additionalProperties": False,
        "properties": {
            "parameters": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"minLength": 1},
                "additionalProperties": _parameter(),
            },
            "constraints": {"type": "array", "items": _constraint()},
        },
    }


def _parameter() -> dict[str, Any]:
    return {
        "description": "One of float, int, choice, fixed; a list is a choice, a bare value is fixed.",
        "oneOf": [
            _range("float", _NUMBER, {"type": "number", "exclusiveMinimum": 0}),
            _range("int", {"type": "integer"}, {"type": "integer", "minimum": 1}),
            _kind("choice", {"type": "array", "minItems": 1, "uniqueItems": True}, _choice_options()),
            _kind("fixed", _ANY_VALUE, {}),
            {"type": "array", "minItems": 1, "uniqueItems": True, "description": "Short for choice."},
            {"type": ["string", "number", "boolean", "null"], "description": "Short for fixed."},
        ],
    }


def _range(kind: str, bound: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
    ends = {
        "type": "array",
        "prefixItems": [bound, bound],
        "items": False,
        "minItems": 2,
        "maxItems": 2,
        "description": "[low, high], both included.",
    }
    options = {
        "log": {"type": "boolean", "description": "Search over orders of magnitude; low must be above 0."},
        "step": {**step, "description": "Only low, low + step, … up to high."},
        "default": {**bound, "description": "Where the search starts."},
    }
    both = {"required": ["step", "log"], "properties": {"log": {"const": True}}}
    return {**_kind(kind, ends, options), "not": both}


def _choice_options() -> dict[str, Any]:
    return {
        "ordered": {"type": "boolean", "description": "The order of the choices means something."},
        "default": {"description": "Where the search starts."},
    }


def _kind(kind: str, value: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [kind],
        "additionalProperties": False,
        "properties": {kind: value, **options, "when": _WHEN},
    }


def _constraint() -> dict[str, Any]:
    return {
        "oneOf": [
            {"type": "string", "description": "A linear inequality, such as x1 + 2*x2 <= 1."},
            {
                "type": "object",
                "required": ["python"],
                "additionalProperties": False,
                "properties": {"python": {"type": "string", "pattern": ":"}},
                "description": "A Python function of the active parameters, as module:name.",
            },
        ]
    }

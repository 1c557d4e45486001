"""The published schema accepts what `Space` writes and refuses what editors should underline."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from spaces import spaces

from meristem.space import Space, space_json_schema

TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "number": (int, float),
    "integer": int,
}  # fmt: skip
ANNOTATIONS = {"$schema", "title", "description"}


def fits(schema: dict[str, Any], value: Any) -> bool:
    """The keywords of JSON Schema that the schema uses; any other keyword fails the test."""
    return all(_keyword(key, rule, schema, value) for key, rule in schema.items() if key not in ANNOTATIONS)


def _keyword(key: str, rule: Any, schema: dict[str, Any], value: Any) -> bool:
    match key:
        case "type":
            return any(_is(kind, value) for kind in ([rule] if isinstance(rule, str) else rule))
        case "const":
            return bool(value == rule)
        case "oneOf":
            return sum(fits(option, value) for option in rule) == 1
        case "not":
            return not fits(rule, value)
        case "pattern":
            return not isinstance(value, str) or re.search(rule, value) is not None
        case "minLength":
            return not isinstance(value, str) or len(value) >= rule
        case "minimum" | "exclusiveMinimum":
            return not _is("number", value) or (value >= rule if key == "minimum" else value > rule)
    return (
        _object_keyword(key, rule, schema, value)
        if isinstance(value, dict)
        else _list_keyword(key, rule, schema, value)
    )


def _object_keyword(key: str, rule: Any, schema: dict[str, Any], value: dict[str, Any]) -> bool:
    match key:
        case "required":
            return all(name in value for name in rule)
        case "minProperties":
            return len(value) >= rule
        case "propertyNames":
            return all(fits(rule, name) for name in value)
        case "properties":
            return all(fits(rule[name], item) for name, item in value.items() if name in rule)
        case "additionalProperties":
            rest = [item for name, item in value.items() if name not in schema.get("properties", {})]
            return not rest if rule is False else all(fits(rule, item) for item in rest)
    return key in {"minItems", "maxItems", "uniqueItems", "items", "prefixItems"}


def _list_keyword(key: str, rule: Any, schema: dict[str, Any], value: Any) -> bool:
    if key in {"required", "minProperties", "propertyNames", "properties", "additionalProperties"}:
        return True
    if not isinstance(value, list):
        return key in {"minItems", "maxItems", "uniqueItems", "items", "prefixItems"}
    match key:
        case "minItems":
            return len(value) >= rule
        case "maxItems":
            return len(value) <= rule
        case "uniqueItems":
            return len({json.dumps(item) for item in value}) == len(value)
        case "prefixItems":
            return all(fits(item_rule, item) for item_rule, item in zip(rule, value, strict=False))
        case "items":
            rest = value[len(schema.get("prefixItems", [])) :]
            return not rest if rule is False else all(fits(rule, item) for item in rest)
    raise AssertionError(f"unknown keyword {key}")


def _is(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPES[kind]) or (kind == "integer" and isinstance(value, float) and value.is_integer())


@given(spaces())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_every_space_in_json_fits_the_schema(space: Space) -> None:
    assert fits(space_json_schema(), space.to_json())


@pytest.mark.parametrize(
    ("spec", "fine"),
    [
        ({"float": [1e-4, 1.0], "log": True, "default": 0.1, "when": {"model": ["a", "b"]}}, True),
        ({"float": [0, 1], "step": 0.1, "log": False}, True),
        ({"choice": ["a", None], "ordered": True}, True),
        ({"fixed": {"any": ["thing"]}}, True),
        (["a", "b"], True),
        (3, True),
        (None, True),
        ({"float": [0, 1], "step": 0.1, "log": True}, False),
        ({"float": [0]}, False),
        ({"float": [0, 1, 2]}, False),
        ({"float": ["a", 1]}, False),
        ({"int": [0.5, 1]}, False),
        ({"int": [0, 1], "lgo": True}, False),
        ({"choice": []}, False),
        ({"choice": ["a", "a"]}, False),
        ({"choice": ["a"], "when": {}}, False),
        ({"float": [0, 1], "int": [0, 1]}, False),
        ({}, False),
    ],
)
def test_a_specification_fits_the_schema_when_it_can_be_read(spec: Any, fine: bool) -> None:
    assert fits(space_json_schema(), {"parameters": {"p": spec}}) is fine


def test_the_schema_is_json_and_stands_without_references() -> None:
    text = json.dumps(space_json_schema())
    assert "$ref" not in text
    assert "2020-12" in text


def test_specifications_and_short_forms_make_the_same_space_as_parameters() -> None:
    space = Space(
        {
            "model": {"choice": ["mlp", "forest"]},
            "lr": {"float": [1e-4, 1.0], "log": True, "step": None, "when": {"model": "mlp"}},
            "depth": {"int": [1, 8], "when": {"model": "forest"}},
            "size": ["s", "m"],
            "seed": 3,
        }
    )
    assert space.to_json()["parameters"] == {
        "model": {"choice": ["mlp", "forest"]},
        "lr": {"float": [1e-4, 1.0], "log": True, "when": {"model": "mlp"}},
        "depth": {"int": [1, 8], "when": {"model": "forest"}},
        "size": {"choice": ["s", "m"]},
        "seed": {"fixed": 3},
    }

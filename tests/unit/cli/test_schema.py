"""The JSON Schema of study files agrees with what is read."""

from __future__ import annotations

from meristem.cli.schema import study_file_schema
from meristem.cli.study_file import BUDGET, REQUIRED, SECTIONS


def test_the_schema_has_the_sections_that_are_read() -> None:
    schema = study_file_schema()
    assert set(schema["properties"]) == set(SECTIONS)
    assert set(schema["required"]) == set(REQUIRED)
    assert set(schema["properties"]["budget"]["properties"]) == set(BUDGET)

"""What may be chosen: parameters, conditions, constraints, and their places in the unit cube. Pure."""

from meristem.space.constraints import Constraint
from meristem.space.parameters import Choice, Fixed, Float, Int, Parameter, Parameters
from meristem.space.schema import space_json_schema
from meristem.space.space import Space

__all__ = [
    "Choice",
    "Constraint",
    "Fixed",
    "Float",
    "Int",
    "Parameter",
    "Parameters",
    "Space",
    "space_json_schema",
]

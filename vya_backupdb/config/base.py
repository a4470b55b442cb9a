"""What every section of the configuration is, and how a rule refuses a value."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


class Model(BaseModel):
    """Frozen, and an unknown key is a fault; an empty section is one with its defaults."""

    # built when first asked for: a section is built as a part of the whole then, and not by itself before
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: object) -> object:
        return {} if value is None else value


def refuse(what: str) -> PydanticCustomError:
    """Give what a validator raises: `what` is wrong with the value, in words for its author."""
    return PydanticCustomError("rule", "{what}", {"what": what})

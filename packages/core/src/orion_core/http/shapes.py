"""The ground of request and response models."""

import re
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

UNSTORABLE = re.compile("[\0\ud800-\udfff]")


DEEPEST = 64
"""Levels of JSON in a body."""


Moment = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(3000, 1, 1, tzinfo=UTC))]
"""A bound of a search: within the times that ids can tell and that databases and we can count with."""


class RequestShape(BaseModel):
    """A body from outside. Unknown fields are refused: what is misspelt should not be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        if not _is_storable(value):
            raise ValueError(f"no NUL characters, lone surrogates, NaN, Infinity, or nesting beyond {DEEPEST} levels")
        return value


class ResponseShape(BaseModel):
    """A body to the outside."""

    model_config = ConfigDict(frozen=True)


def _is_storable(value: Any) -> bool:
    """Whether PostgreSQL's text and jsonb can hold everything in `value`, and whoever reads it can follow."""
    waiting: list[tuple[Any, int]] = [(value, 0)]  # a loop, since JSON may nest deeper than calls
    while waiting:
        part, depth = waiting.pop()
        match part:
            case str(text) if UNSTORABLE.search(text):
                return False
            case float(number) if not isfinite(number):
                return False
            case dict() | list() if depth == DEEPEST:
                return False
            case dict(items):  # pyright: ignore[reportUnknownVariableType]
                waiting += [(item, depth + 1) for pair in items.items() for item in pair]  # pyright: ignore[reportUnknownVariableType]
            case list(items):  # pyright: ignore[reportUnknownVariableType]
                waiting += [(item, depth + 1) for item in items]  # pyright: ignore[reportUnknownVariableType]
            case _:
                pass
    return True

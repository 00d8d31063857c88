"""The ground of request and response models."""

import re
from math import isfinite
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class RequestShape(BaseModel):
    """A body from outside. Unknown fields are refused: what is misspelt should not be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        if not _is_storable(value):
            raise ValueError("there must be no NUL character, no lone surrogate and no NaN or Infinity in it")
        return value


class ResponseShape(BaseModel):
    """A body to the outside."""

    model_config = ConfigDict(frozen=True)


def _is_storable(value: Any) -> bool:
    """Whether PostgreSQL's text and jsonb can hold everything in `value`. A loop: JSON nests deeper than calls may."""
    waiting: list[Any] = [value]
    while waiting:
        match waiting.pop():
            case str(text) if UNSTORABLE.search(text):
                return False
            case float(number) if not isfinite(number):
                return False
            case dict(items):  # pyright: ignore[reportUnknownVariableType]
                waiting += [*items.keys(), *items.values()]
            case list(items):  # pyright: ignore[reportUnknownVariableType]
                waiting += items
            case _:
                pass
    return True

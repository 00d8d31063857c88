"""The ground of request and response models."""

import re
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, model_validator

UNSTORABLE = re.compile("[\0\ud800-\udfff]")


DEEPEST = 64
"""Levels of JSON in a body."""

UNSTORABLE_WORDS = f"no NUL characters, lone surrogates, NaN, Infinity, or nesting beyond {DEEPEST} levels"


WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})", re.ASCII)

EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""Nothing is recorded beyond, and whoever counts some hours on from there does not leave what can be counted."""


def _written(value: Any) -> Any:
    if not isinstance(value, datetime) and not (isinstance(value, str) and WRITTEN.fullmatch(value)):
        raise ValueError("a moment is written with its zone (RFC 3339), such as 2026-11-26T12:00:00Z")
    return value


def _within(value: datetime) -> datetime:
    return min(max(value, EARLIEST), LATEST)


Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_within)]
"""A moment in a request. Numbers are none, whatever they might count; beyond the ends of time is the end."""


class RequestShape(BaseModel):
    """A body from outside. Unknown fields are refused: what is misspelt should not be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        if not is_storable(value):
            raise ValueError(UNSTORABLE_WORDS)
        return value


class ResponseShape(BaseModel):
    """A body to the outside."""

    model_config = ConfigDict(frozen=True)


def is_storable(value: Any) -> bool:
    """Whether PostgreSQL's text and jsonb can hold everything in `value`, and whoever reads it can follow."""
    level: list[Any] = [value]
    for _ in range(DEEPEST + 1):  # level by level, since JSON may nest deeper than calls
        inner: list[Any] = []
        is_deeper = False
        for part in level:
            if isinstance(part, str):
                if UNSTORABLE.search(part):
                    return False
            elif isinstance(part, float):
                if not isfinite(part):
                    return False
            elif isinstance(part, dict):
                is_deeper = True
                inner += part
                inner += part.values()
            elif isinstance(part, list):
                is_deeper = True
                inner += part
        if not is_deeper:
            return True
        level = inner
    return False

"""The ground of request and response models."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class RequestShape(BaseModel):
    """A body from outside. Unknown fields are refused: what is misspelt should not be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        if not _is_storable(value):
            raise ValueError("text must not contain NUL characters or lone surrogates")
        return value


class ResponseShape(BaseModel):
    """A body to the outside."""

    model_config = ConfigDict(frozen=True)


def _is_storable(value: Any) -> bool:
    """Whether PostgreSQL's text and jsonb can hold every string in `value`."""
    if isinstance(value, str):
        return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return all(_is_storable(key) and _is_storable(item) for key, item in value.items())  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return all(_is_storable(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    return True

"""A route past the layers of FastAPI and Starlette, for the few that are asked more often than all else.

The edge answers it itself; the documented route stays in the application behind it. Errors become answers as
everywhere.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from orion_core.http import problems

Shape = TypeVar("Shape", bound=BaseModel)


def is_plain_json(scope: Scope) -> bool:
    """Whether a request has no query and a body that is called JSON and nothing else: `is_usual` of many."""
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return not scope["query_string"] and kinds == [b"application/json"]


def parse_json(body: bytes) -> object:
    """What a body says, None where there is none; refused as FastAPI does when it is no JSON."""
    try:
        return json.loads(body) if body else None
    except json.JSONDecodeError as error:
        fault = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error"}
        raise RequestValidationError([fault]) from None
    except (ValueError, RecursionError):  # not in UTF-8, a number of too many digits, too deep
        raise HTTPException(HTTPStatus.BAD_REQUEST) from None


def validate(shape: type[Shape], said: object, body: bytes) -> Shape:
    """What a body says as its shape; refused as FastAPI does when it is not of that shape, or missing."""
    if not body:
        raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required"}])
    try:
        return shape.model_validate(said, from_attributes=True)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None


class WholeRequest(Request):
    """A request whose body is read as it comes: Starlette's stream takes longer over it than most routes need."""

    async def body(self) -> bytes:
        """All of it; `ClientDisconnect` when it does not come to its end."""
        if not hasattr(self, "_body"):
            parts, more = list[bytes](), True
            while more:
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
            self._body = b"".join(parts)
        return self._body


def _always(_: Scope) -> bool:
    return True


@dataclass(frozen=True)
class Shortcut:
    """One method of one path."""

    method: str
    path: str
    answer: Callable[[Request], Awaitable[Response]]
    is_usual: Callable[[Scope], bool] = _always
    """Which requests are answered here; the others are left to the route behind."""
    is_quiet: bool = field(default=False, kw_only=True)
    """What is answered is counted, and not logged; what is refused is."""

    async def respond(self, request: Request) -> Response:
        """The answer, also to what fails; raises what is a mistake of ours."""
        try:
            return await self.answer(request)
        except Exception as error:
            return await problems.answer(request, error)

"""A route past what FastAPI does for every route, for the few that are asked more often than all else.

The documented route stays in the application, behind it. Errors become answers as everywhere.
"""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

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


def _always(_: Scope) -> bool:
    return True


class Shortcut(BaseRoute):
    """One method of one path, for an application's list of routes.

    `is_usual` leaves some requests to the route behind. `is_quiet`: what is answered is counted, and not logged; what
    is refused is.
    """

    def __init__(
        self,
        method: str,
        path: str,
        answer: Callable[[Request], Awaitable[Response]],
        is_usual: Callable[[Scope], bool] = _always,
        *,
        is_quiet: bool = False,
    ) -> None:
        self.path = path
        self.is_quiet = is_quiet
        self._method = method
        self._answer = answer
        self._is_usual = is_usual

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this is a request to answer here."""
        is_ours = scope["type"] == "http" and scope["path"] == self.path and scope["method"] == self._method
        return (Match.FULL, {"route": self}) if is_ours and self._is_usual(scope) else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        try:
            response = await self._answer(Request(scope, receive))
        except ClientDisconnect:  # nobody is there to read it
            raise HTTPException(HTTPStatus.BAD_REQUEST) from None
        await response(scope, receive, send)

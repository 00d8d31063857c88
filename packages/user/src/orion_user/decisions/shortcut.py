"""Checks and explanations past what FastAPI does for every route: they are asked more often than all else.

The routes in `routes` stay what they are, the documented ones, and answer whatever is asked in another way than usual:
with a moment, or with a body that is not called JSON. The order of refusals is FastAPI's: a body that is no JSON, a
caller who is not known, a question that is none.
"""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from orion_contracts.claims import AccessClaims
from orion_core.http.shortcut import Shortcut
from orion_user.components import Components
from orion_user.decisions import routes
from orion_user.decisions.shapes import EvaluationShape

Answer = Callable[[Components, AccessClaims, EvaluationShape], Awaitable[BaseModel]]


def shortcuts() -> list[Shortcut]:
    """`POST /user/v1/access/evaluation` and `/explanation`, for an application's list of routes."""
    return [_shortcut("evaluation", routes.evaluate), _shortcut("explanation", routes.explain)]


def _shortcut(name: str, answer: Answer) -> Shortcut:
    async def respond(request: Request) -> Response:
        wired: Components = request.app.state.components
        sent = await request.body()
        body = _json(sent) if sent else None
        claims = await wired.authenticate(request)
        wired.note_activity(claims, wired.clock())
        if not sent:
            raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required"}])
        told = await answer(wired, claims, _question(body))
        return Response(told.model_dump_json(by_alias=True), media_type="application/json")

    return Shortcut("POST", f"{routes.PREFIX}/{name}", respond, _is_usual, is_quiet=True)


def _is_usual(scope: Scope) -> bool:
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return not scope["query_string"] and kinds == [b"application/json"]


def _question(body: object) -> EvaluationShape:
    try:
        return EvaluationShape.model_validate(body, from_attributes=True)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        fault = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error"}
        raise RequestValidationError([fault]) from None
    except (ValueError, RecursionError):  # not in UTF-8, a number of too many digits, too deep
        raise HTTPException(HTTPStatus.BAD_REQUEST) from None

"""The check, past what FastAPI does for every route: it is asked more often than all else, and costs half of it.

The route in `routes` stays what it is, the documented one, and answers whatever is asked in another way than usual:
with a moment, or with a body that is not called JSON. The order of refusals is FastAPI's: a body that is no JSON, a
caller who is not known, a question that is none.
"""

import json
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from orion_core.http.shortcut import Shortcut
from orion_user.components import Components
from orion_user.decisions import routes
from orion_user.decisions.shapes import EvaluationShape


def shortcut() -> Shortcut:
    """`POST /user/v1/access/evaluation`, for an application's list of routes."""
    return Shortcut(f"{routes.PREFIX}/evaluation", _evaluate, _is_usual)


def _is_usual(scope: Scope) -> bool:
    return not scope["query_string"] and (b"content-type", b"application/json") in scope["headers"]


async def _evaluate(request: Request) -> Response:
    wired: Components = request.app.state.components
    sent = await request.body()
    body = _json(sent) if sent else None
    claims = await wired.authenticate(request)
    wired.note_activity(claims, wired.clock())
    if not sent:
        raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required"}])
    try:
        asked = EvaluationShape.model_validate(body, from_attributes=True)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None
    decision = await routes.evaluate(wired, claims, asked)
    return Response(decision.model_dump_json(), media_type="application/json")


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        fault = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error"}
        raise RequestValidationError([fault]) from None
    except (UnicodeDecodeError, RecursionError):
        raise HTTPException(HTTPStatus.BAD_REQUEST) from None

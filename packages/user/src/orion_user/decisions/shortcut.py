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
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from orion_user.components import Components
from orion_user.decisions import routes
from orion_user.decisions.shapes import EvaluationShape


class Shortcut(BaseRoute):
    """`POST /user/v1/access/evaluation`, for an application's list of routes."""

    path = f"{routes.PREFIX}/evaluation"

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this is a check as almost all are."""
        is_usual = scope["type"] == "http" and scope["path"] == self.path and scope["method"] == "POST"
        if is_usual and not scope["query_string"] and (b"content-type", b"application/json") in scope["headers"]:
            return Match.FULL, {"route": self}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it as the route would."""
        request = Request(scope, receive)
        wired: Components = request.app.state.components
        try:
            sent = await request.body()
        except ClientDisconnect:  # nobody is there to read it
            raise HTTPException(HTTPStatus.BAD_REQUEST) from None
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
        answer = Response(decision.model_dump_json(), media_type="application/json")
        await answer(scope, receive, send)


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        fault = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error"}
        raise RequestValidationError([fault]) from None
    except (UnicodeDecodeError, RecursionError):
        raise HTTPException(HTTPStatus.BAD_REQUEST) from None

"""Checks and explanations past what FastAPI does for every route: they are asked more often than all else.

The routes in `routes` stay what they are, the documented ones, and answer whatever is asked in another way than usual:
with a moment, or with a body that is not called JSON. The order of refusals is FastAPI's: a body that is no JSON, a
caller who is not known, a question that is none.
"""

from collections.abc import Awaitable, Callable

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from orion_contracts.claims import AccessClaims
from orion_core.http.shortcut import Shortcut, is_plain_json, parse_json, validate
from orion_user.components import Components
from orion_user.decisions import routes
from orion_user.decisions.shapes import EvaluationShape

Answer = Callable[[Components, AccessClaims, EvaluationShape], Awaitable[BaseModel]]


def shortcuts() -> list[Shortcut]:
    """`POST /user/v1/access/evaluation` and `/explanation`."""
    return [_shortcut("evaluation", routes.evaluate), _shortcut("explanation", routes.explain)]


def _shortcut(name: str, answer: Answer) -> Shortcut:
    async def respond(request: Request) -> Response:
        wired: Components = request.app.state.components
        sent = await request.body()
        said = parse_json(sent)
        claims = await wired.authenticate(request)
        wired.note_activity(claims, wired.clock())
        told = await answer(wired, claims, validate(EvaluationShape, said, sent))
        return Response(told.model_dump_json(by_alias=True), media_type="application/json")

    return Shortcut("POST", f"{routes.PREFIX}/{name}", respond, is_plain_json, is_quiet=True)

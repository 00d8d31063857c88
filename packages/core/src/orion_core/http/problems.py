"""Every error answer of a service as problem details (RFC 9457)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from orion_core.database_faults import READ_ONLY, database_reason, sqlstate
from orion_core.errors import FieldError, Problem, unavailable
from orion_core.faults import code_and_sentence

MEDIA_TYPE = "application/problem+json"

MOST_ERRORS = 20
"""Errors told of one request. More help nobody, and a small body of unknown fields would make a huge answer."""

Handler = Callable[[Request, Exception], Awaitable[Response]]

log = structlog.get_logger()


def problem_response(problem: Problem, instance: str | None) -> Response:
    """The answer that a Problem becomes; `instance` is the request id."""
    return Response(
        orjson.dumps(problem.body(instance)), problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


class ProblemDuringBody(HTTPException):
    """A Problem found while the body is read, where FastAPI turns every other exception into a 400."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.status)
        self.problem = problem


def install(application: FastAPI) -> None:
    """Answer every error that can leave a route."""
    application.add_exception_handler(Problem, _problem)
    application.add_exception_handler(RequestValidationError, _validation)
    application.add_exception_handler(HTTPException, _http)
    application.add_exception_handler(ClientDisconnect, _broken_off)
    application.add_exception_handler(DBAPIError, _database)
    application.add_exception_handler(PoolTimeoutError, _database)
    application.add_exception_handler(ConnectionError, _database)


async def answer(request: Request, error: Exception) -> Response:
    """What a route of this application answers when it fails so; raises the error again when none is known for it."""
    handlers: Mapping[Any, Handler] = request.app.exception_handlers
    for kind in type(error).__mro__:
        if (handler := handlers.get(kind)) is not None:
            return await handler(request, error)
    raise error


def _answer(request: Request, problem: Problem) -> Response:
    return problem_response(problem, request.scope["orion.context"].request_id)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer(request, error)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    if (broken := next((fault for fault in faults if fault["type"] == "json_invalid"), None)) is not None:
        detail = f"The body is not valid JSON, from its character {broken['loc'][-1] + 1} on."
        return _answer(request, Problem(400, "invalid_json", "Invalid JSON", detail))
    if isinstance(error.body, bytes):
        detail = "The body is taken as JSON only: send it with Content-Type: application/json."
        return _answer(request, Problem(415, "unsupported_media_type", "Unsupported Media Type", detail))
    errors = [_field_error(fault, error.body) for fault in faults]
    detail = f"{len(errors)} field{'s are' if len(errors) > 1 else ' is'} wrong; see errors. Nothing was changed."
    errors = errors[:MOST_ERRORS]
    return _answer(request, Problem(422, "invalid_fields", "Invalid fields", detail, errors=errors))


def _field_error(fault: Mapping[str, Any], body: Any) -> FieldError:
    if tuple(fault["loc"]) == ("body",) and fault["type"] in NO_OBJECT:
        code, detail = NO_OBJECT[fault["type"]]
    else:
        code, detail = code_and_sentence(fault)
    return FieldError(field=_pointer(fault["loc"], body), code=code, detail=detail)


NO_OBJECT = {
    "missing": ("missing", "The body is missing: send JSON, with Content-Type: application/json."),
    "model_attributes_type": ("wrong_type", "The body must be a JSON object."),
    "model_type": ("wrong_type", "The body must be a JSON object."),
}
"""Of the whole body, which has no name."""

UNREADABLE = "The body cannot be read: it broke off, is not UTF-8, nests too deep, or has a number of too many digits."
"""Of what is no JSON by more than its grammar (FastAPI says 400 and no more)."""


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, ProblemDuringBody):
        return _answer(request, error.problem)
    status = HTTPStatus(error.status_code)
    headers: Mapping[str, str] = error.headers or {}
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {**headers, "Allow": _allowed(request)}
    detail = UNREADABLE if status is HTTPStatus.BAD_REQUEST else f"{status.description or status.phrase}."
    return _answer(request, Problem(status, status.name.lower(), status.phrase, detail, headers=headers))


async def _broken_off(request: Request, _: Exception) -> Response:
    """A body that did not come to its end. Nobody is there to read the answer, and nothing of ours has failed."""
    return await _http(request, HTTPException(HTTPStatus.BAD_REQUEST))


def _allowed(request: Request) -> str:
    """Every method that the resource has (RFC 9110 §15.5.6); Starlette names those of the first route only."""
    routes, words = request.app.router.routes, ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
    scopes = {word: {**request.scope, "method": word} for word in words}
    return ", ".join(word for word in words if any(route.matches(scopes[word])[0] is Match.FULL for route in routes))


async def _database(request: Request, error: Exception) -> Response:
    """A database that is away is no bug: say so, and that it will be back. Any other failure of a statement is one."""
    state = sqlstate(error)
    if state in UNSTORABLE_TEXT:
        detail = "Text must not contain NUL characters or lone surrogates."
        return _answer(request, Problem(400, "invalid_request", "Invalid request", detail))
    if (passing := PASSING.get(state)) is not None:
        if passing is not COLLISION:
            log.warning(passing[0].replace("_", ".", 1), reason=database_reason(error))
        return _answer(request, unavailable(*passing))
    if isinstance(error, DBAPIError) and not (error.connection_invalidated or state.startswith(CONNECTION_FAILURES)):
        raise error
    log.warning("database.unreachable", reason=database_reason(error))
    return _answer(request, unavailable("database_unreachable", "The database cannot be reached; try again.", 2))


CONNECTION_FAILURES = ("08", "28", "3D", "53", "57P", "58")
"""SQLSTATE classes: connection exception, sign-in refused, no such database, no resources, shutdown, system error."""

COLLISION = (
    "changed_at_once",
    "Somebody else was changing the same at the same moment. Nothing was changed; try again.",
    1,
)
BUSY = ("database_busy", "The database took too long over it, or it is locked. Nothing was changed; try again.", 5)
READS_ONLY = ("database_read_only", "The database takes no changes at present. Nothing was changed; try again.", 5)

PASSING = {
    "40001": COLLISION,
    "40P01": COLLISION,
    "55P03": BUSY,
    "57014": BUSY,
    READ_ONLY: READS_ONLY,
}
"""Serialization failure, deadlock (of two that collide PostgreSQL ends one: PostgreSQL 18, 13.3.4); a lock that was not
to be had, a statement beyond `statement_timeout`; a standby. Code, detail, and seconds until it may go well."""

UNSTORABLE_TEXT = ("22021", "22P05")
"""Character not in repertoire, untranslatable character. Shapes refuse these earlier; a form has no shape."""


def _pointer(location: Sequence[int | str], body: Any) -> str:
    """A JSON pointer into the body (RFC 6901), or the name of a parameter."""
    where, *rest = location
    if where == "body":
        return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in _own_steps(rest, body))
    return str(rest[-1] if rest else where)


def _own_steps(location: Sequence[int | str], body: Any) -> list[int | str]:
    """Without pydantic's own steps: `[key]` for the name of an entry, and which of several shapes was tried."""
    steps = list[int | str]()
    at: Any = body
    for number, step in enumerate(location, 1):
        if step == "[key]" or (number < len(location) and _lacks(at, step)):
            continue
        steps.append(step)
        try:
            at = at[step]
        except (LookupError, TypeError):  # nothing is there: it is missing, or the body is not at hand
            at = None
    return steps


def _lacks(value: Any, name: int | str) -> bool:
    """Whether it is an object without that name; what is missing is the last step of where it is missing."""
    return isinstance(value, dict) and name not in value

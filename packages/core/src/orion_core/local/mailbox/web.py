"""The mailbox over HTTP: sinks that stand in for providers, a JSON interface for tests, and the page for people.

POST /sms | /push | /slack | /discord | /webhook/{anything}
GET /messages?to=&channel=&after=&wait=   GET /messages/{id}   DELETE /messages   GET /
"""

from collections.abc import Mapping
from importlib.resources import files
from uuid import UUID

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from orion_core.local.mailbox.box import Box
from orion_core.local.mailbox.messages import Channel, Message, from_request
from orion_core.local.mailbox.page import Selection, render_page

BODY_LIMIT_BYTES = 4 * 1024 * 1024
WAIT_LIMIT_SECONDS = 30.0

# Nothing on the page comes from elsewhere, and nothing it shows runs: mails are written by strangers.
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A mail may style itself and show pictures it carries; its links open in a new tab. It runs nothing and loads nothing.
_MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'self'; form-action 'none'; frame-ancestors 'self'"
)
_SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
_SINKS = {channel.lower(): channel for channel in Channel if channel is not Channel.EMAIL}
_ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}


class Json(Response):
    """JSON by orjson."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return orjson.dumps(content)


def create_app(box: Box, hosts: list[str]) -> Starlette:
    """The application on `box`. It answers to `hosts` only, so no page elsewhere reads it by DNS rebinding."""
    app = Starlette(
        routes=[
            Route("/", _page, methods=["GET"]),
            Route("/assets/{name}", _asset, methods=["GET"]),
            Route("/livez", _alive, methods=["GET"]),
            Route("/readyz", _alive, methods=["GET"]),
            Route("/messages", _list, methods=["GET"]),
            Route("/messages", _clear, methods=["DELETE"]),
            Route("/messages/{id:uuid}", _one, methods=["GET"]),
            Route("/messages/{id:uuid}/html", _html, methods=["GET"]),
            Route("/messages/{id:uuid}/source", _source, methods=["GET"]),
            Route("/{channel}", _sink, methods=["POST"]),
            Route("/{channel}/{path:path}", _sink, methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)],
    )
    app.state.box = box
    return app


async def _page(request: Request) -> Response:
    selection = Selection.from_query(request.query_params)
    return HTMLResponse(
        render_page(list(_box(request)), selection), headers={"Content-Security-Policy": _PAGE_POLICY, **_SAFE_HEADERS}
    )


async def _asset(request: Request) -> Response:
    name: str = request.path_params["name"]
    if name not in _ASSETS:
        raise HTTPException(404)
    content = files("orion_core.local.mailbox").joinpath(name).read_bytes()
    return Response(content, media_type=_ASSETS[name], headers=_SAFE_HEADERS)


async def _alive(request: Request) -> Response:
    return Json({"status": "ok"})


async def _list(request: Request) -> Response:
    """Oldest first. With `wait`, answers as soon as one is there, or with none after that many seconds."""
    to = request.query_params.get("to")
    channel = _channel(request.query_params)
    after = _after(request.query_params)
    wait = _wait(request.query_params)
    box = _box(request)
    try:
        found = await box.wait_for(to, channel, after, timeout=wait) if wait else box.find(to, channel, after)
    except TimeoutError:
        found = []
    return Json({"messages": [message.as_json() for message in found]}, headers=_SAFE_HEADERS)


async def _clear(request: Request) -> Response:
    _box(request).clear()
    return Response(status_code=204)


async def _one(request: Request) -> Response:
    return Json(_message(request).as_json(), headers=_SAFE_HEADERS)


async def _html(request: Request) -> Response:
    # <base> sends links to a new tab, where the sandbox does not reach: they are there to be tried.
    document = '<base target="_blank">' + _message(request).html
    return HTMLResponse(document, headers={"Content-Security-Policy": _MAIL_POLICY, **_SAFE_HEADERS})


async def _source(request: Request) -> Response:
    return PlainTextResponse(_message(request).source, headers=_SAFE_HEADERS)


async def _sink(request: Request) -> Response:
    """Takes what a provider would have taken, and answers as a contented one does."""
    channel = _SINKS.get(request.path_params["channel"])
    if channel is None:
        raise HTTPException(404, f"There is no such sink; there are /{', /'.join(_SINKS)}.")
    path: str = request.path_params.get("path", "")
    message = from_request(channel, path, list(request.headers.items()), await _body(request))
    _box(request).add(message)
    # Each provider's way of saying so; what is not its own, it does not look at.
    return Json({"id": str(message.id), "status": "accepted", "ok": True, "ts": str(message.id)})


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise HTTPException(413, f"A message is at most {BODY_LIMIT_BYTES} bytes.")
    return bytes(body)


def _box(request: Request) -> Box:
    box: Box = request.app.state.box
    return box


def _message(request: Request) -> Message:
    message = _box(request).get(request.path_params["id"])
    if message is None:
        raise HTTPException(404, "The mailbox does not hold this message; it keeps the last 2,000.")
    return message


def _channel(query: Mapping[str, str]) -> Channel | None:
    name = query.get("channel", "").upper()
    try:
        return Channel(name) if name else None
    except ValueError:
        raise HTTPException(400, f"channel is one of {', '.join(Channel)}.") from None


def _after(query: Mapping[str, str]) -> UUID | None:
    try:
        return UUID(query["after"]) if query.get("after") else None
    except ValueError:
        raise HTTPException(400, "after is the id of a message.") from None


def _wait(query: Mapping[str, str]) -> float:
    try:
        return min(float(query.get("wait", 0)), WAIT_LIMIT_SECONDS)
    except ValueError:
        raise HTTPException(400, "wait is a number of seconds.") from None

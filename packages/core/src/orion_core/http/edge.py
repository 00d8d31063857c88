"""The outermost layer of an application: names the request, bounds it, guards its answer, and tells what it took."""

import asyncio
import re
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import structlog
from prometheus_client import Histogram
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orion_core import metrics
from orion_core.errors import Problem
from orion_core.http.context import (
    EXCHANGE,
    LONGEST_USER_AGENT,
    Exchange,
    Networks,
    RequestContext,
    client_address,
    request_id,
)
from orion_core.http.door import Door, enter_door
from orion_core.http.problems import ProblemDuringBody, problem_response
from orion_core.http.shortcut import Shortcut, WholeRequest
from orion_core.tracing import continue_trace

log = structlog.get_logger()

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
}
"""OWASP ASVS 5.0, chapter 3. A route that answers a page sets its own policy; these fill in what is not set."""

_SECURITY_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
"""As ASGI has them."""

QUIET_PATHS = ("/livez", "/readyz", "/metrics", "/events")
"""Ends of paths that are asked for all the time by machines: counted, not logged."""

LONGEST_CONTENT_LENGTH = 18
"""Digits that fit 64 bits."""

BODY_SECONDS = 15.0
"""How long a body may take to arrive. A server has so many connections, and who dawdles on all of them shuts it."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Any other word is counted as OTHER: who calls chooses the method, and must not choose how many series there are."""


@dataclass(frozen=True)
class LargeBody:
    """A route to which more may be sent than to others; it knows the caller before it reads, and reads as it comes."""

    method: str
    path: re.Pattern[str]
    limit: int
    """Bytes."""
    seconds: float
    """In which they arrive."""


class Edge:
    """ASGI around a whole service; what has a shortcut gets no further."""

    def __init__(
        self,
        application: ASGIApp,
        *,
        body_limit: int,
        trusted_proxies: Networks,
        expensive: Collection[tuple[str, str]] = (),
        shortcuts: Collection[Shortcut] = (),
        large_bodies: Sequence[LargeBody] = (),
    ) -> None:
        """`expensive` are method and path of routes that share one door with those that enter it by themselves."""
        self._application = application
        self._door = Door()
        self._expensive = frozenset(expensive)
        self._shortcuts = {(shortcut.method, shortcut.path): shortcut for shortcut in shortcuts}
        self._body_limit = body_limit
        self._large_bodies = large_bodies
        self._trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        asked = scope["method"], scope["path"]
        shortcut = self._shortcuts.get(asked)
        exchange = _Exchange(scope, receive, send, self._allowance(scope), self._trusted_proxies, self._door)
        answer: ASGIApp | None = exchange.refusal()
        try:
            if asked in self._expensive and answer is None:
                await exchange.wait_outside()
            if shortcut is not None and answer is None and shortcut.is_usual(scope):
                scope["route"] = shortcut
                answer = await shortcut.respond(WholeRequest(scope, exchange.receive))
            await (answer or self._application)(scope, exchange.receive, exchange.send)
        except Exception as error:
            await exchange.failed(error)
        finally:
            exchange.finish()

    def _allowance(self, scope: Scope) -> tuple[int, float]:
        """How many bytes the body may have, and how many seconds it may take."""
        for each in self._large_bodies:
            if each.method == scope["method"] and each.path.fullmatch(scope["path"]):
                return each.limit, each.seconds
        return self._body_limit, BODY_SECONDS


_READ = frozenset({b"content-length", b"traceparent", b"x-request-id", b"user-agent"})
"""Headers that the edge itself reads, beside X-Forwarded-For."""


def _told_of_itself(scope: Scope) -> tuple[dict[bytes, str], list[str]]:
    """Those headers, of each the first, and all lines of X-Forwarded-For."""
    found, forwarded_for = dict[bytes, str](), list[str]()
    for name, value in scope["headers"]:
        if name in _READ and name not in found:
            found[name] = value.decode("latin-1")
        elif name == b"x-forwarded-for":
            forwarded_for.append(value.decode("latin-1"))
    return found, forwarded_for


class TurnedAway:
    """How many of a crowd are told of in the logs: a line for each would be a flood of its own."""

    def __init__(self) -> None:
        self._second: int = 0
        self._untold: int = 0

    def of_this(self, now: float) -> int | None:
        """How many there were that no line tells of, this one among them; None when none is to tell of this one."""
        self._untold += 1
        second = int(now)
        if second == self._second:
            return None
        untold = self._untold
        self._second, self._untold = second, 0
        return untold


_turned_away = TurnedAway()


@lru_cache(2048)
def _times(method: str, route: str, status: int) -> Histogram:
    """Where such requests are counted; to look that up each time takes longer than to count."""
    return metrics.REQUESTS.labels(method, route, str(status))


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, allowance: tuple[int, float], trusted: Networks, door: Door
    ) -> None:
        headers, forwarded_for = _told_of_itself(scope)
        peer = scope["client"][0] if scope.get("client") else ""
        self._scope = scope
        self._receive = receive
        self._send = send
        self._body_limit, self._body_seconds = allowance
        self._received = 0
        self._in_hand: deque[Message] = deque()
        self._body_until = asyncio.get_running_loop().time() + self._body_seconds
        self._body_ended = False
        self._status = 0
        self._declared = headers.get(b"content-length", "0")
        self._started = time.perf_counter()
        self._traceparent = continue_trace(headers.get(b"traceparent"))
        self._context = RequestContext(
            request_id=request_id(headers.get(b"x-request-id")),
            ip_address=client_address(peer, forwarded_for, trusted),
            user_agent=headers.get(b"user-agent", "")[:LONGEST_USER_AGENT].replace("\0", "") or None,
            method=scope["method"],
        )
        scope["orion.context"] = self._context
        self._exchange = Exchange(self._context, door=door)
        EXCHANGE.set(self._exchange)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=self._context.request_id, trace=self._traceparent[3:35])

    def refusal(self) -> Response | None:
        """An answer to a request that no route should see."""
        if not self._declared.isdecimal():
            return self._problem(Problem(400, "invalid_request", "Invalid request", "Content-Length is not a number."))
        if len(self._declared) > LONGEST_CONTENT_LENGTH or int(self._declared) > self._body_limit:
            return self._problem(self._too_large())
        query = self._scope["query_string"]
        if "\0" in self._scope["path"] or b"%00" in query or b"\0" in query:
            return self._problem(Problem(400, "invalid_request", "Invalid request", "The URL contains a NUL byte."))
        return None

    async def failed(self, error: Exception) -> None:
        """500 without a word of what went wrong: that is in the logs, under the request id.

        An answer that has begun cannot be taken back; then the error goes on to the server, which cuts the connection.
        """
        if isinstance(error, ProblemDuringBody):
            problem = error.problem
        else:
            log.error("request.failed", route=self._route(), exc_info=error)
            detail = (
                "Something failed on our side; nothing you sent is wrong. Quote the instance when you ask for help."
            )
            problem = Problem(500, "internal_error", "Internal error", detail)
        if self._status:
            raise error
        await self._problem(problem)(self._scope, self.receive, self.send)

    async def wait_outside(self) -> None:
        """Take the whole body and wait for a place: until there is one, the request costs next to nothing."""
        while not self._body_ended:
            self._in_hand.append(await self._next())
        if self._in_hand[-1]["type"] == "http.disconnect":
            return
        try:
            await enter_door(is_preferred=False)
        except Problem as problem:
            raise ProblemDuringBody(problem) from None

    async def receive(self) -> Message:
        """Hand on the body."""
        return self._in_hand.popleft() if self._in_hand else await self._next()

    async def _next(self) -> Message:
        """The next part, counting and by the clock. What comes after the body, the end of the connection, has time."""
        try:
            async with asyncio.timeout_at(None if self._body_ended else self._body_until):
                message = await self._receive()
        except TimeoutError:
            raise ProblemDuringBody(self._too_slow()) from None
        self._body_ended = not message.get("more_body", False)
        self._received += len(message.get("body", b""))
        if self._received > self._body_limit:
            raise ProblemDuringBody(self._too_large())
        return message

    async def send(self, message: Message) -> None:
        """Hand on the answer, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            own = {b"x-request-id": self._context.request_id.encode(), b"traceparent": self._traceparent.encode()}
            headers = [header for header in message["headers"] if header[0] not in own]
            set_before = {name for name, _ in headers}
            headers += own.items()
            headers += [header for header in _SECURITY_HEADERS if header[0] not in set_before]
            message["headers"] = headers
        await self._send(message)

    def finish(self) -> None:
        """Leave the door to others, count and log."""
        if self._exchange.place is not None:
            self._exchange.place.leave()
        seconds = time.perf_counter() - self._started
        method = self._scope["method"] if self._scope["method"] in METHODS else "OTHER"
        _times(method, self._route(), self._status).observe(seconds)
        if self._is_quiet():
            return
        more = {}
        if self._status == HTTPStatus.SERVICE_UNAVAILABLE:
            requests = _turned_away.of_this(time.monotonic())
            if requests is None:
                return
            more = {"requests": requests}
        log.info(
            "request",
            method=method,
            route=self._route(),
            status_code=self._status,
            milliseconds=round(seconds * 1000, 2),
            ip=str(self._context.ip_address),
            **more,
        )

    def _is_quiet(self) -> bool:
        if self._scope["path"].endswith(QUIET_PATHS):
            return True
        return self._status < HTTPStatus.BAD_REQUEST and getattr(self._scope.get("route"), "is_quiet", False)

    def _route(self) -> str:
        """The pattern of the path, never the path itself: a link in a mail has its secret there."""
        # Where routers are included into one another, the route itself knows only the last part of the path.
        route: Any = self._scope.get("fastapi", {}).get("effective_route_context") or self._scope.get("route")
        return getattr(route, "path", "unmatched")

    def _too_large(self) -> Problem:
        """413, and the connection is closed rather than read to its end."""
        detail = f"The body is larger than {self._body_limit} bytes; send less."
        return Problem(413, "body_too_large", "Body too large", detail, headers={"Connection": "close"})

    def _too_slow(self) -> Problem:
        """408 (RFC 9110 §15.5.9): whoever wants to may send it again, on another connection."""
        detail = f"The body did not arrive within {self._body_seconds:.0f} seconds."
        return Problem(408, "body_too_slow", "Body too slow", detail, headers={"Connection": "close"})

    def _problem(self, problem: Problem) -> Response:
        return problem_response(problem, self._context.request_id)

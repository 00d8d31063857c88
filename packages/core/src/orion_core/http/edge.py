"""The outermost layer of an application: names the request, bounds it, guards its answer, and tells what it took."""

import time
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orion_core import metrics
from orion_core.errors import Problem
from orion_core.http.context import LONGEST_USER_AGENT, Networks, RequestContext, client_address, request_id
from orion_core.http.problems import problem_response
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

QUIET_PATHS = ("/livez", "/readyz", "/metrics")


class BodyTooLargeError(Exception):
    """More bytes arrived than the limit allows."""


class Edge:
    """ASGI middleware around a whole service."""

    def __init__(self, application: ASGIApp, *, body_limit: int, trusted_proxies: Networks) -> None:
        self._application = application
        self._body_limit = body_limit
        self._trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._body_limit, self._trusted_proxies)
        refusal = exchange.refusal()
        try:
            await (refusal or self._application)(scope, exchange.receive, exchange.send)
        except BodyTooLargeError:
            await exchange.too_large()(scope, exchange.receive, exchange.send)
        except Exception:
            log.exception("request.failed", path=scope["path"])
            await exchange.failed()
        finally:
            exchange.finish()


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, body_limit: int, trusted: Networks) -> None:
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope.get("client") else ""
        self._scope = scope
        self._receive = receive
        self._send = send
        self._body_limit = body_limit
        self._received = 0
        self._status = 0
        self._declared = headers.get("content-length", "0")
        self._started = time.perf_counter()
        self._traceparent = continue_trace(headers.get("traceparent"))
        self._context = RequestContext(
            request_id=request_id(headers.get("x-request-id")),
            ip_address=client_address(peer, headers.getlist("x-forwarded-for"), trusted),
            user_agent=headers.get("user-agent", "")[:LONGEST_USER_AGENT].replace("\0", "") or None,
        )
        scope["orion.context"] = self._context
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=self._context.request_id, trace=self._traceparent[3:35])

    def refusal(self) -> Response | None:
        """An answer to a request that no route should see."""
        if not self._declared.isdigit():
            return self._problem(Problem(400, "invalid_request", "Invalid request", "Content-Length is not a number."))
        if int(self._declared) > self._body_limit:
            return self.too_large()
        if b"%00" in self._scope.get("raw_path", b"") or b"%00" in self._scope["query_string"]:
            return self._problem(Problem(400, "invalid_request", "Invalid request", "The URL contains a NUL byte."))
        return None

    def too_large(self) -> Response:
        """413, and the connection is closed rather than read to its end."""
        detail = f"The body is larger than {self._body_limit} bytes; send less."
        problem = Problem(413, "body_too_large", "Body too large", detail, headers={"Connection": "close"})
        return self._problem(problem)

    async def failed(self) -> None:
        """500 without a word of what went wrong: that is in the logs, under the request id."""
        if not self._status:
            detail = (
                "Something failed on our side; nothing you sent is wrong. Quote the instance when you ask for help."
            )
            answer = self._problem(Problem(500, "internal_error", "Internal error", detail))
            await answer(self._scope, self.receive, self.send)

    async def receive(self) -> Message:
        """Hand on the body, counting."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            if self._received > self._body_limit:
                raise BodyTooLargeError
        return message

    async def send(self, message: Message) -> None:
        """Hand on the answer, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._context.request_id
            headers["traceparent"] = self._traceparent
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    def finish(self) -> None:
        """Count and log."""
        seconds = time.perf_counter() - self._started
        route: Any = self._scope.get("route")
        path = getattr(route, "path", "unmatched")
        metrics.REQUESTS.labels(self._scope["method"], path, str(self._status)).observe(seconds)
        if self._scope["path"] not in QUIET_PATHS:
            log.info(
                "request",
                method=self._scope["method"],
                route=path,
                status_code=self._status,
                milliseconds=round(seconds * 1000, 2),
                ip=str(self._context.ip_address),
            )

    def _problem(self, problem: Problem) -> Response:
        return problem_response(problem, self._context.request_id)

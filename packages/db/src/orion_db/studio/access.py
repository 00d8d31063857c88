"""Who may see the browser: whoever has the link that was printed, once, from the machine itself.

The link's token is exchanged for a cookie and is worth nothing afterwards. The Host header must name this machine, so
that a page on the Internet cannot reach the browser through a name that it lets point here (DNS rebinding). A page of
another program on this machine shares our cookies, which know no ports; the browser says that it comes from elsewhere
(Sec-Fetch-Site), and it is refused.
"""

import hmac
import secrets
from http.cookies import SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "orion_studio"

_GUARDS = {
    # Nothing that stands in a row may fetch from, or tell, anybody outside; no page may show ours in a frame.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class OneTimeAccess:
    """ASGI middleware that lets nobody in but the one who came by the link."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        self._token: str | None = secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)

    def link(self, port: int) -> str:
        """The address that opens the browser, once."""
        return f"http://127.0.0.1:{port}/?token={self._token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the life of the application itself
            await self._application(scope, receive, send)
            return
        headers, send = Headers(scope=scope), _guarded(send)
        if headers.get("host", "").rpartition(":")[0] not in ("127.0.0.1", "localhost"):
            await PlainTextResponse("This is reached as 127.0.0.1 only.", 421)(scope, receive, send)
        elif headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            await PlainTextResponse("Another page may not ask for this one.", 403)(scope, receive, send)
        elif self._is_known(headers):
            await self._application(scope, receive, send)
        elif self._takes(parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]):
            await self._welcome()(scope, receive, send)
        else:
            words = "The link that `orion db studio` printed opens this, once. Start it again for a new one."
            await PlainTextResponse(words, 401)(scope, receive, send)

    def _is_known(self, headers: Headers) -> bool:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        return morsel is not None and hmac.compare_digest(morsel.value.encode(), self._session.encode())

    def _takes(self, token: str) -> bool:
        if self._token is None or not hmac.compare_digest(token.encode(), self._token.encode()):
            return False
        self._token = None
        return True

    def _welcome(self) -> RedirectResponse:
        response = RedirectResponse("/", 303)
        response.set_cookie(COOKIE, self._session, httponly=True, samesite="strict", path="/")
        return response


def _guarded(send: Send) -> Send:
    """The same, with our headers on every answer."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_GUARDS)
        await send(message)

    return guarded

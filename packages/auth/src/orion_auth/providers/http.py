"""HTTP to providers: to public addresses only, within a time and a size, following nobody elsewhere.

How an address that leads inside is kept from being asked stands in `orion_core.outbound`.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit
from weakref import WeakValueDictionary

import httpcore

from orion_auth.providers.rules import ProviderError, url_fault
from orion_core.outbound import ForbiddenAddressError, GuardedNetwork, trusting_the_system

LARGEST_ANSWER = 262_144
"""Bytes. Key sets and discovery documents of large providers take 20 KiB."""

MOST_CONNECTIONS = 50
MOST_OF_ONE = 10
"""Requests to one host at a time, so that a provider that takes its time does not take the others' connections too."""

CONNECT_SECONDS = 3.0
"""For all addresses of a host together: where the first says nothing, the next is tried while somebody still waits."""

USER_AGENT = "orion-auth"
JSON_TYPES = ("application/json", "application/jwk-set+json")


@dataclass(frozen=True)
class Answer:
    """What a provider answered, read to its end."""

    status: int
    content_type: str
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON; ProviderError when it is none."""
        if self.content_type not in JSON_TYPES and not self.content_type.endswith("+json"):
            raise ProviderError("NOT_JSON", f"the answer is {self.content_type or 'of no type'}, not JSON")
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise ProviderError("NOT_JSON", "the answer is not valid JSON") from None

    def object(self) -> dict[str, Any]:
        """The body as a JSON object."""
        value = self.json()
        if not isinstance(value, dict):
            raise ProviderError("NOT_JSON", "the answer is not a JSON object")
        return value  # pyright: ignore[reportUnknownVariableType]


class ProviderHttp:
    """A pool of connections to providers. `local` also lets it reach loopback and private networks."""

    def __init__(self, *, local: bool, seconds: float) -> None:
        self.local = local
        self._seconds = seconds
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._extensions = {"timeout": {"connect": min(CONNECT_SECONDS, seconds)}}
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trusting_the_system(),
            max_connections=MOST_CONNECTIONS,
            max_keepalive_connections=10,
            keepalive_expiry=30,
            network_backend=GuardedNetwork(local=local),
        )

    async def get(self, url: str, *, bearer: str | None = None) -> Answer:
        """GET; with an access token as the bearer of it."""
        headers = {"Authorization": f"Bearer {bearer}"} if bearer is not None else {}
        return await self._send("GET", url, headers, b"")

    async def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """POST a form."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._send("POST", url, {**headers, **kind}, urlencode(form).encode())

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def _send(self, method: str, url: str, headers: dict[str, str], content: bytes) -> Answer:
        if fault := url_fault(url, local=self.local):
            raise ProviderError("FORBIDDEN_URL", f"an endpoint of the provider is not used: {fault}")
        common = {"Accept": "application/json", "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        try:
            async with asyncio.timeout(self._seconds), self._turn(url):
                return await self._exchange(method, url, [*(common | headers).items()], content)
        except TimeoutError:
            raise ProviderError("TOO_SLOW", f"no whole answer within {self._seconds:g} seconds") from None
        except ForbiddenAddressError:
            raise ProviderError(
                "FORBIDDEN_ADDRESS", "the host of an endpoint has an address that is not public"
            ) from None
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError, ValueError) as error:
            raise ProviderError("UNREACHABLE", f"no answer ({type(error).__name__})") from error

    def _turn(self, url: str) -> asyncio.Semaphore:
        """Those who ask the same host wait for each other; nothing is kept of hosts that nobody asks."""
        return self._turns.setdefault(urlsplit(url).netloc.lower(), asyncio.Semaphore(MOST_OF_ONE))

    async def _exchange(
        self, method: str, url: str, headers: list[tuple[str | bytes, str | bytes]], content: bytes
    ) -> Answer:
        sending = self._pool.stream(method, url, headers=headers, content=content, extensions=self._extensions)
        async with sending as response:
            body = bytearray()
            async for part in response.aiter_stream():
                body += part
                if len(body) > LARGEST_ANSWER:
                    raise ProviderError("TOO_LARGE", f"the answer is larger than {LARGEST_ANSWER} bytes")
            kinds = [value for name, value in response.headers if name.lower() == b"content-type"]
            kind = kinds[0].decode("latin-1").partition(";")[0].strip().lower() if kinds else ""
            if 300 <= response.status < 400:
                raise ProviderError("REDIRECTED", "the provider's answer leads elsewhere, which is not followed")
            return Answer(response.status, kind, bytes(body))

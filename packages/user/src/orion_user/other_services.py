"""auth and notifications, as far as user asks them about a person."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx
import orjson

from orion_core.clock import Clock
from orion_core.errors import unavailable
from orion_core.http.authentication import IMPORTS, PERSONAL_DATA
from orion_core.service_token import ServiceTokens, Signing

TIMEOUT = httpx.Timeout(5.0, read=30.0)


@dataclass(frozen=True)
class TakenIn:
    """What auth has made of somebody who was brought over."""

    outcome: str
    user_id: str | None
    email: str | None
    reason: str | None


class OtherServices:
    """The other two, at their addresses, with tokens got for user's service key."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        auth_url: str,
        notifications_url: str,
        key: str | Signing,
        clock: Clock,
        *,
        bound: bool = False,
    ) -> None:
        self._http = http
        self._addresses = {
            "auth": f"{auth_url}/auth/v1/users",
            "notifications": f"{notifications_url}/notifications/v1/users",
        }
        self._imports = f"{auth_url}/auth/v1/identity-imports"
        self._import_tokens = ServiceTokens(http, auth_url, "user", key, clock, scope=IMPORTS, bound=bound)
        self._tokens = {
            name: ServiceTokens(http, auth_url, "user", key, clock, audience=name, scope=PERSONAL_DATA, bound=bound)
            for name in self._addresses
        }

    async def known_of(self, name: str, user_id: UUID) -> AsyncGenerator[bytes]:
        """What `auth` or `notifications` knows of a person, as JSON, in pieces.

        A 503 Problem when it does not answer, or not to the end: half an archive is none.
        """
        url = f"{self._addresses[name]}/{user_id}/personal-data"
        try:
            headers = await self._tokens[name].headers("GET", url)
            async with self._http.stream("GET", url, headers=headers, timeout=TIMEOUT) as answer:
                async for piece in answer.raise_for_status().aiter_bytes():
                    yield piece
        except httpx.HTTPError:
            self._tokens[name].forget()
            detail = f"What {name} knows cannot be had just now, and an archive without it would not be whole."
            raise unavailable("archive_incomplete", detail, 10) from None

    async def take_in(self, import_id: UUID, identities: Sequence[dict[str, Any]]) -> list[TakenIn]:
        """Have auth take in users; what became of each. A 503 Problem when it does not answer: send them again."""
        if not identities:
            return []
        body = orjson.dumps({"import_id": str(import_id), "identities": list(identities)})
        try:
            headers = await self._import_tokens.headers("POST", self._imports) | {"Content-Type": "application/json"}
            answer = await self._http.post(self._imports, content=body, headers=headers, timeout=TIMEOUT)
            if answer.status_code == HTTPStatus.UNAUTHORIZED:
                self._import_tokens.forget()
            return [TakenIn(**each) for each in orjson.loads(answer.raise_for_status().content)]
        except httpx.HTTPError:
            detail = "auth does not take anybody in just now. Send the same lines again."
            raise unavailable("auth_unreachable", detail, 5) from None

"""Tokens with which a service calls another: got from auth for a service key, kept until shortly before they end."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

import httpx

from orion_core.access_tokens import audience_of
from orion_core.clock import Clock
from orion_core.proof_key import ProofKey
from orion_core.signatures import Algorithm, encode, private_key

EARLY = timedelta(seconds=30)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE = timedelta(minutes=1)


class Signing:
    """A service's own key, by which it says who it is (private_key_jwt, RFC 7523)."""

    def __init__(self, jwk: Mapping[str, Any], issuer: str) -> None:
        """`jwk` is private and says its `alg`; `issuer` is auth's, for which alone what is signed is good."""
        self._algorithm: Algorithm = jwk["alg"]
        self._key = private_key(jwk, self._algorithm)
        self._issuer = issuer

    def assertion(self, client_id: str, now: datetime) -> dict[str, str]:
        """The parameters that say who asks, good for one request."""
        expires = int((now + ASSERTION_LIFE).timestamp())
        claims = {"iss": client_id, "sub": client_id, "aud": self._issuer, "exp": expires, "jti": str(uuid4())}
        header = {"alg": self._algorithm, "typ": "JWT"}
        signed = ".".join(encode(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        text = f"{signed}.{encode(self._key.sign(signed.encode()))}"
        return {"client_id": client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": text}


class Tokens(Protocol):
    """Where a service gets the tokens from that it shows to another one."""

    async def headers(self, method: str, url: str) -> dict[str, str]:
        """What a request to `url`, without its query, is sent with; may fail in any way."""
        ...

    def forget(self) -> None:
        """The last one was refused."""
        ...


class ServiceTokens:
    """Access tokens of the service called `client_id`, by the client credentials grant (RFC 6749 §4.4).

    They are for the service called `audience`, and for nothing but `scope`. With `bound` they are good only together
    with a key of this process (RFC 9449).
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        auth_url: str,
        client_id: str,
        key: str | Signing,
        clock: Clock,
        audience: str = "auth",
        scope: str = "events:read",
        *,
        bound: bool = False,
    ) -> None:
        """`key` is what is shown to auth, or by what is signed instead (RFC 7523)."""
        self._http = http
        self._url = f"{auth_url}/auth/oauth2/token"
        self._client_id = client_id
        self._key = key
        self._clock = clock
        self._proofs = ProofKey(clock) if bound else None
        self._wanted = {"scope": scope, "resource": audience_of(audience)}
        self._token = ""
        self._expires_at: datetime | None = None
        self._fetching = asyncio.Lock()

    async def headers(self, method: str, url: str) -> dict[str, str]:
        """What a request to `url`, without its query, is sent with; raises httpx.HTTPError when auth gives no token."""
        token = await self.get()
        return (
            {"Authorization": f"Bearer {token}"} if self._proofs is None else self._proofs.headers(method, url, token)
        )

    async def get(self) -> str:
        """A token that is good for half a minute at least; raises httpx.HTTPError when auth gives none."""
        async with self._fetching:
            if self._expires_at is None or self._clock() >= self._expires_at - EARLY:
                await self._fetch()
            return self._token

    def forget(self) -> None:
        """Fetch a new token next time: this one was refused."""
        self._expires_at = None

    async def _fetch(self) -> None:
        asked_at = self._clock()
        form = {"grant_type": "client_credentials", **self._wanted}
        headers = {} if self._proofs is None else {"DPoP": self._proofs.proof("POST", self._url)}
        if isinstance(self._key, Signing):
            form |= self._key.assertion(self._client_id, asked_at)
            answer = await self._http.post(self._url, data=form, headers=headers)
        else:
            credentials = httpx.BasicAuth(self._client_id, self._key)
            answer = await self._http.post(self._url, data=form, auth=credentials, headers=headers)
        answer.raise_for_status()
        grant = answer.json()
        self._token = grant["access_token"]
        self._expires_at = asked_at + timedelta(seconds=grant["expires_in"])

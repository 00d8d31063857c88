"""Where every token must be bound to a key: services take no others, and show each other none."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest
from starlette.requests import Request

from orion_contracts.claims import AccessClaims, Confirmation
from orion_core.dpop import ProofReader
from orion_core.errors import Problem
from orion_core.http.authentication import Authenticator
from orion_core.service_token import ServiceTokens

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
URL = "http://auth.test/auth/v1/events"


class Verified:
    """Takes every token for the same one, and refuses none."""

    def __init__(self, jkt: str | None) -> None:
        cnf = Confirmation(jkt=jkt) if jkt is not None else None
        self.claims = AccessClaims(
            iss="i", aud="orion", sub="user", client_id="user", exp=2**31, iat=0, jti="1", scope="events:read", cnf=cnf
        )

    async def verify(self, _: str) -> AccessClaims:
        return self.claims

    async def check(self, _: AccessClaims) -> None:
        return


def authenticator(jkt: str | None, *, bound_only: bool) -> Authenticator:
    verified = Verified(jkt)
    proofs = ProofReader()
    return Authenticator(verified, verified, proofs, lambda: NOW, bound_only=bound_only)  # pyright: ignore[reportArgumentType] - as much of a verifier as is asked


def request(headers: dict[str, str]) -> Request:
    raw = [(name.lower().encode(), value.encode()) for name, value in {"Host": "auth.test", **headers}.items()]
    path = "/auth/v1/events"
    return Request({"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": raw})


async def test_where_all_tokens_are_bound_no_other_is_taken() -> None:
    bearer = request({"Authorization": "Bearer t"})
    assert (await authenticator(None, bound_only=False)(bearer)).sub == "user"
    with pytest.raises(Problem, match="bound to a key") as refused:
        await authenticator(None, bound_only=True)(bearer)
    assert refused.value.status == 401


async def test_what_services_show_each_other_is_bound_to_a_key_of_their_process() -> None:
    asked: list[httpx.Request] = []

    async def answer(sent: httpx.Request) -> httpx.Response:
        asked.append(sent)
        await asyncio.sleep(0)
        return httpx.Response(200, json={"access_token": "t", "token_type": "DPoP", "expires_in": 600})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        tokens = ServiceTokens(http, "http://auth.test", "user", "key", lambda: NOW, bound=True)
        headers = await tokens.headers("GET", URL)
        shown = request(headers)
        reader = ProofReader()
        jkt = reader.read(shown, NOW, "t").jkt
        assert (await authenticator(jkt, bound_only=True)(request(await tokens.headers("GET", URL)))).sub == "user"
        assert len(asked) == 1
        assert asked[0].headers["dpop"] != headers["DPoP"]
        unbound = ServiceTokens(http, "http://auth.test", "user", "key", lambda: NOW)
        assert await unbound.headers("GET", URL) == {"Authorization": "Bearer t"}

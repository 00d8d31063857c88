"""Where every token must be bound to a key (ORION_DPOP_REQUIRED=all; OWASP ASVS 5.0, 10.4.14)."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from packages.auth.tests.conftest import running
from packages.auth.tests.dpop.test_dpop import CURRENT, SESSIONS, TOKEN, ask, proved, refresh, sign_in

from orion_core.testing import MovableClock, TestDatabase
from orion_core.testing.proofs import ProofKey

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

CLIENT = {"grant_type": "client_credentials"}


@pytest.fixture
async def strict(
    make_seeded_database: Callable[[str], Awaitable[TestDatabase]], clock: MovableClock
) -> AsyncGenerator["Auth"]:
    async with running(await make_seeded_database("auth"), clock, ORION_DPOP_REQUIRED="all") as auth:
        yield auth


async def test_where_all_tokens_are_bound_nobody_gets_another(strict: "Auth") -> None:
    await strict.verified()
    before = await strict.counts()
    body = {"email": "ada@example.com", "password": strict.password}
    service = ("user", strict.service_key)
    answers = [
        await strict.http.post(SESSIONS, json=body),
        await strict.http.post("/auth/v1/email-code-sessions", json={"sign_in": "x", "code": "1"}),
        await strict.http.post("/auth/v1/challenges/answers", json={"challenge": "x", "method": "TOTP", "code": "1"}),
        await strict.http.post("/auth/v1/passkey-sessions", json={}),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(400, "invalid_dpop_proof")}
    refused = await strict.http.post(TOKEN, data=CLIENT, auth=service)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")
    assert await strict.counts() == before
    key = ProofKey(strict.clock)
    session = await sign_in(strict, key)
    assert session["token_type"] == "DPoP"
    assert (await ask(strict, key, session["access_token"])).status_code == 200
    assert (await refresh(strict, session["refresh_token"], {})).json()["error"] == "invalid_dpop_proof"
    assert (await refresh(strict, session["refresh_token"], proved(key, TOKEN))).json()["token_type"] == "DPoP"
    granted = await strict.http.post(TOKEN, data=CLIENT, auth=service, headers=proved(key, TOKEN))
    assert granted.json()["token_type"] == "DPoP"


async def test_a_session_from_before_is_bound_by_its_next_refresh_and_its_old_tokens_are_worth_nothing(
    auth: "Auth",
) -> None:
    await auth.verified()
    session = await sign_in(auth, None)
    async with running(auth.database, auth.clock, ORION_DPOP_REQUIRED="all") as strict:
        refused = await strict.http.get(CURRENT, headers=auth.as_bearer(session["access_token"]))
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
        key = ProofKey(auth.clock)
        refreshed = (await refresh(strict, session["refresh_token"], proved(key, TOKEN))).json()
        assert (await ask(strict, key, refreshed["access_token"])).status_code == 200

"""Tokens that are bound to a key: worth nothing to whoever has copied them, at every step (RFC 9449)."""

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

from orion_auth.tokens.rules import GRACE
from orion_core.testing.proofs import ProofKey

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

BASE = "http://auth.test"
SESSIONS, TOKEN, CURRENT = "/auth/v1/sessions", "/auth/oauth2/token", "/auth/v1/sessions/current"


def proved(key: ProofKey, path: str, method: str = "POST", **changes: Any) -> dict[str, str]:
    return {"DPoP": key.proof(method, BASE + path, **changes)}


async def sign_in(auth: "Auth", key: ProofKey | None) -> dict[str, Any]:
    body = {"email": "ada@example.com", "password": auth.password}
    answer = await auth.http.post(SESSIONS, json=body, headers=proved(key, SESSIONS) if key else {})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def refresh(auth: "Auth", token: str, headers: dict[str, str]) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return await auth.http.post(TOKEN, data=form, headers=headers)


async def ask(auth: "Auth", key: ProofKey, token: str, path: str = CURRENT, method: str = "GET") -> httpx.Response:
    return await auth.http.request(method, path, headers=key.headers(method, BASE + path, token))


async def test_a_session_begun_with_a_proof_is_bound_to_its_key(auth: "Auth") -> None:
    await auth.verified()
    key = ProofKey(auth.clock)
    session = await sign_in(auth, key)
    assert session["token_type"] == "DPoP"
    assert (await ask(auth, key, session["access_token"])).status_code == 200
    refreshed = (await refresh(auth, session["refresh_token"], proved(key, TOKEN))).json()
    assert refreshed["token_type"] == "DPoP"
    assert (await ask(auth, key, refreshed["access_token"])).status_code == 200


async def test_as_bearer_a_bound_token_is_refused(auth: "Auth") -> None:
    await auth.verified()
    session = await sign_in(auth, ProofKey(auth.clock))
    refused = await auth.http.get(CURRENT, headers=auth.as_bearer(session["access_token"]))
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert refused.headers["WWW-Authenticate"] == 'DPoP algs="ES256 EdDSA RS256", error="invalid_token"'


async def test_with_another_key_or_none_a_bound_token_is_refused(auth: "Auth") -> None:
    await auth.verified()
    key, thief = ProofKey(auth.clock), ProofKey(auth.clock)
    token = (await sign_in(auth, key))["access_token"]
    for headers in (
        thief.headers("GET", BASE + CURRENT, token),
        {"Authorization": f"DPoP {token}"},
        key.headers("DELETE", BASE + CURRENT, token),
        key.headers("GET", BASE + SESSIONS, token),
        {"Authorization": f"DPoP {token}", "DPoP": key.proof("GET", BASE + CURRENT)},
        {"Authorization": f"DPoP {token}", "DPoP": key.proof("GET", BASE + CURRENT, token + "x")},
    ):
        refused = await auth.http.get(CURRENT, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_dpop_proof")
        assert refused.headers["WWW-Authenticate"].endswith('error="invalid_dpop_proof"')


async def test_a_proof_shown_again_is_refused(auth: "Auth") -> None:
    await auth.verified()
    key = ProofKey(auth.clock)
    token = (await sign_in(auth, key))["access_token"]
    headers = key.headers("GET", BASE + CURRENT, token)
    assert [(await auth.http.get(CURRENT, headers=headers)).status_code for _ in range(2)] == [200, 401]


async def test_an_unbound_token_is_none_for_dpop(auth: "Auth") -> None:
    await auth.verified()
    session = await sign_in(auth, None)
    assert session["token_type"] == "Bearer"
    assert (await ask(auth, ProofKey(auth.clock), session["access_token"])).json()["code"] == "invalid_token"


async def test_a_stolen_refresh_token_gets_nothing_without_the_key(auth: "Auth") -> None:
    await auth.verified()
    key, thief = ProofKey(auth.clock), ProofKey(auth.clock)
    token = (await sign_in(auth, key))["refresh_token"]
    for headers in ({}, proved(thief, TOKEN)):
        refused = await refresh(auth, token, headers)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert (await refresh(auth, token, proved(key, TOKEN))).status_code == 200


async def test_a_bad_proof_is_told_in_the_words_of_each_endpoint(auth: "Auth") -> None:
    await auth.verified()
    key = ProofKey(auth.clock)
    token = (await sign_in(auth, key))["refresh_token"]
    refused = await refresh(auth, token, proved(key, "/elsewhere"))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")
    body = {"email": "ada@example.com", "password": auth.password}
    before = await auth.counts()
    refused = await auth.http.post(SESSIONS, json=body, headers=proved(key, "/elsewhere"))
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_dpop_proof")
    assert await auth.counts() == before


async def test_a_proof_gets_tokens_once_whichever_process_it_is_shown_to(auth: "Auth", another_auth: "Auth") -> None:
    await auth.verified()
    key = ProofKey(auth.clock)
    token = (await sign_in(auth, key))["refresh_token"]
    headers = proved(key, TOKEN)
    answers = await asyncio.gather(*(refresh((auth, another_auth)[n % 2], token, headers) for n in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 5
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_dpop_proof"}
    body = {"email": "ada@example.com", "password": auth.password}
    headers = proved(key, SESSIONS)
    statuses = [
        (await each.http.post(SESSIONS, json=body, headers=headers)).status_code for each in (auth, another_auth)
    ]
    assert statuses == [201, 400]


async def test_a_bad_proof_costs_neither_the_refresh_token_nor_the_session(auth: "Auth") -> None:
    await auth.verified()
    key, thief = ProofKey(auth.clock), ProofKey(auth.clock)
    used, stale = proved(key, TOKEN), proved(key, TOKEN)
    first = (await sign_in(auth, key))["refresh_token"]
    second = (await refresh(auth, first, used)).json()["refresh_token"]
    lines = "SELECT id, status::text, last_used_at FROM auth_tokens ORDER BY id"
    auth.clock.advance(seconds=GRACE.total_seconds() + 1)
    for token, left in ((second, "ACTIVE"), (first, "USED")):
        before = await auth.rows(lines)
        refused = [await refresh(auth, token, used), await refresh(auth, token, proved(key, "/elsewhere"))]
        assert {answer.json()["error"] for answer in refused} == {"invalid_dpop_proof"}
        assert await auth.rows(lines) == before, f"one that is {left} stays so, and nobody is thought a thief"
    assert (await refresh(auth, second, proved(thief, TOKEN))).json()["error"] == "invalid_grant"
    auth.clock.advance(minutes=10)
    assert (await refresh(auth, second, stale)).json()["error"] == "invalid_dpop_proof"
    assert (await refresh(auth, second, proved(key, TOKEN))).status_code == 200


async def test_whoever_lost_the_answer_gets_the_same_successor_with_a_new_proof(auth: "Auth") -> None:
    await auth.verified()
    key = ProofKey(auth.clock)
    token = (await sign_in(auth, key))["refresh_token"]
    first, second = [(await refresh(auth, token, proved(key, TOKEN))).json() for _ in range(2)]
    assert first["refresh_token"] == second["refresh_token"]
    auth.clock.advance(seconds=GRACE.total_seconds())
    assert (await refresh(auth, token, proved(key, TOKEN))).status_code == 400
    assert (await refresh(auth, first["refresh_token"], proved(key, TOKEN))).status_code == 400


async def test_what_is_refused_keeps_no_proof(auth: "Auth") -> None:
    await auth.verified()
    key = ProofKey(auth.clock)
    await refresh(auth, "x" * 22 + "." + "y" * 43, proved(key, TOKEN))
    await auth.http.post(
        SESSIONS, json={"email": "ada@example.com", "password": "wrong-wrong"}, headers=proved(key, SESSIONS)
    )
    assert await auth.rows("SELECT proof_hash FROM dpop_proofs") == []


async def test_proving_who_one_is_keeps_the_token_bound(auth: "Auth") -> None:
    await auth.verified()
    key = ProofKey(auth.clock)
    token, path = (await sign_in(auth, key))["access_token"], "/auth/v1/sessions/current/proofs"
    headers = key.headers("POST", BASE + path, token)
    proof = (await auth.http.post(path, json={"password": auth.password}, headers=headers)).json()
    assert proof["token_type"] == "DPoP"
    assert (await ask(auth, key, proof["access_token"])).status_code == 200


async def test_introspection_tells_of_the_key(auth: "Auth") -> None:
    await auth.verified()
    key = ProofKey(auth.clock)
    session = await sign_in(auth, key)
    for name, kind in (("access_token", "DPoP"), ("refresh_token", "refresh_token")):
        told = await auth.http.post(
            "/auth/oauth2/introspect", data={"token": session[name]}, auth=("user", auth.service_key)
        )
        assert (told.json()["token_type"], told.json()["cnf"]) == (kind, {"jkt": key.jkt})


async def test_a_service_may_bind_its_token_too(auth: "Auth") -> None:
    key = ProofKey(auth.clock)
    form = {"grant_type": "client_credentials"}
    granted = await auth.http.post(TOKEN, data=form, headers=proved(key, TOKEN), auth=("user", auth.service_key))
    assert granted.json()["token_type"] == "DPoP"
    path = "/auth/v1/revocations"
    assert (await ask(auth, key, granted.json()["access_token"], path)).status_code == 200
    bearer = await auth.http.get(path, headers=auth.as_bearer(granted.json()["access_token"]))
    assert bearer.status_code == 401


async def test_clients_find_out_that_it_is_possible(auth: "Auth") -> None:
    metadata = (await auth.http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["dpop_signing_alg_values_supported"] == ["ES256", "EdDSA", "RS256"]
    assert (await auth.http.get(CURRENT)).headers["WWW-Authenticate"] == 'Bearer, DPoP algs="ES256 EdDSA RS256"'


async def test_every_way_in_reads_the_proof(auth: "Auth") -> None:
    document = auth.application.openapi()
    ways = [
        path
        for path, operations in document["paths"].items()
        if "SessionGranted" in str(operations.get("post", {}).get("responses", {}).get("201"))
    ]
    assert len(ways) > 3
    for way in ways:
        path = way.replace("{", "").replace("}", "")
        refused = await auth.http.post(path, json={}, headers={"DPoP": "x.y.z"})
        assert (path, refused.json()["code"]) == (path, "invalid_dpop_proof")


async def test_a_mailed_code_with_a_proof_begins_a_bound_session(auth: "Auth") -> None:
    await auth.verified()
    key, path = ProofKey(auth.clock), "/auth/v1/email-code-sessions"
    asked = (await auth.http.post("/auth/v1/sign-in-mails", json={"email": "ada@example.com"})).json()
    [secrets] = await auth.sent("SIGN_IN")
    body = {"sign_in": asked["sign_in"], "code": secrets.code}
    session = (await auth.http.post(path, json=body, headers=proved(key, path))).json()
    assert session["token_type"] == "DPoP"
    assert (await ask(auth, key, session["access_token"])).status_code == 200

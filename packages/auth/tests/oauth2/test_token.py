"""The token endpoint: rotation under races, and service keys."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from orion_contracts.events import SessionEnded

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

ENDPOINT = "/auth/oauth2/token"


async def test_refreshing_gives_a_successor(auth: "Auth") -> None:
    await auth.verified()
    session = (await auth.sign_in()).json()
    token = session["refresh_token"]
    for count in range(1, 4):
        answer = await auth.refresh(token)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["refresh_token"] != token
        token = answer.json()["refresh_token"]
        [row] = await auth.rows("SELECT refresh_count, session_id FROM auth_tokens WHERE status = 'ACTIVE'")
        assert row == {"refresh_count": count, "session_id": row["session_id"]}
        assert str(row["session_id"]) == session["session_id"]
    [line] = await auth.rows("""
        SELECT count(DISTINCT family_id) AS families, count(rotated_from_id) AS successors
        FROM auth_tokens WHERE type = 'REFRESH'
    """)
    assert line == {"families": 1, "successors": 3}


async def test_a_token_used_twice_ends_its_session(auth: "Auth") -> None:
    await auth.verified()
    session = (await auth.sign_in()).json()
    stolen = session["refresh_token"]
    successor = (await auth.refresh(stolen)).json()
    auth.clock.advance(seconds=30)
    replay = await auth.refresh(stolen)
    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
    assert (await auth.refresh(successor["refresh_token"])).status_code == 400
    headers = auth.as_bearer(successor["access_token"])
    assert (await auth.http.delete("/auth/v1/sessions/current", headers=headers)).status_code == 401
    [event] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SessionEnded.type)
    assert SessionEnded.read(event["data"]).reason == "REUSE_DETECTED"
    assert await auth.rows("SELECT event_type, severity::text FROM security_events") == [
        {"event_type": "token.reused", "severity": "HIGH"}
    ]


async def test_many_refreshes_at_once_get_one_successor(auth: "Auth", another_auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["refresh_token"]
    answers = await asyncio.gather(*((auth, another_auth)[n % 2].refresh(token) for n in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert len({answer.json()["access_token"] for answer in answers}) == 8
    [row] = await auth.rows("SELECT count(*) FROM auth_tokens WHERE rotated_from_id IS NOT NULL")
    assert row["count"] == 1
    assert await auth.rows("SELECT id FROM outbox WHERE type = :type", type=SessionEnded.type) == []


async def test_a_session_ends_after_thirty_days_however_often_it_is_refreshed(auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["refresh_token"]
    for days in (13, 13, 3):
        auth.clock.advance(days=days)
        token = (await auth.refresh(token)).json()["refresh_token"]
    auth.clock.advance(days=1)
    assert (await auth.refresh(token)).json()["error"] == "invalid_grant"


async def test_a_session_ends_when_it_is_not_refreshed_for_two_weeks(auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["refresh_token"]
    auth.clock.advance(days=14)
    assert (await auth.refresh(token)).json()["error"] == "invalid_grant"


async def test_an_epoch_that_is_over_carries_nothing_on(auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["refresh_token"]
    await auth.execute("UPDATE identities SET security_epoch = security_epoch + 1")
    assert (await auth.refresh(token)).json()["error"] == "invalid_grant"


async def test_a_refresh_token_has_no_more_scopes_than_it_was_given(auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token, "scope": "auth:admin"}
    refused = await auth.http.post(ENDPOINT, data=form)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope"), (
        "the session goes on, and is told so"
    )
    assert (await auth.refresh(token)).status_code == 200, "the token was not used up"
    assert (await auth.http.post(ENDPOINT, data=form)).json()["error"] == "invalid_grant", "it was now"


async def test_a_refresh_token_that_is_shown_again_has_no_more_scopes_either(auth: "Auth") -> None:
    await auth.verified()
    form = {"grant_type": "refresh_token", "refresh_token": (await auth.sign_in()).json()["refresh_token"]}
    successor = (await auth.http.post(ENDPOINT, data=form)).json()["refresh_token"]
    refused = await auth.http.post(ENDPOINT, data=form | {"scope": "auth:admin"})
    assert refused.json()["error"] == "invalid_grant"
    assert (await auth.http.post(ENDPOINT, data=form)).json()["refresh_token"] == successor


@pytest.mark.parametrize("status", ["SUSPENDED", "LOCKED"])
async def test_who_may_no_longer_come_in_may_not_stay(auth: "Auth", status: str) -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["refresh_token"]
    await auth.execute("UPDATE identities SET status = CAST(:status AS identity_status)", status=status)
    assert (await auth.refresh(token)).json()["error"] == "invalid_grant"


async def test_refreshes_are_limited_per_user(auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["refresh_token"]
    for _ in range(10):
        token = (await auth.refresh(token)).json()["refresh_token"]
    refused = await auth.refresh(token)
    assert (refused.status_code, refused.json()["error"]) == (429, "slow_down")
    assert int(refused.headers["Retry-After"]) <= 60
    auth.clock.advance(seconds=61)
    assert (await auth.refresh(token)).status_code == 200, "the token was not used up"


async def test_nobody_uses_up_the_tries_of_a_user_with_a_selector_alone(auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["refresh_token"]
    forged = token.partition(".")[0] + "." + "A" * 43
    for _ in range(12):
        assert (await auth.refresh(forged)).json()["error"] == "invalid_grant"
    assert (await auth.refresh(token)).status_code == 200


async def test_a_mailed_token_is_no_refresh_token(auth: "Auth") -> None:
    await auth.register()
    mailed = (await auth.mailed()).link.rpartition("/")[2]
    assert (await auth.refresh(mailed)).json()["error"] == "invalid_grant"
    assert (await auth.http.post(f"/auth/v1/verifications/{mailed}/confirmation")).status_code == 204


async def test_a_service_gets_a_token_for_its_key(auth: "Auth") -> None:
    answer = await auth.http.post(
        ENDPOINT, data={"grant_type": "client_credentials", "scope": "events:read"}, auth=("user", auth.service_key)
    )
    assert answer.status_code == 200
    assert {"token_type": "Bearer", "expires_in": 600, "scope": "events:read"}.items() <= answer.json().items()
    assert "refresh_token" not in answer.json()
    await auth.register()
    headers = auth.as_bearer(answer.json()["access_token"])
    events = (await auth.http.get("/auth/v1/events", headers=headers)).json()
    assert events[0]["type"] == "orion.auth.identity.registered.v1"


async def claims_of(auth: "Auth", token: str, service: str = "user") -> dict[str, Any]:
    form = {"token": token}
    return (await auth.http.post("/auth/oauth2/introspect", data=form, auth=(service, auth.service_key))).json()


async def test_a_token_is_for_every_service_or_for_those_it_was_asked_for(auth: "Auth") -> None:
    for resource, audience in (
        ([], "orion"),
        (["urn:orion:auth"], "urn:orion:auth"),
        (["urn:orion:user", "urn:orion:auth"], ["urn:orion:user", "urn:orion:auth"]),
    ):
        form = {"grant_type": "client_credentials", "resource": resource}
        answer = await auth.http.post(ENDPOINT, data=form, auth=("user", auth.service_key))
        assert (await claims_of(auth, answer.json()["access_token"]))["aud"] == audience


async def test_a_token_for_another_service_is_refused_here(auth: "Auth") -> None:
    await auth.verified()
    session = (await auth.sign_in()).json()
    form = {"grant_type": "refresh_token", "refresh_token": session["refresh_token"], "resource": "urn:orion:user"}
    narrowed = (await auth.http.post(ENDPOINT, data=form)).json()
    headers = auth.as_bearer(narrowed["access_token"])
    assert (await auth.http.get("/auth/v1/sessions/current", headers=headers)).status_code == 401
    assert (await claims_of(auth, narrowed["access_token"]))["active"], "it is for the one that asks"
    assert await claims_of(auth, narrowed["access_token"], "operator") == {"active": False}
    again = (await auth.refresh(narrowed["refresh_token"])).json()["access_token"]
    assert (await auth.http.get("/auth/v1/sessions/current", headers=auth.as_bearer(again))).status_code == 200


async def test_an_unknown_resource_is_refused_before_anything_happens(auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token, "resource": "https://elsewhere.example"}
    refused = await auth.http.post(ENDPOINT, data=form)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")
    assert (await auth.refresh(token)).status_code == 200


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "invalid_request"),
    ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ({"grant_type": "refresh_token"}, 400, "invalid_request"),
    ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
    ({"grant_type": "refresh_token", "refresh_token": "\0"}, 400, "invalid_request"),
    ({"grant_type": "client_credentials"}, 401, "invalid_client"),
    ({"grant_type": "client_credentials", "client_id": "user", "client_secret": "no"}, 401, "invalid_client"),
    ({"grant_type": ["refresh_token", "refresh_token"]}, 400, "invalid_request"),
]


async def test_errors_have_the_form_of_rfc_6749(auth: "Auth") -> None:
    for form, status, error in BAD:
        answer = await auth.http.post(ENDPOINT, data=form)
        assert (answer.status_code, answer.json()["error"]) == (status, error), form
        assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_a_huge_form_is_refused(auth: "Auth") -> None:
    answer = await auth.http.post(ENDPOINT, data={"grant_type": "x" * 300_000})
    assert answer.status_code == 413

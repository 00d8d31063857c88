"""Where somebody is signed in, as he sees it and ends it; never what is somebody else's."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from orion_auth.session_policy import SessionPolicy
from orion_contracts.account_messages import SecurityNoticeRaised
from orion_contracts.events import SessionEnded

if TYPE_CHECKING:
    import httpx
    from packages.auth.tests.conftest import Auth

SESSIONS = "/auth/v1/sessions"


async def sign_in(auth: "Auth", **fields: Any) -> dict[str, Any]:
    body = {"email": "ada@example.com", "password": auth.password} | fields
    answer = await auth.http.post(SESSIONS, json=body, headers={"User-Agent": "Firefox"})
    assert answer.status_code == 201
    return answer.json()


async def ask(auth: "Auth", session: dict[str, Any], path: str = "", method: str = "GET") -> "httpx.Response":
    return await auth.http.request(method, SESSIONS + path, headers=auth.as_bearer(session["access_token"]))


async def test_sessions_are_told_with_their_devices_and_places(auth: "Auth") -> None:
    ada = await auth.verified()
    first = await sign_in(auth, device_id="laptop")
    await auth.execute("UPDATE devices SET name = 'Work laptop', type = 'DESKTOP'; ")
    await auth.execute(
        'UPDATE auth_tokens SET location = \'{"country": "DE", "city": "Berlin"}\' WHERE user_id = :id', id=ada
    )
    auth.clock.advance(minutes=3)
    second = await sign_in(auth)
    told = (await ask(auth, second)).json()
    assert [each["id"] for each in told["items"]] == [second["session_id"], first["session_id"]]
    assert [each["is_current"] for each in told["items"]] == [True, False]
    laptop = told["items"][1]
    assert (laptop["device_name"], laptop["device_type"]) == ("Work laptop", "DESKTOP")
    assert (laptop["country"], laptop["city"], laptop["ip_address"]) == ("DE", "Berlin", "192.0.2.1")
    assert (laptop["user_agent"], laptop["amr"]) == ("Firefox", ["pwd"])
    assert told["items"][0]["device_name"] is None
    assert (await ask(auth, first, f"/{first['session_id']}")).json() == laptop | {"is_current": True}
    assert (await ask(auth, second, "/current")).json() == told["items"][0]


async def test_use_is_told_and_what_has_ended_is_not(auth: "Auth") -> None:
    await auth.verified()
    session, other = await sign_in(auth), await sign_in(auth)
    auth.clock.advance(minutes=3)
    used = auth.clock()
    session = (await auth.refresh(session["refresh_token"])).json()
    await ask(auth, other, "/current", "DELETE")
    [told] = (await ask(auth, session)).json()["items"]
    assert told["last_used_at"] == used.isoformat().replace("+00:00", "Z")
    assert told["started_at"] == told["authenticated_at"] < told["last_used_at"]


async def test_pages_follow_one_another(auth: "Auth") -> None:
    await auth.verified()
    sessions = [await sign_in(auth) for _ in range(5)]
    seen: list[str] = []
    path = "?limit=2"
    while path:
        page = (await ask(auth, sessions[0], path)).json()
        seen += [each["id"] for each in page["items"]]
        path = f"?limit=2&cursor={page['next']}" if page["next"] else ""
    assert seen == [session["session_id"] for session in reversed(sessions)]
    assert (await ask(auth, sessions[0], "?cursor=made-up")).json()["code"] == "invalid_cursor"


async def test_one_is_ended_from_another_after_a_recent_proof(auth: "Auth") -> None:
    await auth.verified()
    other, session = await sign_in(auth), await sign_in(auth)
    auth.clock.advance(minutes=5, seconds=1)
    refused = await ask(auth, session, f"/{other['session_id']}", "DELETE")
    assert (refused.status_code, refused.json()["code"]) == (401, "reauthentication_required")
    assert (await ask(auth, session, "", "DELETE")).json()["code"] == "reauthentication_required"
    session = await sign_in(auth)
    assert (await ask(auth, session, f"/{other['session_id']}", "DELETE")).status_code == 204
    assert (await ask(auth, session, f"/{other['session_id']}", "DELETE")).status_code == 404
    assert (await ask(auth, other)).status_code == 401
    assert (await auth.refresh(other["refresh_token"])).status_code == 400
    [event] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SessionEnded.type)
    assert SessionEnded.read(event["data"]).reason == "REVOKED"
    auth.clock.advance(minutes=6)
    assert (await ask(auth, session, f"/{session['session_id']}", "DELETE")).status_code == 204, "its own, always"


@pytest.mark.parametrize("every", [False, True])
async def test_all_others_end_and_with_all_this_one_too(auth: "Auth", every: bool) -> None:
    await auth.verified()
    others, session = [await sign_in(auth) for _ in range(2)], await sign_in(auth)
    answer = await ask(auth, session, "?all=true" if every else "", "DELETE")
    assert (answer.status_code, answer.json()) == (200, {"ended": 3 if every else 2})
    assert [(await ask(auth, other)).status_code for other in others] == [401, 401]
    assert (await ask(auth, session)).status_code == (401 if every else 200)
    epochs = await auth.rows("SELECT security_epoch FROM identities")
    assert epochs == [{"security_epoch": 1 if every else 0}]
    headers = auth.as_bearer(await auth.service_token())
    snapshot = (await auth.http.get("/auth/v1/revocations", headers=headers)).json()
    assert [each["epoch"] for each in snapshot["epochs"]] == ([1] if every else [])
    [event] = await auth.rows("SELECT details, session_id FROM security_events WHERE event_type = 'sessions.ended'")
    assert event["details"] == {"sessions_ended": 3 if every else 2}
    assert str(event["session_id"]) == ("None" if every else session["session_id"])
    notices = await auth.rows(
        "SELECT data FROM outbox WHERE type = :type ORDER BY sequence", type=SecurityNoticeRaised.type
    )
    assert [notice["data"]["notice"] for notice in notices][-1:] == ["sessions.ended"]


async def test_nobody_sees_or_ends_what_is_somebody_elses(auth: "Auth") -> None:
    await auth.verified()
    await auth.verified("bob@example.com")
    hers, his = await sign_in(auth), await sign_in(auth, email="bob@example.com")
    for method in ("GET", "DELETE"):
        for path in (f"/{hers['session_id']}", "/00000000-0000-7000-8000-000000000000"):
            refused = await ask(auth, his, path, method)
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert len((await ask(auth, his)).json()["items"]) == 1
    assert (await ask(auth, hers, "/current")).status_code == 200
    service = {"access_token": await auth.service_token()}
    assert (await ask(auth, service)).status_code == 403


async def test_one_session_too_many_ends_the_one_that_was_not_used_for_longest(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch
) -> None:
    await auth.verified()
    parts = auth.application.state.components
    two = replace(parts, gate=replace(parts.gate, session_policy=SessionPolicy(most=2)))
    monkeypatch.setattr(auth.application.state, "components", two)
    used, unused = await sign_in(auth), await sign_in(auth)
    auth.clock.advance(minutes=1)
    used = (await auth.refresh(used["refresh_token"])).json()
    newest = await sign_in(auth)
    assert [(await ask(auth, each)).status_code for each in (used, unused, newest)] == [200, 401, 200]
    [event] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SessionEnded.type)
    ended = SessionEnded.read(event["data"])
    assert (str(ended.session_id), ended.reason) == (unused["session_id"], "LIMIT")
    auth.clock.advance(minutes=1)
    answers = await asyncio.gather(*(sign_in(auth) for _ in range(3)))
    live = await auth.rows("SELECT session_id FROM auth_tokens WHERE type = 'REFRESH' AND status = 'ACTIVE'")
    assert len(live) == 2
    assert {str(row["session_id"]) for row in live} < {answer["session_id"] for answer in answers}


async def test_a_session_ends_when_it_is_not_used_and_anyway_at_its_end(auth: "Auth") -> None:
    await auth.verified()
    session = await sign_in(auth)
    assert session["refresh_expires_in"] == 14 * 86_400
    for _ in range(2):
        auth.clock.advance(days=13)
        answer = await auth.refresh(session["refresh_token"])
        assert answer.status_code == 200
        session = answer.json()
    auth.clock.advance(days=4, seconds=1)
    assert (await auth.refresh(session["refresh_token"])).status_code == 400, "30 days are over"
    session = await sign_in(auth)
    auth.clock.advance(days=14, seconds=1)
    assert (await auth.refresh(session["refresh_token"])).status_code == 400, "14 days without use"


async def test_who_is_not_to_be_remembered_is_soon_forgotten(auth: "Auth") -> None:
    await auth.verified()
    session = await sign_in(auth, remember=False)
    assert session["refresh_expires_in"] == 3600
    for _ in range(13):
        auth.clock.advance(minutes=55)
        session = (await auth.refresh(session["refresh_token"])).json()
    auth.clock.advance(minutes=55)
    assert (await auth.refresh(session["refresh_token"])).status_code == 400, "12 hours are over"
    session = await sign_in(auth, remember=False)
    auth.clock.advance(minutes=60, seconds=1)
    assert (await auth.refresh(session["refresh_token"])).status_code == 400, "an hour without use"

"""Sessions as their owner and administrators see them, and how they have auth end them."""

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import httpx

from orion_contracts.claims import AccessClaims
from orion_contracts.events import SessionEnded, SessionStarted
from orion_contracts.user_events import SessionEndRequested
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_user.sessions.activity import Activity

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, People, Query, Sign


async def begun(auth: "AuthFeed", user_id: UUID) -> UUID:
    now, session_id = auth.clock(), uuid7()
    await auth.bring(
        SessionStarted(session_id=session_id, user_id=user_id, started_at=now, expires_at=now + timedelta(days=30))
    )
    return session_id


async def test_an_owner_ends_a_session_of_his_own_only(people: "People", auth: "AuthFeed") -> None:
    ada, eve = await people.add("ada@example.com"), await people.add("eve@example.com")
    session_id, client = await begun(auth, ada), people.client(ada)
    url = f"/user/v1/me/sessions/{session_id}"
    assert (await people.client(eve).delete(url)).status_code == 404
    assert (await client.delete(f"/user/v1/me/sessions/{uuid7()}")).status_code == 404
    assert (await client.delete(url)).status_code == 202
    [(type_, told)] = await people.told()
    assert (type_, told["session_id"], told["by"]) == (SessionEndRequested.type, str(session_id), str(ada))
    now = auth.clock()
    await auth.bring(
        SessionEnded(session_id=session_id, user_id=ada, reason="ENDED_BY_USER", ended_at=now, tokens_expire_at=now)
    )
    assert (await client.get("/user/v1/me/sessions")).json()["items"] == []
    assert (await client.delete(url)).status_code == 404


async def test_another_session_is_ended_after_a_recent_proof_alone(
    people: "People", auth: "AuthFeed", service: httpx.ASGITransport, sign: "Sign"
) -> None:
    ada = await people.add("ada@example.com")
    session_id = await begun(auth, ada)
    token = sign(str(ada), uuid7(), auth_time=int(auth.clock().timestamp()) - 6 * 60)
    async with httpx.AsyncClient(transport=service, headers={"Authorization": f"Bearer {token}"}) as client:
        refused = await client.delete(f"http://user/user/v1/me/sessions/{session_id}")
    assert (refused.status_code, refused.json()["code"]) == (401, "reauthentication_required")
    assert await people.told() == []


async def test_administrators_see_ended_sessions_too_and_end_all(people: "People", auth: "AuthFeed") -> None:
    ada, moderator = await people.add("ada@example.com"), await people.moderator()
    live, over, now = await begun(auth, ada), await begun(auth, ada), auth.clock()
    await auth.bring(
        SessionEnded(session_id=over, user_id=ada, reason="SIGNED_OUT", ended_at=now, tokens_expire_at=now)
    )
    url = f"/user/v1/users/{ada}/sessions"
    assert (await people.client(ada).get(url)).status_code == 403
    assert [each["id"] for each in (await moderator.get(url)).json()["items"]] == [str(live)]
    everything = (await moderator.get(url, params={"with_ended": True})).json()["items"]
    assert {each["id"]: each["end_reason"] for each in everything} == {str(live): None, str(over): "SIGNED_OUT"}
    assert (await moderator.delete(url)).status_code == 202
    [(type_, told)] = await people.told()
    assert (type_, told["user_id"], "session_id" in told) == (SessionEndRequested.type, str(ada), False)
    assert (await moderator.delete(f"/user/v1/users/{uuid7()}/sessions")).status_code == 404


async def test_when_a_session_was_last_seen(
    people: "People", auth: "AuthFeed", database: Database, clock: MovableClock, query: "Query"
) -> None:
    ada = await people.add("ada@example.com")
    session_id, activity = await begun(auth, ada), Activity(database)
    clock.advance(hours=1)
    values = {"iss": "a", "aud": "o", "sub": str(ada), "client_id": "o", "sid": str(session_id)}
    claims = AccessClaims.model_validate(values | {"exp": 2, "iat": 1, "jti": "j"})
    activity.note(claims, clock())
    activity.note(claims.model_copy(update={"sid": str(uuid7())}), clock())
    await activity.write()
    await activity.write()
    assert await query("SELECT last_activity_at FROM sessions") == [(clock(),)]
    assert await query("SELECT last_active_at FROM users") == [(clock(),)]

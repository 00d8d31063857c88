"""What administrators and users decide in user holds at auth's doors."""

from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from orion_auth.events import handlers
from orion_auth.user_feed import OwnTokens
from orion_contracts.account_messages import SecurityNoticeRaised
from orion_contracts.cloud_event import CloudEvent
from orion_contracts.event import Event
from orion_contracts.events import IdentitySuspended, SignInFailed
from orion_contracts.user_events import (
    SecurityPreferencesChanged,
    SessionEndRequested,
    UserDeleted,
    UserReinstated,
    UserRestored,
    UserSuspended,
)
from orion_core.events.client import FeedClient
from orion_core.events.follow import Follower
from orion_core.ids import uuid7
from orion_core.testing import client_of_nobody

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from packages.auth.tests.conftest import Auth

    Bring = Callable[..., Awaitable[None]]


@pytest.fixture
def bring(auth: "Auth") -> "Bring":
    """`await bring(*events)`: have auth hear of them in user's feed."""
    wired = auth.application.state.components
    client = FeedClient("user", "http://user", OwnTokens(wired.signer, auth.clock, bound=False), client_of_nobody())
    follower = Follower(client, wired.database, auth.clock, handlers(wired.outbox, "test", auth.clock))
    positions = count(1)
    at = 0

    async def run(*events: Event) -> None:
        nonlocal at
        envelopes = [
            CloudEvent(
                id=uuid7(),
                source="user",
                type=event.type,
                subject=event.subject,
                time=auth.clock(),
                position=next(positions),
                data=event.data(),
            )
            for event in events
        ]
        assert await follower.apply(at, envelopes, envelopes[-1].position) == envelopes[-1].position
        at = envelopes[-1].position

    return run


async def outcome(auth: "Auth") -> Any:
    answer = await auth.sign_in()
    return answer.json().get("code", answer.status_code)


async def test_who_is_suspended_in_user_cannot_come_in(auth: "Auth", bring: "Bring") -> None:
    ada = await auth.verified()
    session = (await auth.sign_in()).json()
    event = UserSuspended(user_id=ada, by="moderator", suspended_at=auth.clock())
    await bring(event, event)
    assert (await auth.refresh(session["refresh_token"])).status_code == 400
    assert await outcome(auth) == "account_suspended"
    told = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=IdentitySuspended.type)
    assert len(told) == 1
    await bring(UserReinstated(user_id=ada, by="moderator", reinstated_at=auth.clock()))
    assert await outcome(auth) == 201


@pytest.mark.parametrize("is_suspended", [False, True])
async def test_who_is_deleted_keeps_the_address_and_is_back_when_restored(
    auth: "Auth", bring: "Bring", is_suspended: bool
) -> None:
    ada, now = await auth.verified(), auth.clock()
    await bring(UserDeleted(user_id=ada, by="moderator", deleted_at=now, purge_after=now))
    assert await outcome(auth) == "account_suspended"
    assert (await auth.register()).status_code == 202
    assert await auth.rows("SELECT count(*) FROM identities") == [{"count": 1}]
    await bring(UserRestored(user_id=ada, by="moderator", is_suspended=is_suspended, restored_at=now))
    assert await outcome(auth) == ("account_suspended" if is_suspended else 201)


async def test_sessions_are_ended_one_or_all_of_their_owner_only(auth: "Auth", bring: "Bring") -> None:
    ada, eve = await auth.verified(), await auth.verified("eve@example.com")
    first, second = (await auth.sign_in()).json(), (await auth.sign_in()).json()

    def request(user_id: UUID, session_id: UUID | None) -> SessionEndRequested:
        return SessionEndRequested(user_id=user_id, session_id=session_id, by=str(ada), requested_at=auth.clock())

    await bring(request(eve, UUID(first["session_id"])), request(ada, uuid7()))
    assert await auth.rows("SELECT count(*) FROM session_blacklist") == [{"count": 0}]
    await bring(request(ada, UUID(first["session_id"])))
    rows = await auth.rows("SELECT session_id, reason FROM session_blacklist")
    assert rows == [{"session_id": UUID(first["session_id"]), "reason": "ENDED_BY_USER"}]
    await bring(request(ada, None))
    assert (await auth.refresh(second["refresh_token"])).status_code == 400


async def test_a_second_factor_is_asked_for_when_the_user_wants_one(auth: "Auth", bring: "Bring") -> None:
    ada = await auth.verified()

    def wants(required: bool) -> SecurityPreferencesChanged:
        return SecurityPreferencesChanged(
            user_id=ada, requires_second_factor=required, sign_in_notices="NEW_DEVICE", changed_at=auth.clock()
        )

    await bring(wants(True))
    answer = await auth.sign_in()
    assert answer.status_code == 202
    assert answer.json()["must_enrol"]
    await bring(wants(False))
    assert (await auth.sign_in()).status_code == 201


async def test_what_a_user_wants_does_not_lift_what_is_required_of_him(auth: "Auth", bring: "Bring") -> None:
    ada = await auth.verified()
    operator = auth.as_bearer(await auth.operator_token())
    url = f"/auth/v1/users/{ada}/two-factor/requirement"

    async def requires(required: bool) -> None:
        assert (await auth.http.put(url, json={"is_required": required}, headers=operator)).status_code == 204

    async def wants(required: bool) -> None:
        # user tells of the whole document, so also when only the notices were changed.
        event = SecurityPreferencesChanged(
            user_id=ada, requires_second_factor=required, sign_in_notices="EVERY", changed_at=auth.clock()
        )
        await bring(event)

    await requires(True)
    await wants(False)
    answer = await auth.sign_in()
    assert (answer.status_code, answer.json()["must_enrol"]) == (202, True)
    await wants(True)
    await requires(False)
    assert (await auth.sign_in()).status_code == 202, "nor does an administrator lift what the user wants"
    await wants(False)
    assert (await auth.sign_in()).status_code == 201


async def test_every_sign_in_is_told_when_the_user_wants_it(auth: "Auth", bring: "Bring") -> None:
    ada = await auth.verified()
    device = {"email": "ada@example.com", "password": auth.password, "device_id": "laptop"}

    async def notices() -> list[str]:
        assert (await auth.http.post("/auth/v1/sessions", json=device)).status_code == 201
        query = "SELECT data->>'notice' AS notice FROM outbox WHERE type = :type ORDER BY sequence"
        return [row["notice"] for row in await auth.rows(query, type=SecurityNoticeRaised.type)]

    before = await notices()
    assert await notices() == before
    wanted = SecurityPreferencesChanged(
        user_id=ada, requires_second_factor=False, sign_in_notices="EVERY", changed_at=auth.clock()
    )
    await bring(wanted)
    assert await notices() == [*before, "sign_in.succeeded"]


async def test_wrong_passwords_are_told_of_users_and_of_nobody_else(auth: "Auth") -> None:
    ada = await auth.verified()
    assert (await auth.sign_in(password="not this one")).status_code == 401
    assert (await auth.sign_in("nobody@example.com", "not this one")).status_code == 401
    rows = await auth.rows("SELECT data->>'user_id' AS id FROM outbox WHERE type = :type", type=SignInFailed.type)
    assert rows == [{"id": str(ada)}]


async def test_nobody_is_passed_over(auth: "Auth", bring: "Bring") -> None:
    nobody, now = uuid7(), auth.clock()
    await bring(
        UserSuspended(user_id=nobody, by="x", suspended_at=now),
        UserReinstated(user_id=nobody, by="x", reinstated_at=now),
        SessionEndRequested(user_id=nobody, by="x", requested_at=now),
        SecurityPreferencesChanged(
            user_id=nobody, requires_second_factor=True, sign_in_notices="EVERY", changed_at=now
        ),
    )
    assert await auth.rows("SELECT count(*) FROM outbox") == [{"count": 0}]

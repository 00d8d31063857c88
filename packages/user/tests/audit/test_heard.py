"""What auth and notifications did stands in the trail, exactly once."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orion_contracts.audit import AuthAuditRecorded, NotificationsAuditRecorded
from orion_contracts.events import EmailVerified, SessionEnded, SessionStarted
from orion_core.database import Database
from orion_core.events.client import FeedClient
from orion_core.events.follow import Follower
from orion_core.ids import uuid7
from orion_core.service_token import ServiceTokens
from orion_core.testing import MovableClock, client_of_nobody
from orion_user.audit import rules
from orion_user.events import handlers_of_notifications

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query

COLUMNS = "service, action, actor_type::text, actor_id, user_id, status::text"


def recorded(clock: MovableClock, **more: Any) -> AuthAuditRecorded:
    values: dict[str, Any] = {
        "audit_id": uuid7(),
        "actor_type": "USER",
        "actor_id": uuid7(),
        "action": "password.changed",
        "resource_type": "user",
        "occurred_at": clock(),
    }
    return AuthAuditRecorded.model_validate(values | more)


async def test_an_entry_of_auth_is_kept_as_auth_has_written_it(
    auth: "AuthFeed", query: "Query", clock: MovableClock
) -> None:
    user_id, session_id = uuid7(), uuid7()
    event = recorded(
        clock,
        user_id=user_id,
        actor_id=user_id,
        resource_id=str(user_id),
        session_id=session_id,
        request_id="r-1",
        ip_address="192.0.2.1",
        user_agent="Browser",
        old={"name": "a"},
        new={"name": "b", "password": "secret"},
        duration_ms=7,
    )
    happened = clock()
    clock.advance(minutes=5)
    await auth.bring(event)
    names = "id, timestamp, created_at, request_id, host(ip_address), user_agent, old_values, new_values, duration_ms"
    assert await query(f"SELECT {names} FROM audit_logs") == [
        (
            event.audit_id,
            happened,
            clock(),
            "r-1",
            "192.0.2.1",
            "Browser",
            {"name": "a"},
            {"name": "b", "password": "[redacted]"},
            7,
        )
    ]
    assert await query(f"SELECT {COLUMNS} FROM audit_logs") == [
        ("auth", "password.changed", "USER", user_id, user_id, "SUCCESS")
    ]


async def test_it_is_kept_once_however_often_it_comes(auth: "AuthFeed", query: "Query", clock: MovableClock) -> None:
    event = recorded(clock)
    [envelope] = await auth.bring(event)
    await auth.bring(event)  # the same entry in another envelope: auth's outbox was restored
    await auth.follower().apply(auth.at, [envelope], auth.at + 1)
    assert await query("SELECT count(*) FROM audit_logs") == [(1,)]


async def test_words_that_are_not_known_here_hold_up_nothing(
    auth: "AuthFeed", query: "Query", clock: MovableClock
) -> None:
    await auth.bring(
        recorded(clock, actor_type="ROBOT"),
        recorded(clock, status="POSTPONED"),
        recorded(clock, actor_type="USER", actor_id=None),
        recorded(clock, actor_type="SERVICE", actor_id=None, actor_name="operator"),
    )
    rows = await query("SELECT actor_type::text, actor_id, status::text FROM audit_logs ORDER BY id")
    assert [(kind, status) for kind, _, status in rows] == [
        ("SERVICE", "SUCCESS"),
        ("USER", "FAILURE"),
        ("SYSTEM", "SUCCESS"),
        ("SERVICE", "SUCCESS"),
    ]
    assert rows[3][1] == rules.id_of("operator")


async def test_what_auth_tells_by_other_events_stands_in_the_trail_too(
    auth: "AuthFeed", query: "Query", clock: MovableClock
) -> None:
    user_id, session_id = await auth.register(), uuid7()
    now = clock()
    started = SessionStarted.model_validate(
        {
            "session_id": session_id,
            "user_id": user_id,
            "ip_address": "192.0.2.1",
            "started_at": now + timedelta(seconds=2),
            "expires_at": now + timedelta(days=1),
        }
    )
    ended: dict[str, Any] = {"session_id": session_id, "user_id": user_id, "tokens_expire_at": now}
    await auth.bring(
        EmailVerified(user_id=user_id, email="ada@example.com", verified_at=now + timedelta(seconds=1)),
        started,
        SessionEnded(reason="SIGNED_OUT", ended_at=now + timedelta(seconds=3), **ended),
        SessionEnded(reason="EXPIRED", ended_at=now + timedelta(seconds=4), **ended),
    )
    assert [row[:4] for row in await query(f"SELECT {COLUMNS} FROM audit_logs ORDER BY id")] == [
        ("auth", "user.register", "USER", user_id),
        ("auth", "email.verify", "USER", user_id),
        ("auth", "session.create", "USER", user_id),
        ("auth", "session.delete", "USER", user_id),
        ("auth", "session.delete", "SERVICE", rules.id_of("auth")),
    ]


async def test_an_entry_of_notifications(
    database: Database, auth: "AuthFeed", query: "Query", clock: MovableClock
) -> None:
    event = NotificationsAuditRecorded.model_validate(recorded(clock, action="notification.update").model_dump())
    http = client_of_nobody()
    tokens = ServiceTokens(http, "http://auth", "user", "", clock, audience="notifications")
    client = FeedClient("notifications", "http://notifications", tokens, http)
    follower = Follower(client, database, clock, handlers_of_notifications(clock))
    envelope = auth.envelope(event).model_copy(update={"source": "notifications"})
    await follower.apply(0, [envelope], envelope.position)
    assert await query("SELECT id, service, action FROM audit_logs") == [
        (event.audit_id, "notifications", "notification.update")
    ]

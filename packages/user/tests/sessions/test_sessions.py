"""From auth's events to the list of sessions, in whatever order they come."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import TYPE_CHECKING
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import RowMapping

from orion_contracts.events import SessionEnded, SessionStarted
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_user.sessions import actions, rules

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query

MOMENTS = st.integers(min_value=0, max_value=4_000_000_000).map(lambda second: datetime.fromtimestamp(second, tz=UTC))


async def live(database: Database, user_id: UUID, now: datetime) -> Sequence[RowMapping]:
    async with database.autocommit() as connection:
        return await actions.sessions_of(connection, user_id, now, None, 10)


def started(auth: "AuthFeed", user_id: UUID) -> SessionStarted:
    now = auth.clock()
    fields = {
        "session_id": uuid7(),
        "user_id": user_id,
        "ip_address": "2001:db8::1",
        "device_name": "Ada's laptop",
        "country": "DE",
        "started_at": now,
        "expires_at": now + timedelta(days=30),
    }
    return SessionStarted.model_validate(fields)


def ended(auth: "AuthFeed", start: SessionStarted) -> SessionEnded:
    now = auth.clock() + timedelta(minutes=5)
    return SessionEnded(
        session_id=start.session_id,
        user_id=start.user_id,
        reason="SIGNED_OUT",
        ended_at=now,
        tokens_expire_at=now + timedelta(minutes=10),
    )


async def test_a_sign_in_is_shown_and_counted(auth: "AuthFeed", database: Database, query: "Query") -> None:
    user_id = await auth.register()
    event = started(auth, user_id)
    await auth.bring(event)
    (row,) = await live(database, user_id, auth.clock())
    assert (row["token"], str(row["ip_address"]), row["country"]) == (event.session_id, "2001:db8::1", "DE")
    assert await query("SELECT login_count, last_login_at FROM users") == [(1, event.started_at)]


async def test_any_order_comes_to_the_same(auth: "AuthFeed", query: "Query") -> None:
    sql = """
        SELECT token, started_at, device_name, expires_at, ended_at, end_reason, login_count
        FROM sessions JOIN users ON users.id = user_id WHERE user_id = :user_id
    """
    for number, order in enumerate(permutations(range(3))):
        user_id = await auth.register(f"{number}@example.com")
        ours, other = started(auth, user_id), started(auth, user_id)
        end = ended(auth, ours)
        events = [ours, end, other]
        for index in order:
            await auth.bring(events[index])
        assert set(await query(sql, user_id=user_id)) == {
            (ours.session_id, ours.started_at, ours.device_name, ours.expires_at, end.ended_at, "SIGNED_OUT", 2),
            (other.session_id, other.started_at, other.device_name, other.expires_at, None, None, 2),
        }


async def test_the_first_end_that_is_told_stays(auth: "AuthFeed", query: "Query") -> None:
    start = started(auth, await auth.register())
    end = ended(auth, start)
    again = end.model_copy(update={"reason": "REVOKED", "ended_at": end.ended_at + timedelta(hours=1)})
    await auth.bring(start, end, again)
    assert await query("SELECT end_reason, ended_at FROM sessions") == [("SIGNED_OUT", end.ended_at)]


async def test_sessions_of_nobody_are_passed_over(auth: "AuthFeed", query: "Query") -> None:
    start = started(auth, uuid7())
    await auth.bring(start, ended(auth, start))
    assert await query("SELECT count(*) FROM sessions") == [(0,)]


async def test_an_expired_session_is_not_shown(auth: "AuthFeed", database: Database) -> None:
    user_id = await auth.register()
    await auth.bring(started(auth, user_id))
    later = auth.clock.advance(days=31)
    assert await live(database, user_id, later) == []


@given(
    MOMENTS,
    st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=1)),
)
def test_a_placeholder_expires_after_its_end_and_not_before_its_tokens(ended_at: datetime, more: timedelta) -> None:
    expiry = rules.placeholder_expiry(ended_at, ended_at + more)
    assert expiry > ended_at
    assert expiry >= ended_at + more

"""Tables that grow with traffic stay as large as their traffic: what a day adds, clean-up takes away, in bytes too."""

import asyncio
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from orion_auth.refresh_tokens import actions as refresh_tokens
from orion_auth.refresh_tokens.actions import Refreshed
from orion_auth.service import service
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer, NewSession
from orion_core.ids import uuid7
from orion_core.retention.batches import Pace, Worker, transactions
from orion_core.retention.policy import read_policy
from orion_core.retention.prune import prune

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

pytestmark = pytest.mark.slow

DAYS, ROUNDS, HOURS = 6, 4, 6
"""Days, and how often in each, after how many hours, people come and go. Indexes grow until the fourth."""

CROWD = 40
"""How many come each time, beside one who comes by HTTP."""

ROWS = {"auth_tokens": 2 * (CROWD + 1), "login_attempts": 4}
"""What one round leaves."""

TABLES = ("auth_tokens", "login_attempts", "rate_limits")
POLICY = read_policy(service.metadata, {"auth_tokens": "1 day"})
"""As an installation may set it: in so few days, what is kept for long neither comes nor goes."""

HISTORY = """
    INSERT INTO auth_tokens
    SELECT (jsonb_populate_record(kept, jsonb_build_object(
        'id', gen_random_uuid(), 'token', replace(gen_random_uuid()::text, '-', ''),
        'token_hash', sha256(gen_random_uuid()::text::bytea),
        'family_id', gen_random_uuid(), 'session_id', gen_random_uuid(), 'status', 'USED',
        'parent_token_id', NULL, 'rotated_from_id', NULL,
        'issued_at', kept.issued_at - interval '1 hour' * hour, 'expires_at', kept.expires_at - interval '1 hour' * hour
    ))).*
    FROM auth_tokens AS kept, generate_series(CAST(:every AS int), :hours, :every) AS hour
    WHERE kept.type = 'REFRESH'
    ORDER BY hour DESC
"""
"""The same traffic in each round before, as far back as tokens are kept."""

BYTES = """
    SELECT pg_total_relation_size('{table}') + coalesce(sum(pg_total_relation_size(part.relid)), 0)::bigint AS n
    FROM pg_partition_tree('{table}') AS part
"""
"""With indexes and TOAST; of a partitioned table, those of its partitions."""

BEARER = Bearer(IPv4Address("192.0.2.1"), "Firefox")


async def some_people(auth: "Auth") -> list[UUID]:
    """Accounts, without what registering them costs."""
    made = await auth.rows(
        "INSERT INTO identities (email, locale, status, email_verified_at)"
        " SELECT 'crowd' || n || '@example.com', 'en', 'ACTIVE', now() FROM generate_series(1, :crowd) AS n"
        " RETURNING id",
        crowd=CROWD,
    )
    return [row["id"] for row in made]


def new_session(user_id: UUID, now: datetime) -> NewSession:
    """One of those that are not to be remembered."""
    end, idle = now + timedelta(hours=12), timedelta(hours=1)
    return NewSession(uuid7(), user_id, now, end, idle, "orion", ("pwd",), security_epoch=0)


async def come_and_go(auth: "Auth", people: list[UUID], time: int) -> None:
    """Sessions begin and are refreshed, and somebody guesses."""
    body = {"email": "user@example.com", "password": auth.password, "remember": False}
    session = (await auth.http.post("/auth/v1/sessions", json=body)).json()
    assert (await auth.refresh(session["refresh_token"])).status_code == 200
    for n in range(3):
        await auth.sign_in(f"nobody{time}-{n}@example.com", "wrong password")
    components, now = auth.application.state.components, auth.clock()
    async with components.database.transaction() as transaction:
        begun = [tokens.issue_refresh(transaction, new_session(person, now), BEARER) for person in people]
    refreshed = [refresh_tokens.rotate(components.rotations, token, BEARER, now) for token in begun]
    assert all(isinstance(each, Refreshed) for each in await asyncio.gather(*refreshed))


async def clean_up(auth: "Auth") -> None:
    """What the service does by itself."""
    worker = Worker(transactions(auth.application.state.components.database), asyncio.Event(), Pace())
    assert (await prune(POLICY, auth.clock(), worker)).ended == "done"


async def counted(auth: "Auth", query: str) -> dict[str, int]:
    """What the query says of each table."""
    return {table: (await auth.rows(query.format(table=table)))[0]["n"] for table in TABLES}


async def test_a_day_leaves_no_more_than_the_day_before(auth: "Auth") -> None:
    await auth.verified("user@example.com")
    people = await some_people(auth)
    await come_and_go(auth, people, 0)
    [kept] = await auth.rows(
        "SELECT extract(epoch FROM max(expires_at - issued_at)) / 3600 AS hours FROM auth_tokens WHERE type = 'REFRESH'"
    )
    [due] = [due for due in POLICY if due.table == "auth_tokens"]
    await auth.execute(HISTORY, every=HOURS, hours=int(kept["hours"]) + int(due.keep.total_seconds() / 3600))
    rows: list[dict[str, int]] = []
    sizes: list[dict[str, int]] = []
    for time in range(1, DAYS * ROUNDS + 1):
        auth.clock.advance(hours=HOURS)
        await come_and_go(auth, people, time)
        await clean_up(auth)
        rows.append(await counted(auth, "SELECT count(*) AS n FROM {table}"))
        if time % ROUNDS == 0:
            await auth.execute(f"VACUUM {', '.join(TABLES)}")  # as autovacuum does when enough has gone
            sizes.append(await counted(auth, BYTES))
    for table, a_rounds_rows in (("auth_tokens", ROWS["auth_tokens"]), ("rate_limits", 20 + CROWD)):
        first, last = rows[3][table], rows[-1][table]
        assert abs(last - first) <= a_rounds_rows, (table, [each[table] for each in rows])
    grown = [later["login_attempts"] - earlier["login_attempts"] for earlier, later in pairwise(rows)]
    assert set(grown) == {ROWS["login_attempts"]}, "one row for each attempt; they go by whole months"
    for table in TABLES:
        before, after = sizes[-2][table], sizes[-1][table]
        assert after - before <= before / 10, (table, [each[table] for each in sizes])

"""Tables that grow with traffic stay as large as their traffic: what a day adds, clean-up takes away."""

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from orion_auth.service import service
from orion_core.retention.batches import Pace, Worker, transactions
from orion_core.retention.policy import read_policy
from orion_core.retention.prune import prune

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

pytestmark = pytest.mark.slow

HOURS, AN_HOUR = 24, 1
"""A day, and how many people sign in, refresh, fail and are refused in an hour of it."""

HISTORY = """
    INSERT INTO auth_tokens
    SELECT (jsonb_populate_record(kept, jsonb_build_object(
        'id', gen_random_uuid(), 'token', replace(gen_random_uuid()::text, '-', ''),
        'token_hash', sha256(gen_random_uuid()::text::bytea),
        'family_id', gen_random_uuid(), 'session_id', gen_random_uuid(), 'status', 'USED',
        'parent_token_id', NULL, 'rotated_from_id', NULL,
        'issued_at', kept.issued_at - interval '1 hour' * hour, 'expires_at', kept.expires_at - interval '1 hour' * hour
    ))).*
    FROM auth_tokens AS kept, generate_series(1, :hours) AS hour
    WHERE kept.type = 'REFRESH'
"""
"""The same traffic in each hour before, as far back as tokens are kept."""


async def an_hour(auth: "Auth", hour: int) -> None:
    """People come and go, and others guess."""
    for n in range(AN_HOUR):
        email = f"user{n}@example.com"
        session = (await auth.sign_in(email)).json()
        assert (await auth.refresh(session["refresh_token"])).status_code == 200
        for _ in range(3):
            await auth.sign_in(f"nobody{hour}-{n}@example.com", "wrong password")


async def test_a_day_leaves_no_more_than_the_day_before(auth: "Auth") -> None:
    for n in range(AN_HOUR):
        await auth.verified(f"user{n}@example.com")
    await an_hour(auth, 0)
    [kept] = await auth.rows(
        "SELECT extract(epoch FROM max(expires_at - issued_at)) / 3600 AS hours FROM auth_tokens WHERE type = 'REFRESH'"
    )
    [rule] = [due for due in read_policy(service.metadata) if due.table == "auth_tokens"]
    await auth.execute(HISTORY, hours=int(kept["hours"]) + int(rule.keep.total_seconds() / 3600))
    sizes: list[dict[str, int]] = []
    for hour in range(1, HOURS + 1):
        auth.clock.advance(hours=1)
        await an_hour(auth, hour)
        worker = Worker(transactions(auth.application.state.components.database), asyncio.Event(), Pace())
        assert (await prune(read_policy(service.metadata), auth.clock(), worker)).ended == "done"
        tables = ("auth_tokens", "login_attempts", "rate_limits")
        sizes.append({table: (await auth.rows(f"SELECT count(*) FROM {table}"))[0]["count"] for table in tables})
    for table, an_hours_rows in (("auth_tokens", 2 * AN_HOUR), ("rate_limits", 20 * AN_HOUR)):
        first, last = sizes[3][table], sizes[-1][table]
        assert abs(last - first) <= an_hours_rows, (table, [size[table] for size in sizes])
    grown = [later["login_attempts"] - earlier["login_attempts"] for earlier, later in pairwise(sizes)]
    assert set(grown) == {4 * AN_HOUR}, "one row for each attempt; they go by whole months"

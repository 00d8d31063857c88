"""What is due goes, nothing else does, and it does not matter how many try or what happens meanwhile."""

import asyncio
import random
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from orion_core.database import Database
from orion_core.metrics import REGISTRY
from orion_core.retention.batches import Pace, Worker, transactions
from orion_core.retention.debt import count_due
from orion_core.retention.policy import Policy, in_words, parse_duration, read_policy
from orion_core.retention.prune import Run, prune
from orion_core.retention.task import keep_pruned
from orion_core.service import installed_services, service_role
from orion_core.testing import MovableClock, TestDatabase

DAY = timedelta(days=1)
AUTH = installed_services()["auth"]
SMALL = Pace(first=7, smallest=2, largest=7, rest=0)


def policy_of(table: str) -> Policy:
    return tuple(due for due in read_policy(AUTH.metadata) if due.table == table)


async def run(database: Database, table: str, now: datetime, pace: Pace = SMALL, wait_seconds: float = 5) -> Run:
    return await prune(policy_of(table), now, Worker(transactions(database), pace=pace, wait_seconds=wait_seconds))


async def refuse(owner: asyncpg.Connection, *expiries: datetime) -> None:
    """Rows of session_blacklist, which is kept for a day after `expires_at`."""
    await owner.execute(
        "INSERT INTO session_blacklist (session_id, reason, revoked_at, expires_at)"
        " SELECT uuidv7(), 'test', expiry - interval '1 hour', expiry FROM unnest($1::timestamptz[]) AS expiry",
        list(expiries),
    )


async def expiries(owner: asyncpg.Connection) -> list[datetime]:
    return [row[0] for row in await owner.fetch("SELECT expires_at FROM session_blacklist ORDER BY 1")]


@pytest.fixture
async def others(own_database: TestDatabase) -> AsyncGenerator[list[Database]]:
    """Three more processes of the service."""
    pools = [
        Database.connect(own_database.url, role=service_role("auth"), application="another", pool_size=2)
        for _ in range(3)
    ]
    yield pools
    for pool in pools:
        await pool.close()


async def test_a_row_goes_when_more_than_its_time_is_over(
    database: Database, owner: asyncpg.Connection, clock: MovableClock
) -> None:
    end = clock()
    await refuse(owner, end - timedelta(microseconds=1), end, end + timedelta(microseconds=1))
    clock.advance(days=1)
    assert (await run(database, "session_blacklist", clock())).tables[0].rows == 1
    assert await expiries(owner) == [end, end + timedelta(microseconds=1)]
    clock.advance(seconds=1)
    assert (await run(database, "session_blacklist", clock())).tables[0].rows == 2


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_due_goes_and_nothing_else(
    database: Database, owner: asyncpg.Connection, clock: MovableClock, seed: int
) -> None:
    dice = random.Random(seed)
    now = clock()
    all_of_them = [now - DAY + timedelta(seconds=dice.randint(-20, 20)) for _ in range(dice.choice([1, 7, 60, 210]))]
    await refuse(owner, *all_of_them)
    pace = Pace(first=dice.randint(1, 9), smallest=1, largest=dice.randint(1, 40), rest=0)
    done = await run(database, "session_blacklist", now, pace)
    due = [expiry for expiry in all_of_them if expiry < now - DAY]
    assert (done.ended, done.tables[0].rows) == ("done", len(due))
    assert await expiries(owner) == sorted(expiry for expiry in all_of_them if expiry >= now - DAY)


async def test_rows_of_one_moment_all_go(database: Database, owner: asyncpg.Connection, clock: MovableClock) -> None:
    await refuse(owner, *[clock() - 2 * DAY] * 100)
    assert (await run(database, "session_blacklist", clock())).tables[0].rows == 100


async def test_a_condition_beside_the_time_holds(
    database: Database, owner: asyncpg.Connection, clock: MovableClock
) -> None:
    now = clock()
    await owner.execute(
        """INSERT INTO rate_limits (key, key_type, endpoint, "limit", window_seconds, reset_at, blocked_until)
        SELECT key, 'IP', 'e', 1, 1, $1::timestamptz, blocked_until
        FROM (VALUES ('free', NULL), ('was', $1), ('is', $2::timestamptz)) AS v (key, blocked_until)""",
        now - timedelta(hours=2),
        now + timedelta(hours=2),
    )
    assert (await run(database, "rate_limits", now)).tables[0].rows == 2
    assert await owner.fetchval("SELECT key FROM rate_limits") == "is"


async def test_a_line_of_tokens_goes_as_a_whole(
    database: Database, owner: asyncpg.Connection, clock: MovableClock
) -> None:
    """One expiry for all of a line; no batch leaves a token that refers to nothing, and the living line is whole."""
    now = clock()
    user = await owner.fetchval("INSERT INTO identities (id, email) VALUES (uuidv7(), 'a@b.c') RETURNING id")
    for expiry in (now - 8 * DAY, now - 6 * DAY):
        await owner.execute(
            """WITH RECURSIVE line AS (
              SELECT uuidv7() AS id, NULL::uuid AS parent, 1 AS n
              UNION ALL SELECT uuidv7(), id, n + 1 FROM line WHERE n < 10)
            INSERT INTO auth_tokens (id, token, token_hash, type, status, user_id, family_id, rotated_from_id,
              issued_at, expires_at)
            SELECT id, id::text, sha256(id::text::bytea), 'REFRESH',
              CASE WHEN n < 10 THEN 'USED' ELSE 'ACTIVE' END::token_status, $1, first_value(id) OVER (ORDER BY n),
              parent, $2::timestamptz - interval '30 days', $2 FROM line""",
            user,
            expiry,
        )
    assert (await run(database, "auth_tokens", now)).tables[0].rows == 10
    left = await owner.fetch("SELECT rotated_from_id IS NOT NULL FROM auth_tokens WHERE status = 'USED' OR true")
    assert sorted(row[0] for row in left) == [False] + [True] * 9


async def test_many_at_once_remove_every_row_once(
    database: Database, others: list[Database], owner: asyncpg.Connection, clock: MovableClock
) -> None:
    await refuse(owner, *(clock() - DAY * number for number in range(2, 502)))
    runs = await asyncio.gather(
        *(run(pool, "session_blacklist", clock(), Pace(first=20, largest=20)) for pool in (database, *others))
    )
    assert sum(done.tables[0].rows for done in runs) == 500
    assert {done.ended for done in runs} == {"done"}
    assert await expiries(owner) == []


async def test_who_meets_another_leaves_it_the_work(
    database: Database, others: list[Database], owner: asyncpg.Connection, clock: MovableClock
) -> None:
    await refuse(owner, *(clock() - DAY * number for number in range(2, 502)))
    pace = Pace(first=20, largest=20, rest=0.1)
    runs = await asyncio.gather(
        *(run(pool, "session_blacklist", clock(), pace, wait_seconds=0) for pool in (database, *others))
    )
    assert sorted(done.ended for done in runs).count("another") >= 1
    assert "done" in {done.ended for done in runs}, "somebody must go on"
    assert sum(done.tables[0].rows for done in runs) == 500


async def test_a_row_that_somebody_has_locked_is_passed_over(
    database: Database, owner: asyncpg.Connection, clock: MovableClock
) -> None:
    await refuse(owner, *(clock() - DAY * number for number in range(2, 12)))
    async with owner.transaction():
        await owner.execute("SELECT FROM session_blacklist ORDER BY expires_at LIMIT 1 FOR UPDATE")
        done = await asyncio.wait_for(run(database, "session_blacklist", clock()), 2)
        assert (done.tables[0].rows, done.tables[0].put_off) == (9, None)
    assert (await run(database, "session_blacklist", clock())).tables[0].rows == 1


async def test_a_locked_table_is_put_off_and_the_others_are_not(
    database: Database, owner: asyncpg.Connection, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orion_core.retention.batches.ATTEMPTS", 1)
    await refuse(owner, clock() - 2 * DAY)
    policy = tuple(due for due in read_policy(AUTH.metadata) if due.table in ("session_blacklist", "password_resets"))
    async with owner.transaction():
        await owner.execute("LOCK TABLE password_resets IN ACCESS EXCLUSIVE MODE")
        done = await prune(policy, clock(), Worker(transactions(database)))
    found = {pruned.table: (pruned.rows, pruned.put_off) for pruned in done.tables}
    assert found == {"session_blacklist": (1, None), "password_resets": (0, "a lock was not to be had")}


async def test_it_ends_after_the_batch_in_hand_when_told_to(
    database: Database, owner: asyncpg.Connection, clock: MovableClock
) -> None:
    await refuse(owner, *(clock() - DAY * number for number in range(2, 52)))
    stop = asyncio.Event()
    worker = Worker(transactions(database), stop, SMALL)
    done = await prune(policy_of("session_blacklist"), clock(), worker, lambda _, __: stop.set())
    assert (done.ended, done.tables[0].rows) == ("stopped", 7)
    assert len(await expiries(owner)) == 43


async def test_what_is_due_is_counted_and_nothing_changed(
    database: Database, owner: asyncpg.Connection, clock: MovableClock
) -> None:
    now = clock()
    await refuse(owner, now - 5 * DAY, now - 2 * DAY, now)
    (due,) = policy_of("session_blacklist")
    async with database.autocommit() as connection:
        debt = await count_due(connection, due, now)
        assert (debt.rows, debt.oldest) == (2, now - 4 * DAY)
        assert (await count_due(connection, due, now, limit=1)).rows == 1
        assert await count_due(connection, due, now - 10 * DAY) == type(debt)("session_blacklist", 0, None)
    assert len(await expiries(owner)) == 3


async def test_a_service_prunes_beside_its_work(
    database: Database, others: list[Database], owner: asyncpg.Connection, clock: MovableClock
) -> None:
    await refuse(owner, *[clock() - 2 * DAY] * 50, clock() + DAY)
    before = REGISTRY.get_sample_value("orion_rows_pruned_total", {"table": "session_blacklist"}) or 0
    stop = asyncio.Event()
    policy = read_policy(AUTH.metadata)
    running = [asyncio.create_task(keep_pruned(pool, policy, stop, every=0.2)) for pool in (database, *others)]
    for _ in range(100):
        if REGISTRY.get_sample_value("orion_tables_pruned_timestamp_seconds") and len(await expiries(owner)) == 1:
            break
        await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*running), 5)
    assert await expiries(owner) == [clock() + DAY]
    assert REGISTRY.get_sample_value("orion_rows_pruned_total", {"table": "session_blacklist"}) == before + 50
    assert REGISTRY.get_sample_value("orion_rows_due", {"table": "session_blacklist"}) == 0


async def test_it_goes_by_the_clock_of_the_database(
    database: Database, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that believes it is next century removes nothing."""
    await refuse(owner, datetime.now(UTC))
    monkeypatch.setattr("time.time", lambda: 4e9)
    stop = asyncio.Event()
    running = asyncio.create_task(keep_pruned(database, policy_of("session_blacklist"), stop, every=0.05))
    await asyncio.sleep(0.2)
    stop.set()
    await running
    assert len(await expiries(owner)) == 1


async def test_a_database_that_is_away_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    away = Database.connect("postgresql://a:b@127.0.0.1:1/c", role=None, application="test")
    stop = asyncio.Event()
    running = asyncio.create_task(keep_pruned(away, policy_of("rate_limits"), stop, every=0.02))
    await asyncio.sleep(0.2)
    assert not running.done()
    stop.set()
    await asyncio.wait_for(running, 2)


@pytest.mark.parametrize(
    ("words", "duration"),
    [("1 hour", timedelta(hours=1)), ("90 days", 90 * DAY), ("2 weeks", 14 * DAY), (" 1 year ", 365 * DAY)],
)
def test_durations(words: str, duration: timedelta) -> None:
    assert parse_duration(words) == duration
    assert parse_duration(in_words(duration)) == duration


@pytest.mark.parametrize(
    "words", ["", "0 days", "-1 days", "90", "3 months", "1.5 days", "ninety days", "999999 years"]
)
def test_what_is_no_duration(words: str) -> None:
    with pytest.raises(ValueError, match=r"duration|longer"):
        parse_duration(words)


def test_a_setting_overrides_a_declaration_and_no_minimum() -> None:
    def of(overrides: dict[str, str]) -> dict[str, timedelta]:
        return {due.table: due.keep for due in read_policy(AUTH.metadata, overrides)}

    assert of({}) | {"login_attempts": 90 * DAY} == of({"login_attempts": "90 days"})
    for overrides, said in (
        ({"logins": "90 days"}, "there is no table 'logins'; possible are account_recoveries, api_keys, auth_tokens, "),
        ({"identities": "90 days"}, "identities has no retention that could be set"),
        (
            {"login_attempts": "29 days"},
            "login_attempts: '29 days' is too short; its rows are kept for at least 30 days",
        ),
        ({"login_attempts": "soon"}, "login_attempts: 'soon' is no duration"),
    ):
        with pytest.raises(ValueError, match=said):
            read_policy(AUTH.metadata, overrides)


def test_a_batch_is_made_to_fit_its_time() -> None:
    pace = Pace(batch_seconds=0.05, smallest=20, largest=1000)
    assert pace.next(100, 0.05) == 100
    assert pace.next(100, 0.001) == 200, "it grows twofold at most"
    assert (pace.next(900, 0.001), pace.next(100, 5), pace.next(100, 0.1)) == (1000, 20, 50)

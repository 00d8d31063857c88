"""How PostgreSQL carries out what is asked of the security history, of login attempts and of risk. Prints plans.

    python bench/plans.py [--rows 1000000] [--with "CREATE INDEX …"]…

Both tables are filled over half a year, so that there are seven months to open, by 20,000 users of whom some come much
more often than others, from 60,000 addresses and, each time by another address, 20,000 networks of IPv6. Each statement
is the service's own, taken as it leaves it, and is executed five times; the last plan and the median of the times are
told. `--with` tries indexes: all is measured again once they are there. Caches are warm, so what counts is what is read
("Buffers") as much as how long it took.
"""

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from hashlib import md5
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from orion_auth.login_attempts import rules as attempts
from orion_auth.login_attempts import store as attempts_store
from orion_auth.risk import store as risk_store
from orion_auth.security_events import rules as events
from orion_auth.security_events import store as events_store
from orion_core.ids import uuid7_floor
from orion_core.local.postgres import start
from orion_core.service import installed_services
from orion_db import Target, initialize

AUTH = installed_services()["auth"]
DAYS = 180
TIMES = 5

MONTHS = """
DO $$
DECLARE first timestamptz := date_trunc('month', now() - interval '{days} days', 'UTC');
BEGIN
  WHILE first < date_trunc('month', now(), 'UTC') LOOP
    EXECUTE format('CREATE TABLE {table}_%s PARTITION OF {table} FOR VALUES FROM (%L) TO (%L)',
      to_char(first AT TIME ZONE 'UTC', '"y"YYYY"m"MM'), uuidv7_floor(first),
      uuidv7_floor(first + interval '1 month'));
    first := first + interval '1 month';
  END LOOP;
END $$
"""

USER = "md5('user ' || u.n)::uuid"

DRAWN = """
FROM generate_series({first}, {last}) AS row (n),
  LATERAL (SELECT now() - interval '{days} days' * (1 - row.n / {rows}::float8), random(), random(), random())
    AS drawn (at, one, two, three),
  LATERAL (SELECT floor(20000 * drawn.one ^ 2)::int) AS u (n),
  LATERAL (SELECT CASE WHEN drawn.one < 0.7
    THEN '10.0.0.0'::inet + floor(60000 * drawn.two ^ 2)::int
    ELSE ('2001:db8:' || to_hex(floor(20000 * drawn.two ^ 4)::int) || '::')::inet + row.n END) AS a (address)
"""
"""Even in time; some users and some addresses far more often than others."""

ATTEMPTS = f"""
INSERT INTO login_attempts (
  id, user_id, email, status, method, is_suspicious, is_blocked, risk_score, failure_reason, ip_address, country,
  user_agent, device_id, attempted_at, duration_ms, metadata
)
SELECT
  uuidv7(drawn.at - clock_timestamp()), CASE WHEN drawn.three < 0.95 THEN {USER} END, 'user' || u.n || '@example.com',
  s.status::login_attempt_status, 'PASSWORD', s.status = 'SUSPICIOUS', s.status = 'BLOCKED', (100 * drawn.one)::int,
  CASE WHEN s.status = 'FAILED' THEN 'WRONG_PASSWORD' END, a.address, 'NO',
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'device-' || u.n, drawn.at, 40,
  CASE WHEN s.status <> 'FAILED' THEN jsonb_build_object('risk', jsonb_build_object(
    'verdict', 'ALLOW', 'policy_version', 1, 'signals', jsonb_build_object(
      'has_signed_in_before', true, 'is_new_device', false, 'speed', 12.5, 'days_away', 1, 'share_of_hour', 0.4
    ))) ELSE '{{{{}}}}' END
{DRAWN},
  LATERAL (SELECT CASE WHEN drawn.three < 0.7 THEN 'SUCCESS' WHEN drawn.three < 0.97 THEN 'FAILED'
    WHEN drawn.three < 0.99 THEN 'BLOCKED' ELSE 'SUSPICIOUS' END) AS s (status)
"""

EVENTS = f"""
INSERT INTO security_events (
  id, user_id, event_type, category, severity, title, details, ip_address, user_agent, tags, occurred_at
)
SELECT
  uuidv7(drawn.at - clock_timestamp()), {USER}, k.type, k.category::security_event_category,
  k.severity::security_event_severity, 'Something happened', '{{{{}}}}', a.address,
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  CASE WHEN drawn.three < 0.0002 THEN ARRAY['incident-7'] ELSE '{{{{}}}}' END, drawn.at
{DRAWN},
  LATERAL (SELECT * FROM (VALUES
    (0.0001, 'passkey.cloned', 'TWO_FACTOR', 'CRITICAL'), (0.001, 'account.suspended', 'ADMINISTRATION', 'HIGH'),
    (0.1, 'password.changed', 'PASSWORD', 'MEDIUM'), (0.4, 'device.new', 'DEVICE', 'MEDIUM'),
    (1.0, 'session.proof_given', 'SESSION', 'LOW')
  ) AS kinds (below, type, category, severity) WHERE drawn.three < below ORDER BY below LIMIT 1) AS k
"""

Ask = Callable[[AsyncConnection], Awaitable[Any]]


def attempt(after: tuple[datetime, UUID] | None = None, **wanted: Any) -> Ask:
    """A page of attempts."""
    return lambda connection: attempts_store.search(connection, attempts.Wanted(**wanted), after, 51)


def happened(before: UUID | None = None, **wanted: Any) -> Ask:
    """A page of events."""
    return lambda connection: events_store.search(connection, events.Wanted(**wanted), before=before, limit=51)


def asked(now: datetime) -> dict[str, Ask]:
    """Every question, as the service asks it."""
    often, seldom = (UUID(bytes=_md5(f"user {n}")) for n in (3, 19_500))
    busy, address = ip_address("10.0.0.1"), ip_address("10.0.200.7")
    month_ago, week_ago = now - timedelta(days=30), now - timedelta(days=7)

    def exported(**wanted: Any) -> Ask:
        return lambda connection: events_store.read_on(
            connection, events.Wanted(**wanted), after=None, before=now, limit=500
        )

    def gathered(user: UUID, from_address: Any) -> Ask:
        return _signals({"user_id": user, "ip_address": from_address, "country": "NO", "now": now})

    def history(after: UUID, since: datetime) -> Ask:
        return lambda connection: risk_store.history(connection, after, since, now, 500)

    status, category, severity = attempts.LoginAttemptStatus, events.SecurityEventCategory, events.SecurityEventSeverity
    return {
        "attempts of a user, as he sees them": attempt(user_id=often),
        "attempts of a user, a late page": attempt((month_ago, uuid7_floor(month_ago)), user_id=often),
        "attempts of a user who seldom comes": attempt(user_id=seldom),
        "attempts at an address": attempt(email="user3@example.com"),
        "attempts at an address that failed": attempt(email="user3@example.com", status=status.FAILED),
        "attempts from a busy address": attempt(network=ip_network(f"{busy}/32")),
        "attempts from a network": attempt(network=ip_network("10.0.200.0/24")),
        "attempts that were suspicious": attempt(is_suspicious=True),
        "attempts that were stopped": attempt(status=status.BLOCKED),
        "attempts of a week": attempt(since=week_ago, until=now),
        "all attempts": attempt(),
        "events of a user, as he sees them": happened(user_id=often),
        "events of a user, a late page": happened(uuid7_floor(month_ago), user_id=often),
        "events of a user who seldom comes": happened(user_id=seldom),
        "events of a user and of a type": happened(user_id=often, type="password.changed"),
        "events of a frequent type": happened(type="device.new"),
        "events of a rare type": happened(type="passkey.cloned"),
        "events of a rare type, of a week": happened(type="passkey.cloned", since=week_ago),
        "events of a type that never happened": happened(type="recovery.completed"),
        "events of a frequent category": happened(category=category.DEVICE),
        "events of a rare category": happened(category=category.ADMINISTRATION),
        "events that are critical": happened(severity=severity.CRITICAL),
        "events that are high, of a month": happened(severity=severity.HIGH, since=month_ago),
        "events from a busy address": happened(ip_address=busy),
        "events from an address": happened(ip_address=address),
        "events with a tag": happened(tag="incident-7"),
        "all events": happened(),
        "the first page of all events exported": exported(),
        "the first page of a rare type exported": exported(type="passkey.cloned"),
        "a sign-in: risk, of a user who often comes": gathered(often, address),
        "a sign-in: risk, from a busy address": gathered(seldom, busy),
        "a sign-in: risk, from a busy network of IPv6": gathered(seldom, ip_address("2001:db8::1")),
        "a simulation: its first page": history(UUID(int=0), month_ago),
        "a simulation: a later page": history(uuid7_floor(week_ago), month_ago),
    }


def _signals(values: dict[str, Any]) -> Ask:
    """By way of SQLAlchemy, which tells what it sends."""
    statement = risk_store.SIGNALS
    return lambda connection: connection.exec_driver_sql(statement.sql, tuple(statement.arguments(values)))


def _md5(text: str) -> bytes:
    return md5(text.encode(), usedforsecurity=False).digest()


async def main(rows: int, indexes: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = start(Path(folder) / "postgres")
        try:
            url = f"{server.admin_url.rpartition('/')[0]}/orion_auth"
            await initialize(Target(AUTH, url, url), seeds=True)
            await measure(url, rows, indexes)
        finally:
            server.stop("immediate")


async def measure(url: str, rows: int, indexes: list[str]) -> None:
    """Fill, ask, and ask again with more indexes."""
    engine = create_async_engine(re.sub(r"^postgres(ql)?://", "postgresql+asyncpg://", url), pool_size=1)
    said: list[tuple[str, Any]] = []
    event.listen(
        engine.sync_engine, "before_cursor_execute", lambda _, __, words, values, *___: said.append((words, values))
    )
    async with engine.connect() as opened:
        connection = await opened.execution_options(isolation_level="AUTOCOMMIT")
        for table, insert in (("login_attempts", ATTEMPTS), ("security_events", EVENTS)):
            await connection.exec_driver_sql(MONTHS.format(table=table, days=DAYS))
            began = time.perf_counter()
            for first in range(1, rows + 1, 100_000):
                last = min(first + 99_999, rows)
                await connection.exec_driver_sql(insert.format(first=first, last=last, rows=rows, days=DAYS))
            await connection.exec_driver_sql(f"VACUUM ANALYZE {table}")
            print(f"{table}: {rows} rows in {time.perf_counter() - began:.0f} s")
        before = await ask_all(connection, said)
        if not indexes:
            return
        for index in indexes:
            began = time.perf_counter()
            await connection.exec_driver_sql(index)
            print(f"{index}: {time.perf_counter() - began:.0f} s")
        await connection.exec_driver_sql("VACUUM ANALYZE login_attempts, security_events")
        after = await ask_all(connection, said)
        for name, milliseconds in before.items():
            print(f"{milliseconds:10.2f} ms -> {after[name]:10.2f} ms  {name}")
    await engine.dispose()


async def ask_all(connection: AsyncConnection, said: list[tuple[str, Any]]) -> dict[str, float]:
    """Ask everything; tell the plans, and give the median milliseconds."""
    found: dict[str, float] = {}
    for name, ask in asked(datetime.now(UTC)).items():
        said.clear()
        await ask(connection)
        words, values = said[-1]
        times: list[float] = []
        plan = ""
        for _ in range(TIMES):
            told = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {words}", values)
            plan = "\n".join(line for (line,) in told if "(never executed)" not in line)
            times.append(float(re.findall(r"Execution Time: ([0-9.]+) ms", plan)[0]))
        found[name] = statistics.median(times)
        print(f"\n== {name}: {found[name]:.2f} ms\n{plan}")
    print("\n" + "\n".join(f"{milliseconds:10.2f} ms  {name}" for name, milliseconds in found.items()) + "\n")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Plans of the statements that read history.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--with", dest="indexes", action="append", default=[], metavar="SQL")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.rows, arguments.indexes))

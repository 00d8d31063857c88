"""What "who may do it" costs among a million users: pages of a hundred, from the first to the last. Prints JSON.

    python bench/who.py [--users 1000000] [--ended 0] [--plans]

A PostgreSQL of its own. Everybody has the role `user`; one in a thousand is an editor, and the first `--ended` users
were once; one in five hundred moderates one organization; one in a hundred may not read users (denied directly), one in
a hundred is suspended. Each question is asked 21 times of the action behind `/access/v1/search/subject`, by one client,
with the deciding in Python; it ends with 1 when the median of a page is above 25 ms. `--plans` prints EXPLAIN (ANALYZE,
BUFFERS) of what was asked of PostgreSQL last.

Grants that ended within the last hour are passed over one by one, in about 0.1 ms a thousand; those before are swept
out of what is asked. The sweep is run before the questions, and timed.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from listening import Said, listening
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.local.postgres import start
from orion_core.service import installed_services
from orion_db import Target, initialize
from orion_user.access.sweeping import sweep
from orion_user.decisions.actions import Moment, subjects_who
from orion_user.decisions.rules import Question, Resource, Subject

USER = installed_services()["user"]
PAGE = 100
TIMES = 21
LONGEST = 25.0
ORGANIZATION = UUID("00000000-0000-7000-a000-000000000001")

OF = "('00000000-0000-7000-9000-' || lpad(to_hex({}), 12, '0'))::uuid"
USERS = f"""
INSERT INTO users (id, email, status)
SELECT {OF.format("n")}, n || '@bench.example.com',
  CAST(CASE WHEN n % 100 = 50 THEN 'SUSPENDED' ELSE 'ACTIVE' END AS user_status)
FROM generate_series($1::int, $2::int) AS n
"""
ORGANIZATIONS = f"""
INSERT INTO organizations (id, name, slug, owner_id) VALUES ('{ORGANIZATION}', 'Bench', 'bench', {OF.format("1")})
"""
ROLES = f"""
INSERT INTO user_roles (user_id, role_id, scope, scope_id, starts_at, expires_at)
SELECT {OF.format("n")}, roles.id, CAST(given.scope AS permission_scope), given.scope_id, now() - interval '9 days',
  given.expires_at
FROM generate_series($1::int, $2::int) AS n
CROSS JOIN LATERAL (VALUES
  ('user', 'GLOBAL', NULL::uuid, NULL::timestamptz, true),
  ('editor', 'GLOBAL', NULL, NULL, n % 1000 = 7),
  ('editor', 'GLOBAL', NULL, now() - interval '1 day', n <= $3::int AND n % 1000 <> 7),
  ('moderator', 'ORG', '{ORGANIZATION}', NULL, n % 500 = 11)
) AS given (role, scope, scope_id, expires_at, is_given)
JOIN roles ON roles.name = given.role
WHERE given.is_given
"""
DENIED = f"""
INSERT INTO user_permissions (user_id, permission_id, effect, starts_at)
SELECT {OF.format("n")}, permissions.id, 'DENY', now() - interval '9 days'
FROM generate_series($1::int, $2::int) AS n JOIN permissions ON permissions.name = 'user:read'
WHERE n % 100 = 3
"""
DIRECT = f"""
INSERT INTO user_permissions (user_id, permission_id, starts_at)
SELECT {OF.format("n")}, permissions.id, now() - interval '9 days'
FROM generate_series($1::int, $2::int) AS n JOIN permissions ON permissions.name = 'system:read'
WHERE n % 3 = 0
"""
GRANTS = f"""
SELECT add_user_grants(ARRAY(
  SELECT id FROM user_roles WHERE user_id BETWEEN {OF.format("$1::int")} AND {OF.format("$2::int")}
  UNION ALL
  SELECT id FROM user_permissions WHERE user_id BETWEEN {OF.format("$1::int")} AND {OF.format("$2::int")}
))
"""
"""What the triggers would have done."""
AT_ONCE = 100_000

ASKED: dict[str, tuple[str, str | None]] = {
    "what all may (a million)": ("user:read", None),
    "what editors may (a thousand)": ("content:publish", None),
    "what a third may directly": ("system:read", None),
    "what moderators may in an organization (2,000)": ("user:suspend", str(ORGANIZATION)),
    "what nobody may": ("system:configure", None),
}


async def fill(url: str, users: int, ended: int) -> None:
    """All of it; the constraints that look at each row come back at the end."""
    connection = await asyncpg.connect(url)
    await connection.execute("SET synchronous_commit = off")
    kept = [
        (table, f"ex_{table}_overlap", await connection.fetchval(DEFINITION, f"ex_{table}_overlap"))
        for table in ("user_roles", "user_permissions")
    ]
    for table, name, _ in kept:
        await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for first in range(1, users + 1, AT_ONCE):
        last = min(first + AT_ONCE - 1, users)
        await connection.execute(USERS, first, last, timeout=600)
        if first == 1:
            await connection.execute(ORGANIZATIONS)
        await connection.execute(ROLES, first, last, ended, timeout=600)
        await connection.execute(DENIED, first, last, timeout=600)
        await connection.execute(DIRECT, first, last, timeout=600)
        await connection.execute(GRANTS, first, last, timeout=600)
    for table, name, definition in kept:
        await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}", timeout=600)
        await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    await connection.execute("VACUUM ANALYZE", timeout=600)
    await connection.close()


DEFINITION = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1"


async def sweep_all(url: str) -> None:
    """What the service does every ten minutes."""
    database = Database.connect(url, role=USER.service_role, application="bench")
    began, swept = time.perf_counter(), 0
    while (count := await sweep(database, system_clock)) > 0:
        swept += count
    print(json.dumps({"swept": swept, "seconds": round(time.perf_counter() - began, 1)}), flush=True)
    await database.close()


async def ask(connection: AsyncConnection, permission: str, organization: str | None, after: UUID | None) -> Any:
    """A page, after whom to go on, and the milliseconds that it took."""
    properties = {} if organization is None else {"organization_id": organization}
    question = Question(Subject("user", "", {}), permission, Resource("user", "", properties), {})
    began = time.perf_counter()
    page, following = await subjects_who(connection, question, Moment(datetime.now(UTC)), after, PAGE)
    return page, following, (time.perf_counter() - began) * 1000


async def measure(connection: AsyncConnection, users: int, said: Said, *, plans: bool) -> float:
    """Print a line for each question; the longest median."""
    middle = UUID(f"00000000-0000-7000-9000-{users // 2:012x}")
    almost_last = UUID(f"00000000-0000-7000-9000-{users - 50_000:012x}")
    worst = 0.0
    for name, (permission, organization) in ASKED.items():
        for place, after in (("first", None), ("middle", middle), ("late", almost_last)):
            taken: list[float] = []
            found: list[UUID] = []
            del said[:]
            for _ in range(TIMES):
                found, _, took = await ask(connection, permission, organization, after)
                taken.append(took)
            median = statistics.median(taken)
            worst = max(worst, median)
            figures = {"page": place, "users": len(found), "ms": round(median, 2), "longest_ms": round(max(taken), 2)}
            print(json.dumps({"asked": name, **figures, "statements": len(said) // TIMES}), flush=True)
            if plans:
                for words, values in said[-2:]:
                    rows = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {words}", values)
                    print("\n".join(f"    {line}" for (line,) in rows))
    return worst


async def main(users: int, ended: int, *, plans: bool) -> bool:
    """Fill a database and ask."""
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = start(Path(folder) / "postgres")
        try:
            url = f"{server.admin_url.rpartition('/')[0]}/orion_users"
            await initialize(Target(USER, url, url), seeds=True)
            began = time.perf_counter()
            await fill(url, users, ended)
            print(json.dumps({"users": users, "filled_in_seconds": round(time.perf_counter() - began, 1)}), flush=True)
            await sweep_all(url)
            async with listening(url) as (connection, said):
                return await measure(connection, users, said, plans=plans) <= LONGEST
        finally:
            server.stop("immediate")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--ended", type=int, default=0)
    parser.add_argument("--plans", action="store_true")
    arguments = parser.parse_args()
    raise SystemExit(0 if asyncio.run(main(arguments.users, arguments.ended, plans=arguments.plans)) else 1)

"""Races of revoking a grant against checking it, over several processes: no allow after a revoke was committed.

One process revokes users' grants one by one and notes each, in memory that all share, once its commit was confirmed.
The others check those users meanwhile, each from rights in its own memory (`core/rights/decider.py`) and by the
statement of a decision in turn: they look at the note first, so an allow after a note is one too many. The revokes
are, in turn, a deletion, an end, a denial, and a suspension of the user. Prints JSON; ends with 1 when any was stale.

    python bench/authz_races.py [races [processes]]

Seen on two busy cores: 100,000 races in four runs of 25,000, with 371,313 checks over three processes, 0 stale.
"""

import asyncio
import ctypes
import json
import multiprocessing
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from orion_core.conditions.condition import Facts
from orion_core.database import Database
from orion_core.local import postgres
from orion_core.rights.decider import Decider, Rights
from orion_core.rights.decisions import decide
from orion_core.service import installed_services
from orion_core.testing.databases import Databases
from orion_user.access.actions import sayings
from orion_user.access.rules import Asked
from orion_user.decisions import store

USERS = """
INSERT INTO users (id, email, status)
SELECT ('00000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, n || '@bench.example.com', 'ACTIVE'
FROM generate_series(0, $1::int - 1) AS n
"""
ROLES = """
INSERT INTO roles (id, name, display_name)
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'bench' || n, 'b'
FROM generate_series(0, $1::int - 1) AS n
"""
ALLOWED = """
INSERT INTO role_permissions (role_id, permission_id)
SELECT role.id, permission.id FROM roles AS role JOIN permissions AS permission ON permission.name = 'content:update'
WHERE role.name LIKE 'bench%'
"""
GRANTS = """
INSERT INTO user_roles (user_id, role_id, starts_at)
SELECT ('00000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid,
  ('00000000-0000-7000-8000-' || lpad(to_hex(n % 1000), 12, '0'))::uuid, now() - interval '1 day'
FROM generate_series(0, $1::int - 1) AS n
"""
REVOKES = (
    "DELETE FROM user_roles WHERE user_id = $1",
    "UPDATE user_roles SET expires_at = now() - interval '1 second' WHERE user_id = $1",
    """
    INSERT INTO user_permissions (user_id, permission_id, effect, starts_at)
    SELECT $1, id, 'DENY', now() - interval '1 second' FROM permissions WHERE name = 'content:update'
    """,
    "UPDATE users SET status = 'SUSPENDED' WHERE id = $1",
)
PERMISSION = "content:update"
ROLES_COUNT = 1000

Turn = Any
"""A number that all processes share (multiprocessing's types are not what it gives)."""
Notes = Any


def user(number: int) -> UUID:
    """The id of one of the users."""
    return UUID(f"00000000-0000-7000-9000-{number:012x}")


def bare(now: datetime) -> Facts:
    """Facts for grants without conditions."""
    return Facts(now, {}, {}, {}, {})


async def check(url: str, races: int, turn: Turn, notes: Notes, found: Notes, ready: Any) -> None:
    """Check the users that are about to be revoked, until the last was."""
    database = Database.connect(url, role=installed_services()["user"].service_role, application="bench", pool_size=2)

    async def refresh(user_id: UUID, known: str | None) -> Rights | None:
        async with database.autocommit() as connection:
            return await store.rights(connection, user_id, known, datetime.now(UTC))

    decider, checks, allowed, stale = Decider(refresh), 0, 0, 0

    async def kept(number: int) -> tuple[bool, bool]:
        was_revoked = bool(notes[number])
        return was_revoked, (await decider.rights(user(number))).allows(PERMISSION, datetime.now(UTC))

    async def asked(number: int) -> tuple[bool, bool]:
        was_revoked, now = bool(notes[number]), datetime.now(UTC)
        said = await sayings(database, Asked(user(number), PERMISSION, now, frozenset()))
        return was_revoked, decide(said, bare(now)).allowed

    await decider.rights(user(races))  # connected
    await asyncio.to_thread(ready.wait)
    while (at := turn.value) < races:
        numbers = range(max(0, at - 1), min(races, at + 3))
        for was_revoked, may in [
            *[await kept(number) for number in numbers],
            *await asyncio.gather(*map(asked, numbers)),
        ]:
            checks += 1
            allowed += may
            stale += may and was_revoked
    await database.close()
    for position, count in enumerate((checks, allowed, stale)):
        with found.get_lock():
            found[position] += count


def checking(url: str, races: int, turn: Turn, notes: Notes, found: Notes, ready: Any) -> None:
    """A process that checks."""
    asyncio.run(check(url, races, turn, notes, found, ready))


async def revoke(owner_url: str, races: int, turn: Turn, notes: Notes) -> None:
    """Revoke one grant after the other, and note each when its commit is confirmed."""
    connection = await asyncpg.connect(owner_url)
    for number in range(races):
        turn.value = number
        await connection.execute(REVOKES[number % len(REVOKES)], user(number))
        notes[number] = 1
        await asyncio.sleep(0.001)  # a moment for the others to ask once it is noted
    turn.value = races
    await connection.close()


async def race(admin_url: str, races: int, processes: int) -> bool:
    """All races; whether none was stale."""
    service = installed_services()["user"]
    async with Databases(admin_url).clone("user") as made:
        owner = Database.connect(made.owner_url, role=service.owner_role, application="bench")
        async with owner.transaction() as transaction:
            await service.seed(transaction.connection, "reference")
        await owner.close()
        raw = await asyncpg.connect(made.owner_url)
        await raw.execute(ROLES, ROLES_COUNT)
        await raw.execute(ALLOWED)
        await raw.execute(USERS, races, timeout=600)
        await raw.execute(GRANTS, races, timeout=600)
        await raw.execute("VACUUM ANALYZE", timeout=600)
        await raw.close()
        context = multiprocessing.get_context("spawn")
        turn = context.Value(ctypes.c_long, 0)
        ready = context.Barrier(processes + 1)
        notes, found = context.Array(ctypes.c_byte, races), context.Array(ctypes.c_long, 3)
        workers = [
            context.Process(target=checking, args=(made.url, races, turn, notes, found, ready))
            for _ in range(processes)
        ]
        for worker in workers:
            worker.start()
        await asyncio.to_thread(ready.wait)
        began = time.perf_counter()
        await revoke(made.owner_url, races, turn, notes)
        for worker in workers:
            await asyncio.to_thread(worker.join)
        checks, allowed, stale = found
        seconds = round(time.perf_counter() - began, 1)
        figures = {"races": races, "processes": processes, "checks": checks, "allowed": allowed, "stale": stale}
        print(json.dumps({**figures, "seconds": seconds}))
        return stale == 0 and checks > 0 and all(worker.exitcode == 0 for worker in workers)


def main() -> None:
    """Race."""
    races = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        server = postgres.start(Path(folder) / "postgres", durable=False)
        try:
            ended_well = asyncio.run(race(server.admin_url, races, processes))
        finally:
            server.stop("immediate")
    sys.exit(0 if ended_well else 1)


if __name__ == "__main__":
    main()

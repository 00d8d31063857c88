"""What the audit trail costs a change, whether tampering is found, and how long searches take. Prints JSON.

    python bench/audit.py [cost|tampering|search|export]...

`cost`: changes of a profile by the action behind `PATCH /me`, with and without their entry in turn, so that whatever
else the machine does falls on both; by one client and by eight. HTTP is left out, which would make the share smaller;
the database is nearby and writes to disk, as services and database do.
`tampering`: 10,000 times something is edited, deleted, swapped, cut off, added or moved in an export, and 300 times in
the database itself, past all its guards. All were found.
`search`: pages of a trail of a million entries, the first and the 20th, by every filter that has an index and some that
have none; also by one who did all that he did at the very beginning. `export`: all of that trail as NDJSON, and how
much memory it takes. On one embedded PostgreSQL with its default settings (fsync on).
"""

import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from hashlib import md5
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import asyncpg
import orjson
import psutil
from packages.user.tests.audit.tampering import encoded, tamper

from orion_contracts.events import IdentityRegistered
from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.events.feed import Feed
from orion_core.events.outbox import Outbox
from orion_core.ids import uuid7
from orion_core.local.postgres import start
from orion_core.sealing import Keyring
from orion_core.service import installed_services, service_role
from orion_core.wakeup import Wakeup
from orion_db import Target, initialize
from orion_user.audit import actions as audit
from orion_user.audit import proofs, search_store
from orion_user.audit.actions import Actor, Change, erase, record
from orion_user.audit.checkpoints import extend
from orion_user.audit.rules import ActorType, AuditStatus, Wanted
from orion_user.audit_logs.shapes import ndjson
from orion_user.me import actions as me
from orion_user.me.shapes import ProfileChanges
from orion_user.users import actions as users

USER = installed_services()["user"]
KEYRING = Keyring.parse(Keyring.new_key("k1"))
CHANGES = 3_000
ROWS = 1_000_000
PAGE = 50


async def main(parts: list[str]) -> dict[str, Any]:
    """Run the parts, one after the other."""
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = start(Path(folder) / "postgres", durable=True)
        try:
            url = f"{server.admin_url.rpartition('/')[0]}/orion_users"
            await initialize(Target(USER, url, url), seeds=True)
            database = Database.connect(url, role=service_role("user"), application="bench")
            found = {part: await PARTS[part](database, url) for part in parts}
            await database.close()
            return found
        finally:
            server.stop("immediate")


async def cost(database: Database, url: str) -> dict[str, Any]:
    """What a change takes with and without its entry, in milliseconds."""
    outbox = Outbox(Feed(database, Wakeup(url, "outbox"), source="user"))
    ids = [uuid7() for _ in range(8)]
    for n, user_id in enumerate(ids):
        event = {"user_id": user_id, "email": f"{n}@example.com", "registered_at": system_clock(), "locale": "en"}
        async with database.transaction() as transaction:
            registered = IdentityRegistered.model_validate(event | {"timezone": "UTC"})
            await users.create(transaction, registered, outbox, system_clock())
    found: dict[str, Any] = {}
    for clients in (1, 8):
        times = await _in_turn(database, ids[:clients], CHANGES)
        without, with_entry = (statistics.median(values) for values in times)
        found[f"{clients} clients"] = {
            "without_ms": round(without, 3),
            "with_entry_ms": round(with_entry, 3),
            "more_percent": round((with_entry / without - 1) * 100, 1),
        }
    return found


async def _in_turn(database: Database, ids: list[UUID], changes: int) -> tuple[list[float], list[float]]:
    """Changes in blocks of a hundred, without and with an entry."""
    times: tuple[list[float], list[float]] = ([], [])

    async def nothing(*_: object) -> None: ...

    async def client(user_id: UUID, count: int, into: list[float]) -> None:
        session_id, browser = uuid7(), "Mozilla/5.0 (X11; Linux x86_64)"
        for _ in range(count):
            actor = Actor(ActorType.USER, user_id, session_id=session_id, request_id=str(uuid4()), user_agent=browser)
            name = f"Ada {random.random()}"
            wanted = ProfileChanges.model_validate({"name": name, "bio": f"About {name}"})
            began = time.perf_counter()
            await me.change(database, user_id, wanted, actor, system_clock(), lambda _: None)
            into.append((time.perf_counter() - began) * 1000)

    real = audit.record
    for block in range(changes // 100 * 2):
        is_recorded = block % 2 == 1
        with mock.patch.object(audit, "record", real if is_recorded else nothing):
            share = 100 // len(ids)
            await asyncio.gather(*(client(user_id, share, times[is_recorded]) for user_id in ids))
    return times


async def _trail(database: Database, checkpoints: int, each: int) -> list[bytes]:
    """A trail with an erasure in it, written out."""
    ada = uuid7()
    for n in range(checkpoints):
        for m in range(each):
            async with database.transaction() as transaction:
                actor = Actor(ActorType.USER, uuid7(), request_id=f"r-{m}", user_agent="Browser")
                change = Change("role.update", "role", str(m), ada if n == 1 else None, {"name": m}, {"name": m + 1})
                await record(transaction, actor, change, system_clock())
        while await extend(database, KEYRING, system_clock()):
            pass
    async with database.transaction() as transaction:
        await erase(transaction, ada, system_clock())
    return [line async for line in proofs.lines(database)]


async def tampering(database: Database, url: str) -> dict[str, Any]:
    """How much of what was done was found."""
    lines = [orjson.loads(line) for line in await _trail(database, 8, 12)]
    now = system_clock()
    intact = proofs.verify_lines(encoded(lines), now)
    assert intact.is_intact, intact
    expected, chance = [proofs.parse_head(intact.head or "")], random.Random(1)
    done: dict[str, int] = {}
    missed: list[str] = []
    for _ in range(10_000):
        what, changed = tamper(lines, chance)
        done[what] = done.get(what, 0) + 1
        if proofs.verify_lines(encoded(changed), now, expected=expected).is_intact:
            missed.append(what)
    return {"in_an_export": sum(done.values()), "missed": missed, "by_kind": done, **await _in_database(database, url)}


EMPTY = (
    "UPDATE audit_logs SET salt = NULL, old_values = NULL, new_values = NULL, error = NULL, ip_address = NULL, "
    "user_agent = NULL, erased_at = now() WHERE id = $1"
)
IN_DATABASE = (
    "UPDATE audit_logs SET action = action || 'x' WHERE id = $1",
    'UPDATE audit_logs SET new_values = \'{"name": "x"}\' WHERE id = $1',
    "UPDATE audit_logs SET actor_id = gen_random_uuid() WHERE id = $1",
    "UPDATE audit_logs SET timestamp = timestamp + interval '1 ms' WHERE id = $1",
    EMPTY,
    "UPDATE audit_logs SET updated_at = updated_at + interval '1 ms' WHERE id = $1",
    "DELETE FROM audit_logs WHERE id = $1",
    "DELETE FROM audit_logs WHERE id >= $1",
    "DELETE FROM audit_checkpoints WHERE $1 = ANY(leaf_ids)",
    "UPDATE audit_checkpoints SET leaf_ids = array_remove(leaf_ids, $1) WHERE $1 = ANY(leaf_ids)",
)


async def _in_database(database: Database, url: str) -> dict[str, Any]:
    """The same by a superuser who switches the triggers off, and puts everything back after each time."""
    connection = await asyncpg.connect(url)
    await connection.execute("SET session_replication_role = replica")
    ids = [row["id"] for row in await connection.fetch("SELECT unnest(leaf_ids) AS id FROM audit_checkpoints")]
    untouched = [row["id"] for row in await connection.fetch("SELECT id FROM audit_logs WHERE erased_at IS NULL")]
    head = (await proofs.verify_database(database, system_clock())).head
    expected, chance, missed = [proofs.parse_head(head or "")], random.Random(2), 0
    await connection.execute("CREATE TABLE kept_logs AS TABLE audit_logs")
    await connection.execute("CREATE TABLE kept_checkpoints AS TABLE audit_checkpoints")
    for n in range(300):
        statement = IN_DATABASE[n % len(IN_DATABASE)]
        whose = (
            [row_id for row_id in ids if row_id in set(untouched)]
            if "salt" in statement or "new_v" in statement
            else ids
        )
        await connection.execute(statement, chance.choice(whose))
        missed += (await proofs.verify_database(database, system_clock(), expected=expected)).is_intact
        await connection.execute("DELETE FROM audit_logs; DELETE FROM audit_checkpoints")
        await connection.execute("INSERT INTO audit_logs SELECT * FROM kept_logs")
        await connection.execute("INSERT INTO audit_checkpoints SELECT * FROM kept_checkpoints")
    await connection.close()
    return {"in_the_database": 300, "missed_in_the_database": missed}


FILL = """
INSERT INTO audit_logs (id, service, actor_type, actor_id, user_id, action, resource_type, resource_id, status, salt,
                        commitment, leaf_hash, new_values, changed_fields, timestamp)
SELECT overlay(uuidv7()::text PLACING substring(uuidv7_floor(moment)::text FOR 13) FROM 1 FOR 13)::uuid, 'user', 'USER',
       md5(CASE WHEN n <= 8000 THEN 'early' WHEN n % 3 = 0 THEN 'busy' ELSE (n % 1000)::text END)::uuid,
       md5((n % 50000)::text)::uuid,
       CASE WHEN n <= 3000 THEN 'user.erase' WHEN n % 5000 = 0 THEN 'audit.export' ELSE 'role.update' END,
       'role', (n % 2000)::text, (CASE WHEN n % 10000 = 1 THEN 'DENIED' ELSE 'SUCCESS' END)::audit_status,
       sha256('s'), sha256('c'), sha256('l'), '{"name": "a name"}', '{name}', moment
FROM generate_series($1::int, $2::int) AS n, LATERAL (SELECT now() - ($3 - n) * interval '2 s') AS m (moment)
"""


def _id(name: str) -> UUID:
    return UUID(md5(name.encode(), usedforsecurity=False).hexdigest())


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    if await connection.fetchval("SELECT count(*) FROM audit_logs") < ROWS:
        for first in range(1, ROWS + 1, 50_000):
            await connection.execute(FILL, first, first + 49_999, ROWS)
        await connection.execute("VACUUM ANALYZE audit_logs")
    await connection.close()


async def search(database: Database, url: str) -> dict[str, Any]:
    """Milliseconds of pages, at the median."""
    await _fill(url)
    now = datetime.now(UTC)
    asked = {
        "all": Wanted(),
        "of a user (20)": Wanted(user_id=_id("77")),
        "by an actor (670)": Wanted(actor_id=_id("7")),
        "by the busiest (a third)": Wanted(actor_id=_id("busy")),
        "by one of long ago (8,000)": Wanted(actor_id=_id("early")),
        "the same, of the last 20 days (none)": Wanted(actor_id=_id("early"), since=now - timedelta(days=20)),
        "of a role (500)": Wanted(resource_type="role", resource_id="7"),
        "an action of long ago (3,000)": Wanted(action="user.erase"),
        "a rare action (200)": Wanted(action="audit.export"),
        "a rare action of the busiest": Wanted(action="audit.export", actor_id=_id("busy")),
        "an action that was never": Wanted(action="x.y"),
        "of a day": Wanted(since=now - timedelta(days=3), until=now - timedelta(days=2)),
        "denied (100)": Wanted(status=AuditStatus.DENIED),
        "of a request (none)": Wanted(request_id="r-1"),
        "of a session (none)": Wanted(session_id=_id("7")),
        "of an address (none), without an index": Wanted(ip_address=ip_address("192.0.2.1")),
    }
    found: dict[str, Any] = {}
    for name, wanted in asked.items():
        before: UUID | None = None
        found[name] = [await _timed(lambda wanted=wanted: _page(database, wanted, None))]
        for _ in range(19):
            rows = await _page(database, wanted, before)
            if len(rows) <= PAGE:
                break
            before = rows[PAGE - 1]["id"]
        else:
            found[name].append(await _timed(lambda wanted=wanted, before=before: _page(database, wanted, before)))
    before = None
    for _ in range(999):
        before = (await _page(database, Wanted(), before))[PAGE - 1]["id"]
    found["all, page 1,000"] = await _timed(lambda: _page(database, Wanted(), before))
    return found


async def export(database: Database, url: str) -> dict[str, Any]:
    """All of the trail written out: how long it takes, and megabytes of memory before, at most, and after."""
    await _fill(url)
    process, count, size = psutil.Process(), 0, 0
    memory = [process.memory_info().rss]
    began = time.perf_counter()
    async for rows in audit.pages(database, Wanted(), datetime.now(UTC)):
        size += len(ndjson(rows))
        count += len(rows)
        if count % 50_000 == 0:
            memory.append(process.memory_info().rss)
    return {
        "entries": count,
        "megabytes": round(size / 1e6),
        "seconds": round(time.perf_counter() - began, 1),
        "memory_mb": [round(taken / 1e6) for taken in (memory[0], memory[1], max(memory), memory[-1])],
    }


async def _page(database: Database, wanted: Wanted, before: UUID | None) -> Any:
    async with database.autocommit() as connection:
        return await search_store.search(connection, wanted, before, PAGE + 1)


async def _timed(work: Callable[[], Awaitable[Any]]) -> float:
    times: list[float] = []
    for _ in range(20):
        began = time.perf_counter()
        await work()
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times), 2)


PARTS = {"cost": cost, "tampering": tampering, "search": search, "export": export}

if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1:] or list(PARTS))), indent=2))

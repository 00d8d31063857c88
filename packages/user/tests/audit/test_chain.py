"""Checkpoints cover every entry once it is committed, and whatever is done to the trail afterwards is found."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packages.user.tests.audit.tampering import encoded, tamper
from sqlalchemy import text

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock
from orion_user.audit import chain_store, checkpoints, merkle, proofs
from orion_user.audit.actions import SYSTEM, Actor, Change, Origin, erase, record
from orion_user.audit.checkpoints import extend
from orion_user.audit.rules import ActorType
from orion_user.audit.verification import Findings

if TYPE_CHECKING:
    from packages.user.tests.conftest import Query

SETTLED = text(
    "SELECT coalesce(max(transaction_id) < pg_snapshot_xmin(pg_current_snapshot())::text::bigint, true) FROM audit_logs"
)
KEYRING = Keyring.parse(Keyring.new_key("k1"))
Write = Callable[..., Awaitable[None]]
AsOwner = Callable[[str], Awaitable[None]]


@pytest.fixture
def write(database: Database, clock: MovableClock) -> Write:
    """`await write(n)`: that many entries, each in a transaction of its own."""

    async def run(count: int, user_id: UUID | None = None) -> None:
        for n in range(count):
            clock.advance(seconds=1)
            async with database.transaction() as transaction:
                change = Change("role.update", "role", str(n), user_id, {"name": n}, {"name": n + 1})
                await record(transaction, Actor(ActorType.USER, uuid7()), change, clock())

    return run


@pytest.fixture
def as_owner(owner: Database) -> AsOwner:
    """Change the trail past all that guards it."""

    async def run(statement: str) -> None:
        async with owner.transaction() as transaction:
            for table in ("audit_logs", "audit_checkpoints"):
                await transaction.connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
            await transaction.connection.execute(text(statement))
            for table in ("audit_logs", "audit_checkpoints"):
                await transaction.connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))

    return run


async def settle(database: Database) -> None:
    """Until all entries can be covered: transactions of other tests count too, since a server counts all its own."""
    while True:
        async with database.autocommit() as connection:
            if (await connection.execute(SETTLED)).scalar_one():
                return
        await asyncio.sleep(0.01)


async def cover(database: Database, clock: MovableClock) -> None:
    await settle(database)
    while await extend(database, KEYRING, clock()):
        pass


def codes(findings: Findings) -> set[str]:
    return {fault.code for fault in findings.faults}


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=40))
def test_the_tree_is_that_of_rfc_9162(leaves: list[bytes]) -> None:
    def mth(part: list[bytes]) -> bytes:
        if len(part) <= 1:
            return part[0] if part else merkle.sha256().digest()
        split = 1
        while split * 2 < len(part):
            split *= 2
        return merkle.sha256(b"\1" + mth(part[:split]) + mth(part[split:])).digest()

    assert merkle.root(leaves) == mth(leaves)


async def test_every_entry_is_covered_and_the_trail_is_found_intact(
    database: Database, write: Write, clock: MovableClock
) -> None:
    assert not await extend(database, KEYRING, clock())
    for count in (1, 2, 5):
        await write(count)
        await cover(database, clock)
    await write(3)
    findings = await proofs.verify_database(database, clock())
    assert findings.is_intact, findings
    assert (findings.checkpoints, findings.entries, findings.uncovered) == (3, 11, 3)
    assert findings.head is not None
    assert findings.head.startswith("3:")


async def test_an_entry_that_is_committed_late_is_not_passed_over(
    database: Database, write: Write, clock: MovableClock, query: "Query"
) -> None:
    async with database.transaction() as late:
        await record(late, SYSTEM, Change("a.late", "x", None), clock())
        await write(2)
        assert not await extend(database, KEYRING, clock())
        assert await query("SELECT count(*) FROM audit_checkpoints") == [(0,)]
    await cover(database, clock)
    assert await query("SELECT sum(cardinality(leaf_ids)) FROM audit_checkpoints") == [(3,)]
    assert (await proofs.verify_database(database, clock())).uncovered == 0


async def test_many_entries_of_one_transaction_take_several_checkpoints(
    database: Database, write: Write, clock: MovableClock, query: "Query", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "MOST_LEAVES", 3)
    await write(1)
    async with database.transaction() as transaction:
        for n in range(8):  # the later, the smaller the id
            origin = Origin(uuid7(), "auth", clock() - timedelta(minutes=n))
            await record(transaction, SYSTEM, Change("a.b", "x", str(n)), clock(), origin)
    await write(2)
    await cover(database, clock)
    await cover(database, clock)
    assert await query("SELECT cardinality(leaf_ids) FROM audit_checkpoints ORDER BY number") == [
        (3,),
        (3,),
        (3,),
        (2,),
    ]
    findings = await proofs.verify_database(database, clock())
    assert findings.is_intact
    assert findings.uncovered == 0


async def test_a_checkpoint_has_entries_of_one_month_alone(
    database: Database, write: Write, clock: MovableClock, query: "Query"
) -> None:
    clock.advance(seconds=(datetime(2027, 1, 31, 23, 59, 58, tzinfo=UTC) - clock()).total_seconds())
    await write(4)
    await cover(database, clock)
    assert await query("SELECT cardinality(leaf_ids) FROM audit_checkpoints ORDER BY number") == [(1,), (3,)]


async def test_of_many_processes_one_lengthens_the_chain(
    database: Database, write: Write, clock: MovableClock, query: "Query"
) -> None:
    for _ in range(3):
        await write(2)
        await settle(database)
        await asyncio.gather(*(extend(database, KEYRING, clock()) for _ in range(6)))
    await cover(database, clock)
    assert await query("SELECT count(*), max(number) FROM audit_signing_keys, audit_checkpoints") == [(3, 3)]
    assert (await proofs.verify_database(database, clock())).is_intact


async def test_a_database_that_was_moved_to_another_server_goes_on(
    database: Database, write: Write, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, transactions count from the beginning; simulated by a server that says so."""
    await write(3)
    await cover(database, clock)
    await write(2)

    async def young(_: object) -> int:
        return 5

    with monkeypatch.context() as patched:
        patched.setattr(chain_store, "xmin", young)
        await cover(database, clock)
        assert (await proofs.verify_database(database, clock())).uncovered == 0
    await write(1)
    await cover(database, clock)
    findings = await proofs.verify_database(database, clock())
    assert findings.is_intact
    assert findings.uncovered == 0


ADD = """
    INSERT INTO audit_logs (
      service, actor_type, action, resource_type, status, salt, commitment, leaf_hash, transaction_id
    )
    VALUES ('user', 'SYSTEM', 'a.b', 'x', 'SUCCESS', sha256('s'), sha256('c'), sha256('l'), 3)
"""
FOUND: list[tuple[str, str]] = [
    ("UPDATE audit_logs SET action = 'role.delete' WHERE resource_id = '1'", "edited"),
    ("UPDATE audit_logs SET new_values = '{\"name\": 3}' WHERE resource_id = '1'", "edited"),
    ("UPDATE audit_logs SET transaction_id = transaction_id + 1 WHERE resource_id = '1'", "edited"),
    ("UPDATE audit_logs SET created_at = created_at - interval '1 day' WHERE resource_id = '1'", "edited"),
    ("UPDATE audit_logs SET updated_at = now() WHERE resource_id = '1'", "edited"),
    ("DELETE FROM audit_logs WHERE resource_id = '1'", "removed"),
    ("DELETE FROM audit_logs", "removed"),
    ("DELETE FROM audit_checkpoints WHERE number = 1", "checkpoint_removed"),
    ("DELETE FROM audit_checkpoints WHERE number = 3", "tail"),
    ("UPDATE audit_checkpoints SET leaf_ids = leaf_ids[2:3] WHERE number = 2", "checkpoint_edited"),
    ("UPDATE audit_checkpoints SET horizon = horizon + 1 WHERE number = 2", "checkpoint_edited"),
    ("UPDATE audit_checkpoints SET signature = sha256('x') WHERE number = 2", "signature"),
    ("UPDATE audit_signing_keys SET public_key = sha256('x')", "signature"),
    (
        "UPDATE audit_logs SET erased_at = now(), salt = NULL, old_values = NULL, new_values = NULL",
        "erased",
    ),
    (ADD, "added"),
]


@pytest.mark.parametrize(("statement", "code"), FOUND)
async def test_what_somebody_does_past_all_guards_is_found(
    database: Database, write: Write, as_owner: AsOwner, clock: MovableClock, statement: str, code: str
) -> None:
    for _ in range(3):
        await write(3)
        await cover(database, clock)
    head = (await proofs.verify_database(database, clock())).head
    await as_owner(statement)
    findings = await proofs.verify_database(database, clock(), expected=[proofs.parse_head(head or "")])
    assert code in codes(findings), findings


async def test_a_key_that_somebody_else_has_made_is_found(
    database: Database, write: Write, as_owner: AsOwner, clock: MovableClock
) -> None:
    await write(2)
    await cover(database, clock)
    [key_id] = (await proofs.verify_database(database, clock())).keys
    assert (await proofs.verify_database(database, clock(), trusted=[key_id])).is_intact
    await as_owner("DELETE FROM audit_checkpoints; ")
    await as_owner("DELETE FROM audit_signing_keys")
    await extend(database, Keyring.parse(Keyring.new_key("theirs")), clock())
    assert (await proofs.verify_database(database, clock())).is_intact, "by its looks"
    assert codes(await proofs.verify_database(database, clock(), trusted=[key_id])) == {"key"}


async def test_erasing_a_person_leaves_the_proof_as_it_was(
    database: Database, write: Write, clock: MovableClock, query: "Query"
) -> None:
    ada = uuid7()
    await write(2, user_id=ada)
    await cover(database, clock)
    await write(1, user_id=ada)
    clock.advance(seconds=1)
    async with database.transaction() as transaction:
        assert await erase(transaction, ada, clock()) == 3
    for _ in range(2):
        findings = await proofs.verify_database(database, clock())
        assert findings.is_intact, findings
        assert findings.erased == 3
        await cover(database, clock)
    assert await query("SELECT count(*) FROM audit_logs WHERE user_id = :ada AND new_values IS NOT NULL", ada=ada) == [
        (0,)
    ]


async def test_an_address_that_the_trail_once_named_goes_with_its_owner(
    database: Database, as_owner: AsOwner, clock: MovableClock, query: "Query"
) -> None:
    inviter, ada, ids = Actor(ActorType.USER, uuid7()), uuid7(), [str(uuid7()) for _ in range(3)]

    async def write(membership: str, **values: Any) -> None:
        async with database.transaction() as transaction:
            await record(
                transaction, inviter, Change("membership.invited", "membership", membership, **values), clock()
            )

    await write(ids[0], new={"email": "ada@example.com", "status": "INVITED"})
    await write(ids[0], old={"email": "ada@example.com"}, new={"status": "ENDED"})
    await write(ids[1], new={"email": "eve@example.com"})
    await cover(database, clock)
    clock.advance(seconds=1)
    async with database.transaction() as transaction:
        await erase(transaction, ada, clock(), email="ada@example.com")
    await cover(database, clock)
    findings = await proofs.verify_database(database, clock())
    assert findings.is_intact, findings
    assert findings.erased == 2
    left = str(await query("SELECT a::text FROM audit_logs a"))
    assert ("ada@example.com" in left, "eve@example.com" in left) == (False, True)
    of_erasures = (
        "SELECT resource_type, resource_id FROM audit_logs WHERE action = 'audit.erase' ORDER BY resource_type"
    )
    assert await query(of_erasures) == [("membership", ids[0]), ("user", str(ada))]
    await as_owner(
        "UPDATE audit_logs AS a SET erased_at = e.at, updated_at = e.at, salt = NULL, new_values = NULL"
        f" FROM (SELECT max(erased_at) AS at FROM audit_logs) AS e WHERE resource_id = '{ids[1]}'"
    )
    assert codes(await proofs.verify_database(database, clock())) == {"erased"}, "of that one nobody has told"


async def test_months_that_retention_takes_leave_the_proof_as_it_was(
    database: Database, write: Write, as_owner: AsOwner, clock: MovableClock
) -> None:
    await write(2)
    await cover(database, clock)
    clock.advance(days=40)
    await write(2)
    await cover(database, clock)
    await as_owner("DELETE FROM audit_logs WHERE id IN (SELECT id FROM audit_logs ORDER BY id LIMIT 2)")
    assert codes(await proofs.verify_database(database, clock())) == {"removed"}
    clock.advance(days=400)
    findings = await proofs.verify_database(database, clock())
    assert findings.is_intact
    assert (findings.gone, len(findings.gone_months)) == (2, 1)
    await as_owner("DELETE FROM audit_logs WHERE id IN (SELECT id FROM audit_logs ORDER BY id LIMIT 1)")
    assert codes(await proofs.verify_database(database, clock())) == {"removed"}


async def exported(database: Database, write: Write, clock: MovableClock) -> list[dict[str, Any]]:
    ada = uuid7()
    for n in range(5):
        await write(4, user_id=ada if n == 1 else None)
        await cover(database, clock)
    clock.advance(seconds=1)
    async with database.transaction() as transaction:
        await erase(transaction, ada, clock())
    await write(2)
    return [orjson.loads(line) async for line in proofs.lines(database)]


async def test_an_export_is_verified_without_the_database_and_random_tampering_is_found(
    database: Database, write: Write, clock: MovableClock
) -> None:
    """300 here; `bench/audit.py` does the same 10,000 times: each was found."""
    original = await exported(database, write, clock)
    intact = proofs.verify_lines(encoded(original), clock())
    assert intact.is_intact, intact
    assert (intact.checkpoints, intact.entries, intact.uncovered, intact.erased) == (5, 23, 3, 4)
    expected, chance = [proofs.parse_head(intact.head or "")], random.Random(7)
    for _ in range(300):
        done, lines = tamper(original, chance)
        assert not proofs.verify_lines(encoded(lines), clock(), expected=expected).is_intact, done


async def test_a_file_that_was_cut_off_is_not_taken_for_whole(
    database: Database, write: Write, clock: MovableClock
) -> None:
    whole = encoded(await exported(database, write, clock))
    for length in range(1, len(whole)):
        assert "tail" in codes(proofs.verify_lines(whole[:length], clock()))
    with pytest.raises(ValueError, match="no JSON object"):
        proofs.verify_lines([b"[1]"], clock())

"""Sealed fields are brought under a new key while others write."""

from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Column, LargeBinary, MetaData, Table, Uuid, insert, select, update

from orion_core import resealing
from orion_core.database import Database, Transaction
from orion_core.ids import uuid7
from orion_core.resealing import reseal
from orion_core.sealing import Keyring, place, sealing_key_id

METADATA = MetaData()
SAFE = Table(
    "safe", METADATA, Column("id", Uuid, primary_key=True), Column("content", LargeBinary, info={"sealed": True})
)
OLD, NEW = Keyring({"old": b"o" * 32}), Keyring({"new": b"n" * 32})
BOTH = Keyring({"new": b"n" * 32, "old": b"o" * 32})


@pytest.fixture
async def safe(database: Database, owner: asyncpg.Connection) -> Database:
    """A database with a table of sealed fields."""
    await owner.execute("CREATE TABLE safe (id uuid PRIMARY KEY, content bytea)")
    await owner.execute("GRANT SELECT, INSERT, UPDATE ON safe TO orion_auth_service")
    return database


def sealed(keyring: Keyring, row_id: UUID, content: bytes = b"secret") -> bytes:
    return keyring.seal(content, place("safe", "content", row_id))


async def fill(database: Database, *keyrings: Keyring | None) -> list[UUID]:
    rows = [(uuid7(), keyring) for keyring in keyrings]
    async with database.transaction() as transaction:
        await transaction.connection.execute(
            insert(SAFE),
            [{"id": row_id, "content": sealed(keyring, row_id) if keyring else None} for row_id, keyring in rows],
        )
    return [row_id for row_id, _ in rows]


async def contents(database: Database) -> dict[UUID, bytes]:
    async with database.autocommit() as connection:
        return {
            row.id: row.content for row in await connection.execute(select(SAFE).where(SAFE.c.content.is_not(None)))
        }


async def test_every_field_is_sealed_anew_whatever_the_number_of_batches(
    safe: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH", 3)
    await fill(safe, OLD, NEW, OLD, None, OLD, OLD, NEW, OLD)
    batches = [batch async for batch in reseal(safe, METADATA, BOTH)]
    assert len(batches) > 2
    assert (sum(batch.resealed for batch in batches), sum(batch.left_alone for batch in batches)) == (5, 2)
    for row_id, envelope in (await contents(safe)).items():
        assert NEW.open(envelope, place("safe", "content", row_id)) == b"secret"


async def test_a_second_run_finds_nothing_to_do(safe: Database) -> None:
    await fill(safe, OLD, OLD)
    assert sum([batch.resealed async for batch in reseal(safe, METADATA, BOTH)]) == 2
    before = await contents(safe)
    assert sum([batch.resealed async for batch in reseal(safe, METADATA, BOTH)]) == 0
    assert await contents(safe) == before


async def test_what_no_key_opens_is_named_and_left_as_it_is(safe: Database) -> None:
    lost, good = await fill(safe, Keyring({"lost": b"l" * 32}), OLD)
    before = await contents(safe)
    [batch] = [batch async for batch in reseal(safe, METADATA, BOTH)]
    assert batch.unreadable == (lost,)
    after = await contents(safe)
    assert after[lost] == before[lost]
    assert sealing_key_id(after[good]) == "new"


async def test_a_change_made_meanwhile_is_not_overwritten(safe: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    [row_id] = await fill(safe, OLD)
    replace = resealing._replace

    async def change_first(database: Database, column: Column[bytes], changes: list[dict[str, object]]) -> None:
        async with database.transaction() as transaction:
            await change(transaction, row_id)
        await replace(database, column, changes)

    monkeypatch.setattr(resealing, "_replace", change_first)
    assert [batch async for batch in reseal(safe, METADATA, BOTH)]
    assert NEW.open((await contents(safe))[row_id], place("safe", "content", row_id)) == b"changed"


async def change(transaction: Transaction, row_id: UUID) -> None:
    changed = sealed(NEW, row_id, b"changed")
    await transaction.connection.execute(update(SAFE).where(SAFE.c.id == row_id).values(content=changed))

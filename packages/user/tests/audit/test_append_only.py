"""Nobody changes the audit trail, its owner included; a person can be erased from it."""

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from orion_core.database import Database

if TYPE_CHECKING:
    from packages.user.tests.conftest import Query

WRITE = """
    INSERT INTO audit_logs (service, actor_type, action, resource_type, status, old_values, ip_address, salt,
                            commitment, leaf_hash)
    VALUES ('user', 'SYSTEM', 'user.update', 'user', 'SUCCESS', '{"name": "Ada"}', '::1', sha256('salt'),
            sha256('commitment'), sha256('leaf'))
"""
ERASE = """
    UPDATE audit_logs SET erased_at = now(), salt = NULL, old_values = NULL, new_values = NULL, error = NULL,
                          ip_address = NULL, user_agent = NULL
"""
FORBIDDEN = [
    "DELETE FROM audit_logs",
    "TRUNCATE audit_logs",
    "TRUNCATE audit_checkpoints",
    "UPDATE audit_logs SET action = 'user.read'",
    "UPDATE audit_logs SET old_values = '{}'",
    "UPDATE audit_logs SET salt = NULL, erased_at = now()",
    "UPDATE audit_logs SET leaf_hash = sha256('other')",
    ERASE.replace("erased_at = now()", "erased_at = now(), action = 'user.read'"),
    ERASE.replace("erased_at = now()", "erased_at = now(), timestamp = now() - interval '1 day'"),
]


async def as_owner(owner: Database, statement: str) -> None:
    async with owner.transaction() as transaction:
        await transaction.connection.execute(text(statement))


async def test_no_change(query: "Query", owner: Database) -> None:
    await query(WRITE)
    for statement in FORBIDDEN:
        with pytest.raises(DBAPIError, match="permission denied"):
            await query(statement)
        with pytest.raises(DBAPIError, match=r"append-only|ck_audit_logs_erased"):
            await as_owner(owner, statement)


async def test_a_person_can_be_erased_once(query: "Query", owner: Database) -> None:
    await query(WRITE)
    (kept,) = await query("SELECT id, action, commitment, leaf_hash, transaction_id FROM audit_logs")
    await as_owner(owner, ERASE)
    assert await query("SELECT id, action, commitment, leaf_hash, transaction_id FROM audit_logs") == [kept]
    assert await query("SELECT old_values, ip_address, salt FROM audit_logs") == [(None, None, None)]
    with pytest.raises(DBAPIError, match="append-only"):
        await as_owner(owner, ERASE)
    await as_owner(owner, "UPDATE audit_logs SET updated_at = now() + interval '1 day'")
    assert await query("SELECT updated_at = erased_at FROM audit_logs") == [(True,)], "which is told of the erasure too"


async def test_rows_are_in_the_partition_of_their_month(query: "Query") -> None:
    await query(WRITE)
    ((partition,),) = await query("SELECT tableoid::regclass::text FROM audit_logs")
    assert partition.startswith("audit_logs_y")

"""Lengthening the chain of checkpoints, which every copy of the service tries every few seconds; one does it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.background import pause
from orion_core.clock import Clock
from orion_core.database import Database, Transaction
from orion_core.ids import uuid7, uuid7_time
from orion_core.sealing import Keyring, SealError
from orion_user.audit import chain_store, merkle, rules, signing

EVERY_SECONDS = 10.0
"""How long an entry may be changed by who has the whole database in his hands, before a signature covers it."""

MOST_LEAVES = 10_000

LATE = timedelta(days=40)
"""How old an entry may be when it comes: longer than outboxes keep their events."""

log = structlog.get_logger()


async def keep_signed(database: Database, keyring: Keyring, clock: Clock, stop: asyncio.Event) -> None:
    """Cover new entries until `stop`. What fails is tried again."""
    while not stop.is_set():
        try:
            while await extend(database, keyring, clock()):
                pass
        except (SQLAlchemyError, OSError, SealError) as error:
            log.warning("audit.checkpoint_put_off", reason=str(getattr(error, "orig", None) or error))
        await pause(stop, EVERY_SECONDS)


async def extend(database: Database, keyring: Keyring, now: datetime) -> bool:
    """Add one checkpoint over entries that none has; whether there may be more of them.

    All of a checkpoint's entries are of one month, so that retention takes them together.
    """
    async with database.transaction() as transaction:
        connection = transaction.connection
        if not await chain_store.try_lock(connection):
            return False
        last = await chain_store.last(connection)
        below = await chain_store.xmin(connection)
        waiting = await _waiting(connection, last, below)
        leaves = _of_one_month(waiting[:MOST_LEAVES])
        if not leaves:
            return False
        is_whole = len(leaves) == len(waiting)
        horizon = below if is_whole else leaves[-1]["transaction_id"]
        await _insert(transaction, keyring, last, leaves, horizon, None if is_whole else leaves[-1]["id"], now)
    return not is_whole


async def _waiting(connection: AsyncConnection, last: RowMapping | None, below: int) -> Sequence[RowMapping]:
    """What is not covered.

    A server on which fewer transactions have been than the last checkpoint knows of is another one, to which the
    database was moved: what stands there is looked through by ids once. An entry may then be covered twice, which
    proves no less.
    """
    if last is None:
        return await chain_store.waiting(connection, below, 0, None, MOST_LEAVES + 1)
    if below < last["horizon"]:
        return await chain_store.uncovered(connection, last["created_at"] - LATE, MOST_LEAVES + 1)
    return await chain_store.waiting(connection, below, last["horizon"], last["after_id"], MOST_LEAVES + 1)


def _of_one_month(waiting: Sequence[RowMapping]) -> Sequence[RowMapping]:
    """The beginning, up to where another month comes."""
    for place, row in enumerate(waiting):
        if _month(row["id"]) != _month(waiting[0]["id"]):
            return waiting[:place]
    return waiting


def _month(entry_id: UUID) -> tuple[int, int]:
    at = uuid7_time(entry_id)
    return at.year, at.month


async def _insert(
    transaction: Transaction,
    keyring: Keyring,
    last: RowMapping | None,
    leaves: Sequence[RowMapping],
    horizon: int,
    after_id: UUID | None,
    now: datetime,
) -> None:
    signer = await signing.current(transaction, keyring, now)
    values: dict[str, Any] = {
        "id": uuid7(),
        "number": 1 if last is None else last["number"] + 1,
        "horizon": horizon,
        "after_id": after_id,
        "leaf_ids": [row["id"] for row in leaves],
        "tree_size": len(leaves) + (0 if last is None else last["tree_size"]),
        "root_hash": merkle.root([row["leaf_hash"] for row in leaves]),
        "previous_hash": None if last is None else last["hash"],
        "created_at": now,
        "updated_at": now,
        "key_id": signer.key_id,
    }
    digest = merkle.checkpoint_hash(rules.told(values))
    signature = signer.key.sign(merkle.signed(digest))
    await chain_store.insert_checkpoint(transaction.connection, values | {"hash": digest, "signature": signature})

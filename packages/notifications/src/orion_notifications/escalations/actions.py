"""What can be done with escalations."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database, Transaction
from orion_core.ids import uuid7
from orion_core.sealing import Keyring, place
from orion_notifications.escalations import store
from orion_notifications.escalations.rules import (
    LOOK_AGAIN,
    EscalationRule,
    Move,
    Standing,
    look_after_failure,
    remaining,
    step,
)

SendNext = Callable[[Transaction, Mapping[str, Any], str, str, datetime], Awaitable[UUID | None]]
"""Sends the message of a request, on behalf of a caller, through one channel of it; None when it cannot any more."""


class PutOffError(Exception):
    """An escalation could not go on; it is tried again later, or given up when that has failed too often."""


@dataclass(frozen=True)
class Escalating:
    """What going on needs besides the database."""

    keyring: Keyring
    send: SendNext


async def begin(
    connection: AsyncConnection, keyring: Keyring, message: Mapping[str, Any], caller: str, first: UUID, now: datetime
) -> UUID:
    """Have the next channel tried when the first one does not do; `message` is the request as JSON."""
    escalation_id = uuid7()
    body = orjson.dumps({"message": message, "caller": caller})
    values = {
        "id": escalation_id,
        "user_id": message["to"].get("user_id"),
        "rule": EscalationRule[message["rule"]],
        "sealed_message": keyring.seal(body, place("escalations", "sealed_message", escalation_id)),
        "notification_ids": [first],
        "next_look_at": now + LOOK_AGAIN,
    }
    await store.add(connection, values)
    return escalation_id


@asynccontextmanager
async def _due(database: Database, now: datetime) -> AsyncGenerator[tuple[Transaction, RowMapping | None]]:
    """One that is due; if what is done with it fails it is put off, since it comes first and would stop all others."""
    row: RowMapping | None = None
    try:
        async with database.transaction() as transaction:
            row = await store.due(transaction.connection, now)
            yield transaction, row
    except Exception as error:
        if row is None:
            raise
        failures = row["metadata"].get("failures", 0) + 1
        look_at = look_after_failure(failures, now)
        values: dict[str, Any] = {"metadata": row["metadata"] | {"failures": failures}}
        values |= _over(now) if look_at is None else {"next_look_at": look_at}
        async with database.autocommit() as connection:
            await store.change(connection, row["id"], values)
        raise PutOffError(f"escalation {row['id']}{' is given up' if look_at is None else ''}") from error


def _over(now: datetime) -> dict[str, Any]:
    """Nothing more is tried, and what it would have said is forgotten."""
    return {"sealed_message": None, "ended_at": now}


async def go_on(database: Database, escalating: Escalating, now: datetime) -> bool:
    """Look at one that is due, and try its next channel if it has come to that; False when none is due.

    Raises PutOffError.
    """
    async with _due(database, now) as (transaction, row):
        if row is None:
            return False
        sealed = place("escalations", "sealed_message", row["id"])
        body: dict[str, Any] = orjson.loads(escalating.keyring.open(row["sealed_message"], sealed))
        message = body["message"]
        found = {each["id"]: each for each in await store.standings(transaction.connection, row["notification_ids"])}
        tried = {each["channel"]: each for each in found.values()}
        left = remaining(message["channels"], tried)
        last = found.get(row["notification_ids"][-1])
        standing = Standing("FAILED", None)
        if last is not None:
            standing = Standing(last["status"], last["sent_at"], last["due_at"], last["error_code"])
        move = step(
            row["rule"],
            standing,
            is_seen=any(each["is_seen"] for each in found.values()),
            has_next=bool(left),
            after=timedelta(seconds=message["escalate_after_seconds"]),
            now=now,
        )
        values: dict[str, Any] = {"next_look_at": move.at or now + LOOK_AGAIN}
        following = None
        if move.move is Move.NEXT:
            following = await escalating.send(transaction, message, body["caller"], left[0], now)
            values["notification_ids"] = [*row["notification_ids"], following]
        if move.move is Move.END or (move.move is Move.NEXT and following is None):
            values = _over(now)
        await store.change(transaction.connection, row["id"], values)
        return True

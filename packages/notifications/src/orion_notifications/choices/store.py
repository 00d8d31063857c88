"""Statements on consents, and on what a link in a mail was about."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.ids import uuid7
from orion_core.tables import table_of
from orion_notifications.choices.tables import Consent

CONSENTS = table_of(Consent)

# Whose a message was, and whether they were erased, is asked of `notifications` in raw SQL (pk_notifications).
MESSAGE = text("SELECT user_id, metadata FROM notifications WHERE id = :id")
# An erasure waits until what is said is written down, and takes it in.
MESSAGE_BEFORE_ERASURE = text("SELECT user_id, metadata FROM notifications WHERE id = :id FOR SHARE")


async def add(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down what was said."""
    if rows:
        await connection.execute(insert(CONSENTS), [{"id": uuid7(), **row} for row in rows])


async def find(connection: AsyncConnection, user_id: UUID | None, hashes: Sequence[bytes]) -> Sequence[RowMapping]:
    """What a user or an address has said, the last first (ix_consents_user_id, ix_consents_recipient_hash)."""
    whose = CONSENTS.c.recipient_hash.in_(hashes)
    if user_id is not None:  # an address alone asks for no user's: `= NULL` would become IS NULL, which is everybody's
        whose = or_(whose, CONSENTS.c.user_id == user_id)
    statement = select(CONSENTS).where(whose).order_by(CONSENTS.c.id.desc()).limit(500)
    return (await connection.execute(statement)).mappings().all()


async def message(connection: AsyncConnection, notification_id: UUID, *, hold: bool = False) -> RowMapping | None:
    """Whose a message was and what stands in its metadata, as long as it is known; with `hold` until the commit."""
    statement = MESSAGE_BEFORE_ERASURE if hold else MESSAGE
    return (await connection.execute(statement, {"id": notification_id})).mappings().one_or_none()

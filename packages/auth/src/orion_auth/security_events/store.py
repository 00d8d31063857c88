"""The statements of security events.

An event's id is made of the time it says it happened, so the order of ids is that of time, and a range of times is one
of ids, which opens the partitions of those months alone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.security_events.rules import Wanted
from orion_auth.security_events.tables import SecurityEvent
from orion_core.ids import uuid7_floor

SHOWN = (
    SecurityEvent.id,
    SecurityEvent.user_id,
    SecurityEvent.event_type,
    SecurityEvent.category,
    SecurityEvent.severity,
    SecurityEvent.title,
    SecurityEvent.description,
    SecurityEvent.details,
    SecurityEvent.tags,
    SecurityEvent.ip_address,
    SecurityEvent.country,
    SecurityEvent.city,
    SecurityEvent.user_agent,
    SecurityEvent.device_id,
    SecurityEvent.session_id,
    SecurityEvent.was_blocked,
    SecurityEvent.was_notified,
    SecurityEvent.occurred_at,
)

APART = timedelta(hours=1)
"""An id that was made before its event, for the link in a notice, is not further from it than this."""


INSERT_EVENT = insert(SecurityEvent)


async def insert_event(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Append an event."""
    await connection.execute(INSERT_EVENT, values)


async def search(connection: AsyncConnection, wanted: Wanted, *, before: UUID | None, limit: int) -> Sequence[AnyRow]:
    """Events that are wanted, the latest first, going on below the id `before`.

    Along ix_security_events_user_id_id, _event_type_id, _category_id or _ip_address_id, backwards: each is in the order
    of the page. A user's of one type by ix_security_events_user_id_event_type_occurred_at, by severity
    through ix_security_events_severity_occurred_at, by tag through ix_security_events_tags; else along the primary key
    of the months that the range of times leaves. With a million events in half a year a page takes 0.2 ms, 0.4 with a
    tag (bench/plans.py); along the primary key alone a rare type took 120 ms, an address 250.
    """
    statement = select(*SHOWN).where(*_met(wanted)).order_by(SecurityEvent.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(SecurityEvent.id < before)
    return (await connection.execute(statement)).all()


async def read_on(
    connection: AsyncConnection, wanted: Wanted, *, after: UUID | None, before: datetime, limit: int
) -> Sequence[AnyRow]:
    """Events that are wanted, the earliest first, going on above the id `after`, of the time before `before`.

    By the indexes of `search`, forwards.
    """
    conditions = [*_met(wanted), SecurityEvent.id < uuid7_floor(before)]
    statement = select(*SHOWN).where(*conditions).order_by(SecurityEvent.id).limit(limit)
    if after is not None:
        statement = statement.where(SecurityEvent.id > after)
    return (await connection.execute(statement)).all()


def _met(wanted: Wanted) -> list[ColumnElement[bool]]:
    met: list[ColumnElement[bool]] = []
    equal = (
        (SecurityEvent.user_id, wanted.user_id),
        (SecurityEvent.event_type, wanted.type),
        (SecurityEvent.category, wanted.category),
        (SecurityEvent.severity, wanted.severity),
        (SecurityEvent.ip_address, wanted.ip_address),
    )
    met += [column == value for column, value in equal if value is not None]
    if wanted.tag is not None:
        met.append(SecurityEvent.tags.contains([wanted.tag]))
    if wanted.since is not None:
        met += [SecurityEvent.occurred_at >= wanted.since, SecurityEvent.id >= uuid7_floor(wanted.since - APART)]
    if wanted.until is not None:
        met += [SecurityEvent.occurred_at < wanted.until, SecurityEvent.id < uuid7_floor(wanted.until + APART)]
    return met

"""Keeping the security history of an account, in the transaction of what happened."""

from datetime import datetime
from typing import Any
from uuid import UUID

from orion_auth.security_events import store
from orion_auth.security_events.tables import SecurityEventCategory, SecurityEventSeverity
from orion_core.database import Transaction
from orion_core.tables import IpAddress


async def note_token_reused(
    transaction: Transaction,
    user_id: UUID,
    session_id: UUID,
    *,
    ip_address: IpAddress | None,
    user_agent: str | None,
    now: datetime,
) -> None:
    """A refresh token was used twice: it, or its successor, is in the wrong hands."""
    values: dict[str, Any] = {
        "user_id": user_id,
        "session_id": session_id,
        "event_type": "token.reused",
        "category": SecurityEventCategory.TOKEN,
        "severity": SecurityEventSeverity.HIGH,
        "title": "A refresh token was used twice",
        "description": "The session was ended, since a copy of its refresh token may be in the wrong hands.",
        "ip_address": ip_address,
        "user_agent": user_agent,
        "was_blocked": True,
        "tags": ["session"],
        "occurred_at": now,
    }
    await store.insert_event(transaction.connection, values)


async def note_registration_repeated(
    transaction: Transaction, user_id: UUID, *, ip_address: IpAddress | None, user_agent: str | None, now: datetime
) -> None:
    """Somebody registered with an address that has an account."""
    values: dict[str, Any] = {
        "user_id": user_id,
        "event_type": "registration.repeated",
        "category": SecurityEventCategory.ACCOUNT,
        "severity": SecurityEventSeverity.LOW,
        "title": "Somebody registered with your address",
        "ip_address": ip_address,
        "user_agent": user_agent,
        "was_blocked": True,
        "occurred_at": now,
    }
    await store.insert_event(transaction.connection, values)

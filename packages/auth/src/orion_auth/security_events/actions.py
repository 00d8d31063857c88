"""Keeping the security history of an account, in the transaction of what happened, and telling its owner."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from orion_auth.identities.actions import KnownIdentity
from orion_auth.security_events import store
from orion_auth.security_events.rules import Kind
from orion_contracts.account_messages import SecurityNoticeRaised
from orion_core.database import Transaction
from orion_core.events.outbox import Outbox
from orion_core.ids import uuid7
from orion_core.tables import IpAddress


@dataclass(frozen=True)
class Circumstances:
    """Where and how something happened."""

    ip_address: IpAddress | None = None
    user_agent: str | None = None
    device_id: str | None = None
    session_id: UUID | None = None
    country: str | None = None
    city: str | None = None
    details: dict[str, Any] = field(default_factory=dict[str, Any])


async def note(
    transaction: Transaction,
    outbox: Outbox,
    kind: Kind,
    whose: KnownIdentity,
    circumstances: Circumstances,
    now: datetime,
    *,
    secrets: str | None = None,
    event_id: UUID | None = None,
) -> None:
    """Append to the history of `whose`, and have the owner told when the kind says so.

    `secrets` is a sealed link for the notice; it is bound to the event's id, so whoever seals one names that id too.
    """
    event_id = event_id or uuid7()
    values: dict[str, Any] = {
        "id": event_id,
        "user_id": whose.id,
        "session_id": circumstances.session_id,
        "event_type": kind.type,
        "category": kind.category,
        "severity": kind.severity,
        "title": kind.title,
        "description": kind.description,
        "details": circumstances.details,
        "ip_address": circumstances.ip_address,
        "user_agent": circumstances.user_agent,
        "device_id": circumstances.device_id,
        "country": circumstances.country,
        "city": circumstances.city,
        "was_blocked": kind.was_blocked,
        "was_notified": kind.is_notified,
        "occurred_at": now,
    }
    await store.insert_event(transaction.connection, values)
    if kind.is_notified:
        notice = SecurityNoticeRaised(
            user_id=whose.id,
            notice_id=event_id,
            notice=kind.type,
            email=whose.email,
            locale=whose.locale,
            occurred_at=now,
            ip_address=circumstances.ip_address,
            country=circumstances.country,
            city=circumstances.city,
            secrets=secrets,
        )
        await outbox.record(transaction, notice, now)


async def note_administration(
    transaction: Transaction, kind: Kind, circumstances: Circumstances, now: datetime
) -> None:
    """Append what an administrator did that concerns no single account; `details` say who it was."""
    values: dict[str, Any] = {
        "event_type": kind.type,
        "category": kind.category,
        "severity": kind.severity,
        "title": kind.title,
        "description": kind.description,
        "details": circumstances.details,
        "ip_address": circumstances.ip_address,
        "user_agent": circumstances.user_agent,
        "occurred_at": now,
    }
    await store.insert_event(transaction.connection, values)

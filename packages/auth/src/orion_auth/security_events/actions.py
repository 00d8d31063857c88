"""Keeping the security history of an account, in the transaction of what happened, and telling its owner."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Self, cast
from uuid import UUID

from orion_auth import audit_trail
from orion_auth.audit_trail import Entry
from orion_auth.base import AnyRow
from orion_auth.identities.actions import KnownIdentity
from orion_auth.places import NOWHERE, Place
from orion_auth.security_events import store
from orion_auth.security_events.rules import Kind, Wanted, tags_of
from orion_auth.tokens.actions import Bearer
from orion_auth.user_agents import describe
from orion_contracts.account_messages import SecurityNoticeRaised
from orion_contracts.claims import AccessClaims
from orion_core.database import Database, Transaction
from orion_core.events.outbox import Outbox
from orion_core.ids import uuid7_at
from orion_core.metrics import SECURITY_EVENTS
from orion_core.tables import IpAddress

PAGE = 500
"""Rows of an export that are in memory at once."""


@dataclass(frozen=True)
class Circumstances:
    """Where and how something happened."""

    ip_address: IpAddress | None = None
    user_agent: str | None = None
    device_id: str | None = None
    session_id: UUID | None = None
    place: Place = NOWHERE
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    subject: str | None = None
    """What it was done to, which the notice tells too: `google`, `TOTP`. A word of ours, never what somebody typed."""

    @classmethod
    def of(cls, bearer: Bearer, **more: Any) -> Self:
        """Of whoever sends a request, as far as the network tells; `more` is what else is known."""
        told = cls(bearer.ip_address, bearer.user_agent, bearer.device_id, place=bearer.place)
        return replace(told, **more)

    @classmethod
    def in_session(cls, claims: AccessClaims, bearer: Bearer, **more: Any) -> Self:
        """Of whoever is signed in, with the session."""
        return cls.of(bearer, session_id=UUID(claims.sid) if claims.sid else None, **more)


def changed(circumstances: Circumstances, before: Mapping[str, Any], after: Mapping[str, Any]) -> Circumstances:
    """With what was before and after, by field, which the audit trail tells too."""
    return replace(circumstances, details=circumstances.details | {"before": dict(before), "after": dict(after)})


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
    addresses: Sequence[str] | None = None,
) -> None:
    """Append to the history of `whose`, and have the owner told when the kind says so.

    `secrets` is a sealed link for the notice; it is bound to the event's id, so whoever seals one names that id too.
    `addresses` are told instead of the present one: the one before as well, say, when it has just been changed.
    """
    told = ((whose.email,) if addresses is None else tuple(addresses)) if kind.is_notified else ()
    event_id = event_id or uuid7_at(now)
    await _append(transaction, event_id, kind, whose.id, circumstances, now, was_notified=bool(told))
    for email in told:
        notice = SecurityNoticeRaised(
            user_id=whose.id,
            notice_id=event_id,
            notice=kind.type,
            email=email,
            locale=whose.locale,
            occurred_at=now,
            ip_address=circumstances.ip_address,
            country=circumstances.place.country,
            city=circumstances.place.city,
            device_name=describe(circumstances.user_agent).told_name,
            details={} if circumstances.subject is None else {"SUBJECT": circumstances.subject},
            secrets=secrets,
        )
        await outbox.record(transaction, notice, now)


async def note_administration(
    transaction: Transaction,
    kind: Kind,
    actor: str,
    circumstances: Circumstances,
    now: datetime,
    *,
    user_id: UUID | None = None,
) -> None:
    """Append what an administrator or operator did that nobody is written to about; `actor` is who, as in `sub`."""
    circumstances = replace(circumstances, details={"actor": actor} | circumstances.details)
    await _append(transaction, uuid7_at(now), kind, user_id, circumstances, now, was_notified=False)


async def note_act(database: Database, kind: Kind, actor: str, circumstances: Circumstances, now: datetime) -> None:
    """As `note_administration`, for an act that changes nothing else and so has no transaction of its own."""
    async with database.transaction() as transaction:
        await note_administration(transaction, kind, actor, circumstances, now)


async def search(database: Database, wanted: Wanted, before: UUID | None, limit: int) -> Sequence[AnyRow]:
    """Events that are wanted, the latest first."""
    async with database.autocommit() as connection:
        return await store.search(connection, wanted, before=before, limit=limit)


async def happened(transaction: Transaction, kind: Kind, user_id: UUID, since: datetime) -> bool:
    """Whether such an event of this user was written down at that time or later."""
    wanted = Wanted(user_id=user_id, type=kind.type, since=since)
    return bool(await store.search(transaction.connection, wanted, before=None, limit=1))


async def pages(database: Database, wanted: Wanted, before: datetime) -> AsyncGenerator[Sequence[AnyRow]]:
    """All events that are wanted and happened before `before`, the earliest first, a page in memory at a time.

    No connection is held between pages, so that a slow reader keeps nobody from the database.
    """
    after: UUID | None = None
    while True:
        async with database.autocommit() as connection:
            rows = await store.read_on(connection, wanted, after=after, before=before, limit=PAGE)
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        after = rows[-1].id


async def _append(
    transaction: Transaction,
    event_id: UUID,
    kind: Kind,
    user_id: UUID | None,
    circumstances: Circumstances,
    now: datetime,
    *,
    was_notified: bool,
) -> None:
    """The id tells the time too, so that a search between two times opens the months between them alone."""
    place = circumstances.place
    values: dict[str, Any] = {
        "id": event_id,
        "user_id": user_id,
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
        "country": place.country,
        "region": place.region,
        "city": place.city,
        "was_blocked": kind.was_blocked,
        "was_notified": was_notified,
        "tags": tags_of(kind),
        "occurred_at": now,
    } | ({"location": asdict(place.location)} if place.location is not None else {})
    await store.insert_event(transaction.connection, values)
    await audit_trail.record(transaction, _entry(kind, user_id, circumstances), now, event_id)
    transaction.after_commit(
        partial(SECURITY_EVENTS.labels(kind.type, kind.severity.value).inc)
    )  # two of a kind count twice


def _entry(kind: Kind, user_id: UUID | None, circumstances: Circumstances) -> Entry:
    """What stands in the audit trail of it, under the same id."""
    details = circumstances.details
    by = next((details[name] for name in ("actor", "administrator", "operator", "by") if name in details), None)
    told = {name: value for name, value in details.items() if name not in ("before", "after")}
    return Entry(
        action=kind.type,
        resource_type=kind.type.partition(".")[0] if user_id is None else "user",
        resource_id=None if user_id is None else str(user_id),
        user_id=user_id,
        old=_fields(details.get("before")),
        new=_fields(details.get("after")) | ({"details": told} if told else {}),
        is_denied=kind.was_blocked,
        by=None if by is None else str(by),
        is_own=not kind.was_blocked and not kind.type.endswith("requested"),
        ip_address=circumstances.ip_address,
        user_agent=circumstances.user_agent,
        session_id=circumstances.session_id,
    )


def _fields(value: Any) -> dict[str, Any]:
    """Values before or after, by field."""
    if value is None:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"value": value}

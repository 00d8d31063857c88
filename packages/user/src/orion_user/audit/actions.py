"""Writing the audit trail, in the transaction of what it tells of; and reading it."""

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import perf_counter
from typing import Any, Self
from uuid import UUID

from sqlalchemy import RowMapping
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.database import Database, Transaction
from orion_core.http.context import RequestContext
from orion_core.ids import uuid7_at
from orion_core.tables import IpAddress
from orion_user.audit import chain_store, rules, search_store, store
from orion_user.audit.rules import ActorType, AuditStatus, Wanted

SERVICE = "user"

PAGE = 500
"""Rows of an export that are in memory at once."""


@dataclass(frozen=True)
class Actor:
    """Who does something, and by which request."""

    type: ActorType = ActorType.SYSTEM
    id: UUID | None = None
    """Of a user or an API key; of a service or an operator, `rules.id_of` its name."""
    name: str | None = None
    """What a service, an operator or an API key is called."""
    on_behalf_of: UUID | None = None
    """The user for whom it is done, where that is not the actor."""
    session_id: UUID | None = None
    ip_address: IpAddress | None = None
    user_agent: str | None = None
    request_id: str | None = None
    began: float | None = None
    """When the request arrived, by `time.perf_counter`."""

    @classmethod
    def of(cls, claims: AccessClaims, request: Request) -> Self:
        """Who calls: a user in a session, an API key for its owner, or a service by its name."""
        context: RequestContext = request.scope["orion.context"]
        if claims.is_of_api_key:
            return cls(
                type=ActorType.API_KEY,
                id=UUID(claims.sid),
                name=claims.client_id[:100],
                on_behalf_of=_uuid(claims.sub),
                ip_address=context.ip_address,
                user_agent=context.user_agent,
                request_id=context.request_id,
                began=context.began,
            )
        subject = _uuid(claims.sub)
        session_id = None if claims.sid is None else _uuid(claims.sid)
        kind = ActorType.SERVICE if subject is None else ActorType.USER
        return cls(
            type=kind,
            id=subject or rules.id_of(claims.sub),
            name=claims.sub[:100] if subject is None else None,
            session_id=session_id,
            ip_address=context.ip_address,
            user_agent=context.user_agent,
            request_id=context.request_id,
            began=context.began,
        )

    @classmethod
    def service(cls, name: str) -> Self:
        """A service, or an operator at the command line."""
        return cls(type=ActorType.SERVICE, id=rules.id_of(name), name=name[:100])


SYSTEM = Actor()
"""Orion itself: what happens because its time has come."""


@dataclass(frozen=True)
class Change:
    """What was done, or tried."""

    action: str
    """Resource and verb: `role.create`."""
    resource_type: str
    resource_id: str | None
    user_id: UUID | None = None
    """Whom it was done to."""
    old: Mapping[str, Any] = field(default_factory=dict[str, Any])
    new: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Values before and after; fields that are the same in both are left out, and what is called like a secret is not
    told."""
    status: str = "SUCCESS"
    """A name of `AuditStatus`."""
    error: str | None = None
    """Why it came to nothing."""


@dataclass(frozen=True)
class Origin:
    """Where an entry was made, when it was not here and now."""

    id: UUID
    service: str
    occurred_at: datetime
    duration_ms: int | None = None


async def record(
    transaction: Transaction, actor: Actor, change: Change, now: datetime, origin: Origin | None = None
) -> None:
    """Write an entry, so that it exists if, and only if, the rest of `transaction` does."""
    await store.insert(transaction.connection, entry(actor, change, now, origin))


def entry(actor: Actor, change: Change, now: datetime, origin: Origin | None = None) -> dict[str, Any]:
    """The values of the row, with its salt, its commitment and its leaf."""
    old, new, changed_fields = rules.differences(change.old, change.new)
    at = now if origin is None else origin.occurred_at
    row: dict[str, Any] = {
        "id": uuid7_at(at) if origin is None else origin.id,
        "service": SERVICE if origin is None else origin.service,
        "actor_type": actor.type.name,
        "actor_id": actor.id,
        "actor_name": rules.line(actor.name, 100),
        "on_behalf_of": actor.on_behalf_of,
        "user_id": change.user_id,
        "action": change.action,
        "resource_type": change.resource_type,
        "resource_id": rules.line(change.resource_id, 255),
        "old_values": old or None,
        "new_values": new or None,
        "changed_fields": changed_fields,
        "session_id": actor.session_id,
        "request_id": rules.line(actor.request_id, 64),
        "ip_address": None if actor.ip_address is None else str(actor.ip_address),
        "user_agent": rules.line(actor.user_agent, 512),
        "status": AuditStatus[change.status].name,
        "error": rules.line(change.error, 1000),
        "duration_ms": _duration(actor) if origin is None else origin.duration_ms,
        "timestamp": at,
        "created_at": now,
    }
    salt = secrets.token_bytes(32)
    committed = rules.commitment(salt, row)
    return row | {
        "body": rules.leaf_body(row, committed),
        "old_values": _json(row["old_values"]),
        "new_values": _json(row["new_values"]),
        "salt": salt,
        "commitment": committed,
    }


async def erase(
    transaction: Transaction, user_id: UUID, now: datetime, actor: Actor = SYSTEM, email: str | None = None
) -> int:
    """Empty what entries tell of a person (GDPR Art. 17); returns how many entries were about the id.

    Ids, actions and times stay, and every proof stays valid. The erasure itself is an entry: one that nobody wrote down
    is found by `orion audit verify`. So is that of each membership to which the person was invited by the address
    alone, in the days when the trail named it.
    """
    erased = await store.erase(transaction.connection, user_id, now)
    change = Change(ERASED, "user", str(user_id), user_id=user_id)
    await record(transaction, actor, change, now)
    if email is not None:
        for membership_id in await store.erase_address(transaction.connection, email, now):
            await record(transaction, actor, Change(ERASED, MEMBERSHIP, membership_id), now)
    return erased


async def search(database: Database, wanted: Wanted, before: UUID | None, limit: int) -> Sequence[RowMapping]:
    """Entries that are wanted, the latest first, going on before an id."""
    async with database.autocommit() as connection:
        return await search_store.search(connection, wanted, before, limit)


async def one(database: Database, entry_id: UUID) -> RowMapping | None:
    """One entry."""
    async with database.autocommit() as connection:
        return await search_store.one(connection, entry_id)


@dataclass(frozen=True)
class Covered:
    """A checkpoint, and those of its entries that are (still) there, in the order of its leaves."""

    number: int
    checkpoint: dict[str, Any]
    entries: list[dict[str, Any]]


async def covered_after(database: Database, number: int) -> Covered | None:
    """The checkpoint after the one of this number, in plain JSON; None when it is the last."""
    async with database.autocommit() as connection:
        rows = await chain_store.checkpoints(connection, number, 1)
        if not rows:
            return None
        found = await chain_store.entries(connection, rows[0]["leaf_ids"])
    entries = [rules.told(found[leaf_id]) for leaf_id in rows[0]["leaf_ids"] if leaf_id in found]
    return Covered(rows[0]["number"], rules.told(rows[0]), entries)


async def latest_checkpoint(database: Database) -> RowMapping | None:
    """The end of the chain."""
    async with database.autocommit() as connection:
        return await chain_store.last(connection)


async def pages(database: Database, wanted: Wanted, now: datetime) -> AsyncGenerator[Sequence[RowMapping]]:
    """All entries up to now that are wanted, the earliest first, a page in memory at a time.

    No connection is held between pages, so that a slow reader keeps nobody from the database.
    """
    wanted = replace(wanted, until=now if wanted.until is None else min(now, wanted.until))
    after: UUID | None = None
    while True:
        async with database.autocommit() as connection:
            rows = await search_store.read_on(connection, wanted, after, PAGE)
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        after = rows[-1]["id"]


ERASED = "audit.erase"
"""The action of an entry about an erasure."""
MEMBERSHIP = "membership"


def _json(values: dict[str, Any] | None) -> str | None:
    return None if values is None else rules.canonical(values).decode()


def _duration(actor: Actor) -> int | None:
    return None if actor.began is None else max(0, round((perf_counter() - actor.began) * 1000))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

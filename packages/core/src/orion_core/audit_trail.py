"""What a service has to say to the audit trail, which user keeps: an event in the transaction of what it tells of.

Who calls, from where and by which request is known from the request that is being answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.audit import AuditRecorded
from orion_contracts.claims import AccessClaims
from orion_core.database import Transaction
from orion_core.events import outbox
from orion_core.http.context import EXCHANGE
from orion_core.ids import uuid7_at
from orion_core.tables import IpAddress


@dataclass(frozen=True)
class Entry:
    """What was done, or tried."""

    action: str
    resource_type: str
    resource_id: str | None = None
    user_id: UUID | None = None
    """Whom it was done to."""
    old: Mapping[str, Any] = field(default_factory=dict[str, Any])
    new: Mapping[str, Any] = field(default_factory=dict[str, Any])
    is_denied: bool = False
    by: str | None = None
    """The administrator or operator who did it, where no request tells."""
    is_own: bool = False
    """Whether whoever did it has shown, say by a link in a mail, that he is the user."""
    ip_address: IpAddress | None = None
    user_agent: str | None = None
    session_id: UUID | None = None


EMPTY = text("""
    UPDATE outbox
    SET data = data - CASE
      WHEN data ->> 'user_id' = :user_id THEN '{old,new,ip_address,user_agent,error}'::text[]
      ELSE '{ip_address,user_agent}'
    END
    WHERE type = :type AND :user_id IN (data ->> 'user_id', data ->> 'actor_id')
""")
"""What was done to the person, and from where the person did what. It reads the outbox, which is a month."""


async def record(
    transaction: Transaction, contract: type[AuditRecorded], entry: Entry, now: datetime, audit_id: UUID | None = None
) -> None:
    """Write it down, as the event of the service whose `contract` it is. Nobody waits for it, so nobody is woken."""
    exchange = EXCHANGE.get()
    context = None if exchange is None else exchange.context
    claims = None if exchange is None else exchange.claims
    kind, actor_id, name = _actor(entry, claims, contract)
    event = contract.model_validate(
        {
            "audit_id": audit_id or uuid7_at(now),
            "actor_type": kind,
            "actor_id": actor_id,
            "actor_name": name,
            "user_id": entry.user_id,
            "action": entry.action,
            "resource_type": entry.resource_type,
            "resource_id": entry.resource_id,
            "old": entry.old,
            "new": entry.new,
            "session_id": entry.session_id or _session(claims),
            "request_id": context and context.request_id,
            "ip_address": entry.ip_address or (context and context.ip_address),
            "user_agent": entry.user_agent or (context and context.user_agent),
            "status": "DENIED" if entry.is_denied else "SUCCESS",
            "duration_ms": exchange and exchange.milliseconds,
            "occurred_at": now,
        }
    )
    await outbox.write(transaction, event, now)


async def empty(connection: AsyncConnection, contract: type[AuditRecorded], user_id: UUID) -> None:
    """Take out of the events of the trail what is personal of somebody who is erased; user does so with the entries."""
    await connection.execute(EMPTY, {"type": contract.type, "user_id": str(user_id)})


def _actor(
    entry: Entry, claims: AccessClaims | None, contract: type[AuditRecorded]
) -> tuple[str, UUID | None, str | None]:
    """Type, id and name. Where nobody has shown who he is, it was the service that acted, for somebody unknown."""
    who = entry.by or (claims and claims.sub)
    if who:
        subject = _uuid(who)
        if subject is None:
            return "SERVICE", None, who[:100]
        is_key = claims is not None and claims.sub == who and claims.is_of_api_key
        return "API_KEY" if is_key else "USER", subject, None
    if entry.is_own and entry.user_id is not None:
        return "USER", entry.user_id, None
    return "SERVICE", None, contract.type.split(".")[1]


def _session(claims: AccessClaims | None) -> UUID | None:
    return None if claims is None or claims.sid is None else _uuid(claims.sid)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

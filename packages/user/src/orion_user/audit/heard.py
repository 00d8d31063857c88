"""What becomes of the events of other services in the audit trail."""

from datetime import datetime
from uuid import UUID

from orion_contracts.audit import AuditRecorded
from orion_contracts.event import Event
from orion_contracts.events import (
    EmailVerified,
    IdentityProfileChanged,
    IdentityRegistered,
    SessionEnded,
    SessionStarted,
)
from orion_core.database import Transaction
from orion_core.ids import uuid7_at
from orion_user.audit import actions, rules
from orion_user.audit.actions import Actor, Change, Origin
from orion_user.audit.rules import ActorType, AuditStatus

OWN_WISH = frozenset({"SIGNED_OUT", "REVOKED"})
"""Reasons for which a session's owner ended it himself."""


async def keep(transaction: Transaction, service: str, event: Event, now: datetime) -> None:
    """Write the entry of an event, if it makes one. Inside the transaction that moves the feed's cursor: once."""
    if isinstance(event, AuditRecorded):
        origin = Origin(event.audit_id, service, event.occurred_at, event.duration_ms)
        await actions.record(transaction, _actor(event), _change(event), now, origin)
        return
    told = _told(event)
    if told is not None:
        actor, change, at = told
        await actions.record(transaction, actor, change, now, Origin(uuid7_at(at), service, at))


def _actor(event: AuditRecorded) -> Actor:
    """A word that is not known here (yet) must not hold up the feed."""
    kind = ActorType.__members__.get(event.actor_type, ActorType.SERVICE)
    actor_id = event.actor_id or (rules.id_of(event.actor_name) if event.actor_name else None)
    is_system = kind is ActorType.SYSTEM or actor_id is None
    return Actor(
        type=ActorType.SYSTEM if is_system else kind,
        id=None if is_system else actor_id,
        name=event.actor_name,
        on_behalf_of=event.on_behalf_of,
        session_id=event.session_id,
        ip_address=event.ip_address,
        user_agent=event.user_agent,
        request_id=event.request_id,
    )


def _change(event: AuditRecorded) -> Change:
    return Change(
        event.action,
        event.resource_type,
        event.resource_id,
        user_id=event.user_id,
        old=event.old,
        new=event.new,
        status=AuditStatus.__members__.get(event.status, AuditStatus.FAILURE).name,
        error=event.error,
    )


def _told(event: Event) -> tuple[Actor, Change, datetime] | None:
    """Of what auth tells without an entry of its own: who did what, and when."""
    match event:
        case IdentityRegistered():
            new = event.model_dump(mode="json", exclude={"user_id", "registered_at", "is_imported"}, exclude_none=True)
            who = Actor.service("auth") if event.is_imported else Actor(ActorType.USER, event.user_id)
            return who, _of_user("user.register", event.user_id, new), event.registered_at
        case EmailVerified():
            who = Actor.service("auth") if event.is_imported else Actor(ActorType.USER, event.user_id)
            return who, _of_user("email.verify", event.user_id, {"email": event.email}), event.verified_at
        case IdentityProfileChanged():
            new = event.model_dump(mode="json", exclude={"user_id", "changed_at"}, exclude_none=True)
            return Actor.service("auth"), _of_user("user.update", event.user_id, new), event.changed_at
        case SessionStarted():
            who = Actor(
                ActorType.USER,
                event.user_id,
                session_id=event.session_id,
                ip_address=event.ip_address,
                user_agent=event.user_agent,
            )
            new = event.model_dump(
                mode="json", include={"device_name", "country", "city", "expires_at"}, exclude_none=True
            )
            change = Change("session.create", "session", str(event.session_id), event.user_id, new=new)
            return who, change, event.started_at
        case SessionEnded():
            own = event.reason in OWN_WISH
            who = Actor(ActorType.USER, event.user_id) if own else Actor.service("auth")
            change = Change(
                "session.delete", "session", str(event.session_id), event.user_id, new={"reason": event.reason}
            )
            return who, change, event.ended_at
        case _:
            return None


def _of_user(action: str, user_id: UUID, new: dict[str, object]) -> Change:
    return Change(action, "user", str(user_id), user_id, new=new)

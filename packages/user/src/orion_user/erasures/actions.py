"""Forgetting a person (GDPR Art. 17), step by step, and holding on to one whom the law needs.

user puts the person away and asks auth. auth erases and says so in its feed, behind all it has told of the person
before; so user and notifications, which both follow that feed, erase when nothing more can follow, each in the
transaction that moves its cursor. A process that dies in between is gone on from there; a step that is told twice is
done once.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.erasures import IdentityErased, MessagesErased
from orion_contracts.invitations import InvitationExpired, InvitationMailRequested, InvitationsForgotten
from orion_contracts.user_events import ErasureRequested
from orion_core import personal_data
from orion_core.database import Database, Transaction
from orion_core.errors import Problem, not_found
from orion_core.events.outbox import Outbox
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.base import Table
from orion_user.erasures import store
from orion_user.erasures.rules import ErasureReason
from orion_user.erasures.shapes import ErasureShape, HoldShape
from orion_user.organizations import actions as organizations
from orion_user.users import actions as users

USERS = "users"
AT_ONCE = 1000
"""Invitations that one event tells of."""


async def request(
    database: Database,
    outbox: Outbox,
    user_id: UUID,
    *,
    by: str,
    actor: Actor,
    now: datetime,
    reason: ErasureReason = ErasureReason.REQUESTED,
) -> ErasureShape:
    """Begin to forget a user; once more answers how far it is. 404 for nobody.

    409 while a legal hold stands, or an organization would be left without its owner.
    """
    async with database.transaction() as transaction:
        connection = transaction.connection
        is_there = await users.put_away_for_good(connection, user_id, now)
        under_way = await store.find_of(connection, user_id)
        if under_way is not None:
            return ErasureShape.of(under_way)
        if not is_there:
            raise not_found("user")
        await _require_free(connection, user_id)
        row = await store.insert_erasure(connection, user_id, reason, by, now)
        told = Change("user.erase", "user", str(user_id), user_id=user_id, new={"reason": reason.name})
        await audit.record(transaction, actor, told, now)
        event = ErasureRequested(user_id=user_id, erasure_id=row["id"], requested_at=now)
        await outbox.record(transaction, event, now)
        return ErasureShape.of(row)


async def identity_erased(transaction: Transaction, outbox: Outbox, event: IdentityErased, now: datetime) -> None:
    """Erase here too, now that auth is done. What nobody asked for here is passed over."""
    row = await store.find(transaction.connection, event.erasure_id, lock=True)
    if row is None or row["user_id"] != event.user_id:
        return
    await store.set_erased(transaction.connection, event.erasure_id, "auth", event.counts, event.erased_at)
    await erase_here(transaction, outbox, event.erasure_id, event.user_id, now)


async def erase_here(transaction: Transaction, outbox: Outbox, erasure_id: UUID, user_id: UUID, now: datetime) -> None:
    """Delete the user with everything that goes with them, and empty what the audit trail tells of them.

    When the database refuses, because of something that came to be theirs meanwhile, the erasure says what is in the
    way and is tried again; the feed goes on.
    """
    connection = transaction.connection
    counts = await personal_data.count(connection, Table.metadata, USERS, user_id)
    try:
        async with connection.begin_nested():
            user = await users.record(connection, user_id)
            email = user["email"] if user is not None and user["email_verified_at"] is not None else None
            await organizations.forget_owner(transaction, user_id, now)
            await organizations.forget_sender(transaction, outbox, user_id, now)
            await users.delete_for_good(connection, user_id)
            if email is not None:
                await organizations.forget_address(transaction, email)
            events = await store.delete_events(connection, user_id, email)
            counts["outbox"] = len(events)
            for told in _forgotten(user_id, events, now):
                await outbox.record(transaction, told, now)
            await audit.erase(transaction, user_id, now, email=email)
    except IntegrityError:
        obstacle = "The user is held, or owns an organization: lift the hold, or hand the organization over."
        await store.set_obstacle(connection, erasure_id, obstacle)
        return
    await store.set_erased(connection, erasure_id, "user", counts, now)


async def messages_erased(transaction: Transaction, event: MessagesErased, now: datetime) -> None:
    """Note that notifications is done, and empty what it told the audit trail of the person until then.

    Its feed is followed apart from auth's, so that may have come after all else was erased here.
    """
    row = await store.find(transaction.connection, event.erasure_id, lock=True)
    if row is None or row["user_id"] != event.user_id:
        return
    if row["user_erased_at"] is not None and row["notifications_erased_at"] is None:
        await audit.erase(transaction, event.user_id, now)
    await store.set_erased(transaction.connection, event.erasure_id, "notifications", event.counts, event.erased_at)


async def read(connection: AsyncConnection, erasure_id: UUID) -> ErasureShape:
    """How far an erasure is, or its receipt; 404 when there is none."""
    row = await store.find(connection, erasure_id)
    if row is None:
        raise not_found("erasure")
    return ErasureShape.of(row)


async def read_hold(connection: AsyncConnection, user_id: UUID) -> HoldShape:
    """The legal hold on a user; 404 when nothing holds them."""
    row = await store.find_hold(connection, user_id)
    if row is None:
        raise not_found("legal hold")
    return HoldShape.model_validate({**row})


async def hold(database: Database, user_id: UUID, reason: str, *, by: str, actor: Actor, now: datetime) -> HoldShape:
    """Have a user not be forgotten until the hold is lifted. 404 for nobody; 409 for one who is being forgotten."""
    async with database.transaction() as transaction:
        if not await users.hold(transaction.connection, user_id):
            raise not_found("user")
        if await store.find_of(transaction.connection, user_id) is not None:
            detail = "This user is being forgotten already; auth may have begun. Nothing was changed."
            raise Problem(409, "erasure_under_way", "Too late", detail)
        row = await store.place_hold(transaction.connection, user_id, reason, by)
        told = Change("legal_hold.place", "user", str(user_id), user_id=user_id, new={"reason": reason})
        await audit.record(transaction, actor, told, now)
        return HoldShape.model_validate({**row})


async def lift(database: Database, user_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Let a user go; 404 when nothing holds them."""
    async with database.transaction() as transaction:
        if not await store.lift_hold(transaction.connection, user_id):
            raise not_found("legal hold")
        await audit.record(transaction, actor, Change("legal_hold.lift", "user", str(user_id), user_id=user_id), now)


def _forgotten(user_id: UUID, events: Sequence[RowMapping], now: datetime) -> list[InvitationsForgotten]:
    """What has notifications forget what it has heard of these events, which it may have before they were deleted."""
    mails = [each["data"]["message_id"] for each in events if each["type"] == InvitationMailRequested.type]
    expiries = [each["data"] for each in events if each["type"] == InvitationExpired.type]
    return [
        InvitationsForgotten.model_validate(
            {
                "user_id": user_id,
                "message_ids": mails[first : first + AT_ONCE],
                "expiries": expiries[first : first + AT_ONCE],
                "forgotten_at": now,
            }
        )
        for first in range(0, max(len(mails), len(expiries)), AT_ONCE)
    ]


async def _require_free(connection: AsyncConnection, user_id: UUID) -> None:
    if await store.find_hold(connection, user_id) is not None:
        detail = "A legal hold stands on this user. Nothing was changed."
        raise Problem(409, "legal_hold", "Legal hold", detail)
    if await store.owns_organization(connection, user_id):
        detail = "This user owns an organization; hand it over first. Nothing was changed."
        raise Problem(409, "owns_organization", "Owns an organization", detail)

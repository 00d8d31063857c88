"""What administrators do to users. Whoever may do it has been asked for already; the rank is looked at here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.event import Event
from orion_contracts.user_events import UserDeleted, UserReinstated, UserRestored, UserSuspended
from orion_core.database import Database, Transaction
from orion_core.errors import Problem, not_found
from orion_core.events.outbox import Outbox
from orion_core.http.etags import etag
from orion_core.rights.caller import Caller
from orion_user.access.actions import require_rank
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.users import actions as users
from orion_user.users import store
from orion_user.users.rules import PURGE_DELAY, Sort, UserStatus, Wanted, status_once_reinstated
from orion_user.users.rules import status_once_restored as restored_status
from orion_user.users.shapes import UserChanges, UserShape

TOLD_OF = (
    "email",
    "username",
    "name",
    "bio",
    "location",
    "website",
    "avatar_url",
    "social_links",
    "metadata",
    "status",
)
"""Fields whose changes stand in the audit trail."""


@dataclass(frozen=True)
class Administrator:
    """Who does something to a user, by which request."""

    caller: Caller
    actor: Actor
    name: str
    """The subject of the access token, as other services are told of it."""


async def read(connection: AsyncConnection, user_id: UUID) -> UserShape:
    """All of a user, deleted or not; 404 for nobody."""
    row = await store.record(connection, user_id)
    if row is None:
        raise not_found("user")
    return UserShape.of(row)


async def search(
    connection: AsyncConnection, wanted: Wanted, sort: Sort, after: tuple[Any, UUID] | None, limit: int
) -> Sequence[RowMapping]:
    """Users that are wanted, in the order of `sort`, going on after a (value, id)."""
    return await store.search(connection, wanted, sort, after, limit)


async def change(
    database: Database,
    by: Administrator,
    user_id: UUID,
    changes: UserChanges,
    now: datetime,
    require: Callable[[str], None],
) -> UserShape:
    """Change a profile. `require` is given its ETag while nobody else can change it, and raises to refuse."""
    async with database.transaction() as transaction:
        before = await _held(transaction, by, user_id, now)
        require(etag(UserShape.of(before)))
        await users.change_profile(transaction.connection, user_id, before, changes.of_row())
        return await _told(transaction, by, "user.update", before, now)


async def suspend(
    database: Database, outbox: Outbox, by: Administrator, user_id: UUID, reason: str | None, now: datetime
) -> UserShape:
    """Shut a user out: auth ends the sessions as soon as it hears of it. Once more changes nothing."""
    async with database.transaction() as transaction:
        before = await _held(transaction, by, user_id, now)
        _require_living(before)
        if before["status"] is UserStatus.SUSPENDED:
            return UserShape.of(before)
        await store.shut_out(transaction.connection, user_id, {"status": UserStatus.SUSPENDED}, now)
        event = UserSuspended(user_id=user_id, by=by.name, suspended_at=now)
        return await _told(transaction, by, "user.suspend", before, now, outbox, event, reason)


async def reinstate(
    database: Database, outbox: Outbox, by: Administrator, user_id: UUID, reason: str | None, now: datetime
) -> UserShape:
    """End a suspension. For a user who is not suspended it changes nothing."""
    async with database.transaction() as transaction:
        before = await _held(transaction, by, user_id, now)
        if before["status"] is not UserStatus.SUSPENDED:
            return UserShape.of(before)
        is_verified = before["email_verified_at"] is not None
        status = status_once_reinstated(before["status"], is_verified=is_verified)
        await store.let_in(transaction.connection, user_id, {"status": status}, now)
        event = UserReinstated(user_id=user_id, by=by.name, reinstated_at=now)
        return await _told(transaction, by, "user.reinstate", before, now, outbox, event, reason)


async def delete(
    database: Database, outbox: Outbox, by: Administrator, user_id: UUID, reason: str | None, now: datetime
) -> UserShape:
    """Put a user away, so that they can be restored with all they had until they are purged. Once more, nothing."""
    async with database.transaction() as transaction:
        before = await _held(transaction, by, user_id, now)
        if before["deleted_at"] is not None:
            return UserShape.of(before)
        values = {
            "status": UserStatus.DELETED,
            "status_before_deletion": before["status"],
            "deleted_at": now,
            "purge_after": now + PURGE_DELAY,
        }
        await store.shut_out(transaction.connection, user_id, values, now)
        event = UserDeleted(user_id=user_id, by=by.name, deleted_at=now, purge_after=now + PURGE_DELAY)
        return await _told(transaction, by, "user.delete", before, now, outbox, event, reason)


async def restore(
    database: Database, outbox: Outbox, by: Administrator, user_id: UUID, reason: str | None, now: datetime
) -> UserShape:
    """Bring a deleted user back, as they were. 409 when somebody else has their address by now."""
    async with database.transaction() as transaction:
        before = await _held(transaction, by, user_id, now)
        if before["deleted_at"] is None:
            return UserShape.of(before)
        if before["purge_after"] is None or before["purge_after"] <= now:
            detail = "The time to restore this user is over, or they are being forgotten. Nothing was changed."
            raise Problem(409, "purge_due", "Too late", detail)
        is_verified = before["email_verified_at"] is not None
        status = restored_status(before["status_before_deletion"], is_verified=is_verified)
        values = {"status": status, "status_before_deletion": None, "deleted_at": None, "purge_after": None}
        try:
            async with transaction.connection.begin_nested():
                await store.let_in(transaction.connection, user_id, values, now)
        except IntegrityError:
            detail = "Another user has this one's address, username or number by now. Nothing was changed."
            raise Problem(409, "address_taken", "Address taken", detail) from None
        is_suspended = status is UserStatus.SUSPENDED
        event = UserRestored(user_id=user_id, by=by.name, is_suspended=is_suspended, restored_at=now)
        return await _told(transaction, by, "user.restore", before, now, outbox, event, reason)


async def _held(transaction: Transaction, by: Administrator, user_id: UUID, now: datetime) -> RowMapping:
    row = await store.record(transaction.connection, user_id, lock=True)
    if row is None:
        raise not_found("user")
    await require_rank(transaction.connection, by.caller, user_id, now)
    return row


def _require_living(row: RowMapping) -> None:
    if row["deleted_at"] is not None:
        raise Problem(409, "user_deleted", "User deleted", "This user is deleted; restore them first.")


async def _told(
    transaction: Transaction,
    by: Administrator,
    action: str,
    before: RowMapping,
    now: datetime,
    outbox: Outbox | None = None,
    event: Event | None = None,
    reason: str | None = None,
) -> UserShape:
    """What the user is now, once the audit trail and the other services are told."""
    user_id: UUID = before["id"]
    row = await store.record(transaction.connection, user_id)
    if row is None:
        raise not_found("user")
    after = UserShape.of(row)
    old, new = (shape.model_dump(mode="json", include=set(TOLD_OF)) for shape in (UserShape.of(before), after))
    given = {"reason": reason} if reason else {}
    await audit.record(
        transaction,
        by.actor,
        Change(action, "user", str(user_id), user_id=user_id, old=old, new=new | given),
        now,
    )
    if outbox is not None and event is not None:
        await outbox.record(transaction, event, now)
    return after

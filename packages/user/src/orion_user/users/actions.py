"""What can be done to users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.events import (
    EmailChanged,
    EmailVerified,
    IdentityProfileChanged,
    IdentityRegistered,
    IdentityReinstated,
    IdentitySuspended,
    PhoneChanged,
    SignInFailed,
    UserCreated,
    UsernameChanged,
)
from orion_contracts.user_events import UserDeleted
from orion_core.database import Transaction
from orion_core.errors import invalid_field
from orion_core.events.outbox import Outbox
from orion_core.merge_patch import merged
from orion_user.assignments import actions as assignments
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.preferences import actions as preferences
from orion_user.users import rules, store
from orion_user.users.rules import UserStatus
from orion_user.users.shapes import LARGEST_METADATA, fits


async def create(transaction: Transaction, event: IdentityRegistered, outbox: Outbox, now: datetime) -> None:
    """Give a registered identity its profile, preferences and first role, and tell the others.

    The username is not the user's before the address is verified. Raises IntegrityError when another living user has
    the address: auth has just promised it to this one, so the two databases contradict each other, and somebody has to
    look.
    """
    connection = transaction.connection
    added = await store.insert_user(
        connection,
        event.user_id,
        email=event.email,
        name=event.name,
        phone=event.phone,
        status=UserStatus.PENDING,
        created_at=now,
    )
    if not added:
        return
    await preferences.create(connection, event.user_id, locale=event.locale, timezone=event.timezone)
    await assignments.assign_system_role(connection, event.user_id, rules.INITIAL_ROLE, now, reason="registration")
    created = UserCreated(
        user_id=event.user_id,
        email=event.email,
        name=event.name,
        locale=event.locale,
        timezone=event.timezone,
        created_at=now,
    )
    await outbox.record(transaction, created, now)


@dataclass(frozen=True)
class Arrival:
    """A user whom auth has taken in from another system."""

    id: UUID
    email: str
    is_verified: bool
    username: str | None
    locale: str
    timezone: str
    profile: Mapping[str, Any] = field(repr=False)
    """What else is known: columns of the profile."""
    at: datetime


async def bring_in(connection: AsyncConnection, arrivals: Sequence[Arrival]) -> frozenset[UUID]:
    """Give many users their profiles; the ids of those who had none. Of those who had one, what is empty is filled.

    Raises IntegrityError when another living user has an address, as `create` does.
    """
    return await store.bring_in(connection, [_row(arrival) for arrival in arrivals])


async def after_id(connection: AsyncConnection, after: UUID, limit: int) -> Sequence[RowMapping]:
    """All users, deleted or not, in the order of their ids, going on after one."""
    return await store.after_id(connection, after, limit)


async def existing(connection: AsyncConnection, user_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of these ids that users have, deleted or not."""
    return await store.existing(connection, user_ids)


def _row(arrival: Arrival) -> dict[str, Any]:
    # The username is the user's when the address is, as in `verify_email`.
    return {
        **dict.fromkeys(("name", "bio", "location", "website", "avatar_url")),
        **arrival.profile,
        "id": arrival.id,
        "email": arrival.email,
        "username": arrival.username if arrival.is_verified else None,
        "status": (UserStatus.ACTIVE if arrival.is_verified else UserStatus.PENDING).name,
        "email_verified_at": arrival.at if arrival.is_verified else None,
        "created_at": arrival.at,
    }


async def verify_email(transaction: Transaction, event: EmailVerified) -> None:
    """Note that the user's address is theirs, and their username with it.

    Does nothing for a user who is gone or has another address by now; for a deleted one it counts once restored.
    """
    user = await store.record(transaction.connection, event.user_id, lock=True)
    if user is None or user["email"] != event.email:
        return
    status = rules.status_once_verified(user["status"])
    await store.set_email_verified(transaction.connection, event.user_id, event.username, status, event.verified_at)


async def fill_in(transaction: Transaction, event: IdentityProfileChanged) -> None:
    """Take name and picture from a provider that the user signs in through, where the profile has none.

    What somebody has written here himself is never replaced by what another provider says.
    """
    await store.fill_in(transaction.connection, event.user_id, name=event.name, avatar_url=event.picture_url)


async def change_email(transaction: Transaction, event: EmailChanged, outbox: Outbox, now: datetime) -> None:
    """Give the user the address that both its ends have agreed to. Does nothing for a user who is gone.

    A deleted one gets it, too: auth keeps his address for him until he is restored, and its mailed links stay good.
    Whoever had registered it and never verified it has made room at auth, and is purged here.

    Raises IntegrityError when another living user has the address, as `create` does.
    """
    made_room = await store.delete_unverified(transaction.connection, event.email, event.user_id, now)
    if made_room is not None:
        deleted = UserDeleted(user_id=made_room, by="auth", deleted_at=now, purge_after=now)
        await outbox.record(transaction, deleted, now)
        left = Change(
            "user.delete", "user", str(made_room), made_room, new={"reason": "made room for a verified address"}
        )
        await audit.record(transaction, Actor.service("auth"), left, now)
    await store.set_email(transaction.connection, event.user_id, event.email, event.changed_at)


async def change_phone(transaction: Transaction, event: PhoneChanged) -> None:
    """Give the user the number that he has shown to be his, or none. Does nothing for a user who is gone.

    Raises IntegrityError when another living user has the number, as `create` does of addresses.
    """
    verified_at = event.changed_at if event.phone is not None else None
    await store.set_phone(transaction.connection, event.user_id, event.phone, verified_at)


async def change_username(transaction: Transaction, event: UsernameChanged) -> None:
    """Give the user the name that he has chosen. Does nothing for a user who is gone.

    Raises IntegrityError when another living user has the name, as `create` does of addresses.
    """
    await store.change_profile(transaction.connection, event.user_id, {"username": event.username})


async def suspend(transaction: Transaction, event: IdentitySuspended) -> None:
    """Note that auth has shut the user out. Does nothing for a user who is gone."""
    user = await store.profile(transaction.connection, event.user_id, lock=True)
    if user is not None:
        values = {"status": rules.status_once_suspended(user["status"])}
        await store.shut_out(transaction.connection, event.user_id, values, event.suspended_at)


async def reinstate(transaction: Transaction, event: IdentityReinstated) -> None:
    """Note that the user may sign in again. Does nothing for a user who is gone."""
    user = await store.profile(transaction.connection, event.user_id, lock=True)
    if user is not None:
        status = rules.status_once_reinstated(user["status"], is_verified=user["email_verified_at"] is not None)
        await store.let_in(transaction.connection, event.user_id, {"status": status}, event.reinstated_at)


async def count_login(connection: AsyncConnection, user_id: UUID, at: datetime) -> bool:
    """Note a sign-in that succeeded; False when there is no such user."""
    return await store.count_login(connection, user_id, at)


async def raise_epoch(connection: AsyncConnection, user_id: UUID, epoch: int) -> None:
    """Note the security epoch that has begun for a user; it only rises."""
    await store.raise_epoch(connection, user_id, epoch)


async def hold_epoch(connection: AsyncConnection, user_id: UUID) -> int | None:
    """The user's security epoch as far as auth has told, held until the transaction ends; None for nobody."""
    return await store.hold_epoch(connection, user_id)


async def exists(connection: AsyncConnection, user_id: UUID) -> bool:
    """Whether there is such a user, deleted or not."""
    return await store.exists(connection, user_id)


async def profile(connection: AsyncConnection, user_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """The profile of a living user; with `lock`, nobody else changes it until the transaction ends."""
    return await store.profile(connection, user_id, lock=lock)


async def record(connection: AsyncConnection, user_id: UUID) -> RowMapping | None:
    """All of a user, deleted or not."""
    return await store.record(connection, user_id)


async def hold(connection: AsyncConnection, user_id: UUID) -> bool:
    """Keep a user, deleted or not, from changing until the transaction ends; False for nobody."""
    return await store.record(connection, user_id, lock=True) is not None


async def put_away_for_good(connection: AsyncConnection, user_id: UUID, now: datetime) -> bool:
    """Delete a user so that nobody can restore them; False for nobody."""
    return await store.put_away_for_good(connection, user_id, now)


async def delete_for_good(connection: AsyncConnection, user_id: UUID) -> None:
    """Remove a user with all that lives and dies with them; IntegrityError when something holds on to them."""
    await store.delete_for_good(connection, user_id)


async def change_profile(
    connection: AsyncConnection, user_id: UUID, before: Mapping[Any, Any], values: Mapping[str, Any]
) -> None:
    """Set fields of a profile that is `before` now and held; objects are merged into those there are (RFC 7396).

    A 422 Problem when metadata gets too large by it.
    """
    whole = {name: merged(before[name], values[name]) for name in ("social_links", "metadata") if name in values}
    if not fits(whole.get("metadata", {})):
        raise invalid_field("/metadata", "too_large", f"Together they have more than {LARGEST_METADATA} bytes.")
    await store.change_profile(connection, user_id, {**values, **whole})


async def count_failed_login(transaction: Transaction, event: SignInFailed) -> None:
    """Note a wrong password. Does nothing for a user who is gone."""
    await store.count_failed_login(transaction.connection, event.user_id, event.failed_at)

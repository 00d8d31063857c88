"""What the other slices may know of an identity and do to it, inside their own transactions."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.identities import store
from orion_auth.identities.rules import IdentityStatus, Standing, standing
from orion_core.database import Transaction, Writes
from orion_core.errors import unauthenticated
from orion_core.ids import uuid7
from orion_core.statement import Look


@dataclass(frozen=True)
class KnownIdentity:
    """A living identity, as far as its neighbours need it."""

    id: UUID
    email: str
    username: str | None
    locale: str
    password_hash: str | None = field(repr=False, compare=False)
    """Left out of comparisons: it is made anew with higher parameters while its owner signs in twice at once."""
    password_changed_at: datetime | None
    """When the password was chosen here; None when there is none yet, or another system's was brought in."""
    standing: Standing
    security_epoch: int
    is_told_of_sign_ins: bool = field(default=False, compare=False)
    """Of every one, not only of those on new devices. Left out of comparisons: it is no reason to sign in again."""

    @property
    def is_claimed(self) -> bool:
        """Whether it was registered, by whomever, and its address never verified: not invited, nor brought in."""
        return self.standing == "UNVERIFIED" and self.password_changed_at is not None


@dataclass(frozen=True)
class VerifiedIdentity:
    """An identity whose address has just been verified."""

    username: str | None
    """From now on nobody else's."""


@dataclass(frozen=True)
class VerifiedPhone:
    """The phone number of an identity, which its owner has shown to be his."""

    number: str
    """E.164."""
    verified_at: datetime


@dataclass(frozen=True)
class NewIdentity:
    """What somebody registers with, already normalised."""

    email: str
    username: str | None
    password_hash: str | None
    """None for whoever comes by another provider, or is invited and has yet to choose one."""
    locale: str
    id: UUID = field(default_factory=uuid7)


def by_email(email: str | None, now: datetime) -> Look[KnownIdentity | None]:
    """The identity with that address; None is looked for too, so that a malformed address costs the same."""
    return Look(store.FIND_BY_EMAIL, {"email": email or ""}, lambda row: _known(row, now))


async def find_by_email(connection: AsyncConnection, email: str | None, now: datetime) -> KnownIdentity | None:
    """The same, when nothing else is looked for."""
    return _known(await store.find_by_email(connection, email or ""), now)


async def find(connection: AsyncConnection, identity_id: UUID, now: datetime) -> KnownIdentity | None:
    """The identity of that id."""
    return _known(await store.find(connection, identity_id), now)


async def emails(connection: AsyncConnection, identity_ids: Collection[UUID]) -> dict[UUID, str]:
    """The addresses of these identities; those that are gone are left out."""
    return {row.id: row.email for row in await store.list_emails(connection, identity_ids)}


async def username_is_taken(connection: AsyncConnection, username: str | None, *, prepares: bool = False) -> bool:
    """Whether an identity has that username that keeps it: a verified one; or one that was invited or brought in, but
    for an administrator who `prepares` another account.
    """
    return username is not None and await store.username_is_taken(connection, username, prepares=prepares)


async def create(transaction: Transaction, new: NewIdentity, now: datetime, *, prepares: bool = False) -> UUID | None:
    """Create a pending identity; None when the address is taken, or the username by one that keeps it.

    Until an address is verified, the username registered beside it is no one's: a later one takes it. If it kept the
    name, whoever registered a name twice, the first time with an address of somebody else, would learn from the second
    answer whether that address was free.
    """
    identity_id = new.id
    if new.username is not None:
        await store.release_username(transaction.connection, new.username, prepares=prepares)
    values: dict[str, Any] = {
        "id": identity_id,
        "email": new.email,
        "username": new.username,
        "password_hash": new.password_hash,
        "password_changed_at": now if new.password_hash is not None else None,
        "locale": new.locale,
    }
    return identity_id if await store.insert_pending(transaction.connection, values) else None


async def bring_in(transaction: Transaction, new: NewIdentity, *, is_verified: bool, now: datetime) -> UUID | None:
    """Create an identity that another system had; None when something of it is taken."""
    if new.username is not None:
        await store.release_username(transaction.connection, new.username, prepares=True)
    values: dict[str, Any] = {
        "id": new.id,
        "email": new.email,
        "username": new.username,
        "password_hash": new.password_hash,
        "locale": new.locale,
        "status": IdentityStatus.ACTIVE if is_verified else IdentityStatus.PENDING,
        "email_verified_at": now if is_verified else None,
    }
    return new.id if await store.insert_pending(transaction.connection, values) else None


async def bring_in_many(
    transaction: Transaction, columns: dict[str, list[Any]], now: datetime
) -> tuple[frozenset[UUID], dict[str, KnownIdentity]]:
    """Create many identities that another system had, from columns of equal length: `ids`, `emails`, `usernames`,
    `locales`, `verified`.

    The ids that were created, and who has the addresses of the others (an address that is missing there was free: the
    username, or the id, was taken).
    """
    created = await store.insert_many(transaction.connection, columns, now)
    pairs = zip(columns["ids"], columns["emails"], strict=True)
    others = [email for user_id, email in pairs if user_id not in created]
    owners = dict[str, KnownIdentity]()
    for row in await store.find_many(transaction.connection, others) if others else ():
        owners[row.email] = _identity(row, now)
    return created, owners


async def unlock(transaction: Transaction, identity_id: UUID) -> bool:
    """End a lock before its time, and forget the wrong passwords of before; says whether there was one."""
    return await store.unlock(transaction.connection, identity_id)


async def set_pending_password(
    transaction: Transaction, identity_id: UUID, password_hash: str | None, now: datetime
) -> None:
    """Put the password of the latest registration on a pending identity, for the mail that is asked for again."""
    await store.set_pending_password(transaction.connection, identity_id, password_hash, now)


async def forget_pending_password(transaction: Transaction, identity_id: UUID) -> None:
    """Leave a pending identity no password, as one that nobody has registered: somebody else prepares it now."""
    await store.set_pending_password(transaction.connection, identity_id, None, None)


async def verify_email(
    transaction: Transaction, identity_id: UUID, email: str, password_hash: str | None, now: datetime
) -> VerifiedIdentity | None:
    """Note that the address is the identity's own, and its password the one that was confirmed with it.

    None when it was verified before, or is no longer its address.
    """
    row = await store.set_email_verified(transaction.connection, identity_id, email, password_hash, now)
    return VerifiedIdentity(row.username) if row is not None else None


async def set_password(transaction: Transaction, identity_id: UUID, password_hash: str, now: datetime) -> None:
    """Put another password in the place of the present one, if there is one."""
    await store.set_password(transaction.connection, identity_id, password_hash, now)


async def replace_hash(connection: AsyncConnection, identity_id: UUID, old_hash: str, new_hash: str) -> bool:
    """Keep another hash of the same password. False when the password has been changed meanwhile, or the hash."""
    return await store.replace_hash(connection, identity_id, old_hash, new_hash)


async def change_email(transaction: Transaction, identity_id: UUID, old: str, new: str, now: datetime) -> bool:
    """Give the identity another address, which has been verified; False when it, or the old one, is not free to be.

    Whoever had registered it and has never shown that he reads its mails makes room, with all that he had: nobody has
    ever come in by it. The caller holds the identity under its old address.
    """
    try:
        async with transaction.connection.begin_nested():
            await store.delete_unverified(transaction.connection, new)
            return await store.change_email(transaction.connection, identity_id, old, new, now)
    except IntegrityError:
        return False


async def change_username(transaction: Transaction, identity_id: UUID, username: str) -> bool:
    """Give the identity another username; False when another one keeps it. Who never verified makes room."""
    await store.release_username(transaction.connection, username, prepares=False)
    try:
        async with transaction.connection.begin_nested():
            await store.set_username(transaction.connection, identity_id, username)
    except IntegrityError:
        return False
    return True


async def phone_of(connection: AsyncConnection, identity_id: UUID) -> VerifiedPhone | None:
    """The phone number of the identity; None without one that is verified."""
    row = await store.find_phone(connection, identity_id)
    return VerifiedPhone(row.phone, row.phone_verified_at) if row is not None else None


async def phone_is_taken(connection: AsyncConnection, phone: str, by_other_than: UUID) -> bool:
    """Whether another living identity has that phone number."""
    return await store.phone_is_taken(connection, phone, by_other_than)


async def change_phone(transaction: Transaction, identity_id: UUID, phone: str | None, now: datetime) -> bool:
    """Give the identity a phone number that was verified, or none; False when another identity has it."""
    try:
        async with transaction.connection.begin_nested():
            await store.set_phone(transaction.connection, identity_id, phone, now if phone is not None else None)
    except IntegrityError:
        return False
    return True


def note_failed_login(writes: Writes, identity_id: UUID) -> None:
    """Count a wrong password."""
    writes.later(store.ADD_FAILED_LOGIN, {"identity_id": identity_id})


async def hold(transaction: Transaction, identity_id: UUID, now: datetime) -> KnownIdentity | None:
    """The identity as it is now, kept so until the transaction ends."""
    return _known(await store.hold(transaction.connection, identity_id), now)


async def hold_caller(transaction: Transaction, identity_id: UUID, now: datetime) -> KnownIdentity:
    """The identity of whoever shows an access token of it, kept from changing until the transaction ends.

    A 401 Problem when it is no longer in good standing: it may have been suspended a moment ago.
    """
    identity = await hold(transaction, identity_id, now)
    if identity is None or identity.standing != "GOOD":
        raise unauthenticated("The account of this access token is no longer in good standing.")
    return identity


async def raise_security_epoch(transaction: Transaction, identity_id: UUID) -> int | None:
    """Begin a new security epoch; says which one is over by it, None when there is no such identity.

    The identity stays held until the transaction ends.
    """
    return await store.raise_security_epoch(transaction.connection, identity_id)


async def tell_of_sign_ins(transaction: Transaction, identity_id: UUID, *, of_all: bool) -> None:
    """Have the owner told of every sign-in, or of those on new devices alone."""
    await store.tell_of_sign_ins(transaction.connection, identity_id, of_all=of_all)


async def suspend(transaction: Transaction, identity_id: UUID) -> bool:
    """Suspend an identity; False when it is suspended already."""
    return await store.suspend(transaction.connection, identity_id)


async def reinstate(transaction: Transaction, identity_id: UUID) -> bool:
    """End a suspension: verified identities are active again, others still wait; False when there was none."""
    return await store.reinstate(transaction.connection, identity_id)


async def forget_password(transaction: Transaction, identity_id: UUID) -> None:
    """Let nobody in by the password until it is reset."""
    await store.clear_password(transaction.connection, identity_id)


def note_login(transaction: Transaction, identity_id: UUID) -> None:
    """Forget the wrong passwords of before, when the transaction is committed."""
    transaction.later(store.RESET_FAILED_LOGINS, {"identity_id": identity_id})


def _known(row: AnyRow | None, now: datetime) -> KnownIdentity | None:
    return None if row is None else _identity(row, now)


def _identity(row: AnyRow, now: datetime) -> KnownIdentity:
    return KnownIdentity(
        id=row.id,
        email=row.email,
        username=row.username,
        locale=row.locale,
        password_hash=row.password_hash,
        password_changed_at=row.password_changed_at,
        standing=standing(row.status, row.locked_until, now),
        security_epoch=row.security_epoch,
        is_told_of_sign_ins=row.is_told_of_sign_ins,
    )

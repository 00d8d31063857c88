"""The statements of identities."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, case, delete, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.identities.rules import IdentityStatus
from orion_auth.identities.tables import Identity
from orion_core.statement import Statement

_COLUMNS = (
    Identity.id,
    Identity.email,
    Identity.username,
    Identity.locale,
    Identity.password_hash,
    Identity.password_changed_at,
    Identity.status,
    Identity.locked_until,
    Identity.security_epoch,
    Identity.is_told_of_sign_ins,
)
_ACTIVE = literal(IdentityStatus.ACTIVE, Identity.status.type)
_PENDING = literal(IdentityStatus.PENDING, Identity.status.type)


_UNVERIFIED = Identity.email_verified_at.is_(None)
_GIVES_WAY = {True: _UNVERIFIED, False: and_(_UNVERIFIED, Identity.password_changed_at.is_not(None))}
"""Whose username is free for whoever prepares accounts, and for everybody else: an account that was invited or brought
in keeps its name, until it is given to another one in the same way.
"""

_LIVING = select(*_COLUMNS).where(Identity.deleted_at.is_(None))
FIND_BY_EMAIL = Statement(_LIVING.where(Identity.email == bindparam("email")))
"""The living identity with that address (uq_identities_email)."""
_HOLD = Statement(_LIVING.where(Identity.id == bindparam("id")).with_for_update(key_share=True))


async def find_by_email(connection: AsyncConnection, email: str) -> AnyRow | None:
    """The same, when nothing else is looked for."""
    return await FIND_BY_EMAIL.one_or_none(connection, {"email": email})


async def find(connection: AsyncConnection, identity_id: UUID) -> AnyRow | None:
    """The living identity of that id (primary key)."""
    return (await connection.execute(_LIVING.where(Identity.id == identity_id))).one_or_none()


RELEASE_USERNAMES = text("""
    UPDATE identities SET username = NULL
    FROM unnest(CAST(:usernames AS text[])) AS given (username)
    CROSS JOIN LATERAL (
      SELECT id, email_verified_at FROM identities
      WHERE username = given.username AND deleted_at IS NULL                  -- uq_identities_username
      LIMIT 1
    ) AS holder
    WHERE identities.id = holder.id AND holder.email_verified_at IS NULL      -- pk_identities
      AND identities.email_verified_at IS NULL                                -- whoever verifies it meanwhile keeps it
      AND identities.id <> ALL(CAST(:ids AS uuid[]))                          -- sent again, it takes nothing away
""")
"""One probe for each name. By `= ANY` a table that is being filled, with no statistics yet, is read from end to end."""

INSERT_MANY = text("""
    INSERT INTO identities (id, email, username, locale, status, email_verified_at)
    SELECT
      id, email, username, locale,
      CAST(CASE WHEN is_verified THEN 'ACTIVE' ELSE 'PENDING' END AS identity_status),
      CASE WHEN is_verified THEN CAST(:now AS timestamptz) END
    FROM unnest(
      CAST(:ids AS uuid[]), CAST(:emails AS text[]), CAST(:usernames AS text[]), CAST(:locales AS text[]),
      CAST(:verified AS boolean[])
    ) WITH ORDINALITY AS new (id, email, username, locale, is_verified, position)
    ORDER BY email, position  -- two imports that bring the same people wait for each other in one order
    ON CONFLICT DO NOTHING
    RETURNING id
""")

FIND_MANY = text("""
    SELECT
      found.id, found.email, found.username, found.locale, found.password_hash, found.password_changed_at,
      found.status, found.locked_until, found.security_epoch, found.is_told_of_sign_ins
    FROM unnest(CAST(:emails AS text[])) AS given (email)
    CROSS JOIN LATERAL (
      SELECT * FROM identities
      WHERE email = given.email AND deleted_at IS NULL                        -- uq_identities_email
      LIMIT 1
    ) AS found
""").columns(*_COLUMNS)


async def insert_many(connection: AsyncConnection, columns: dict[str, list[Any]], now: datetime) -> frozenset[UUID]:
    """Add identities, but for those of which something is taken; the ids that were added.

    A username that was never verified beside its address is nobody's, and makes room.
    """
    usernames = [username for username in columns["usernames"] if username is not None]
    if usernames:
        await connection.execute(RELEASE_USERNAMES, {"usernames": usernames, "ids": columns["ids"]})
    added = await connection.execute(INSERT_MANY, {**columns, "now": now})
    return frozenset(added.scalars())


async def find_many(connection: AsyncConnection, emails: Collection[str]) -> Sequence[AnyRow]:
    """The living identities with those addresses (uq_identities_email)."""
    return (await connection.execute(FIND_MANY, {"emails": list(emails)})).all()


async def list_emails(connection: AsyncConnection, identity_ids: Collection[UUID]) -> Sequence[AnyRow]:
    """The addresses of some living identities (primary key)."""
    statement = select(Identity.id, Identity.email).where(Identity.id.in_(identity_ids), Identity.deleted_at.is_(None))
    return (await connection.execute(statement)).all()


async def hold(connection: AsyncConnection, identity_id: UUID) -> AnyRow | None:
    """The living identity of that id, kept from changing until the transaction ends (primary key)."""
    return await _HOLD.one_or_none(connection, {"id": identity_id})


async def username_is_taken(connection: AsyncConnection, username: str, *, prepares: bool) -> bool:
    """Whether an identity has that username that keeps it (uq_identities_username)."""
    statement = select(Identity.id).where(
        Identity.username == username, Identity.deleted_at.is_(None), ~_GIVES_WAY[prepares]
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def release_username(connection: AsyncConnection, username: str, *, prepares: bool) -> None:
    """Take a username from an identity that gives way (uq_identities_username).

    Under a lock until the transaction ends, so that of two who want it at once, the second takes it from the first.
    """
    lock = func.pg_advisory_xact_lock(func.hashtextextended(f"username {username}", 0))
    await connection.execute(select(lock))
    pending = (Identity.username == username, Identity.deleted_at.is_(None), _GIVES_WAY[prepares])
    await connection.execute(update(Identity).where(*pending).values(username=None))


async def insert_pending(connection: AsyncConnection, values: dict[str, Any]) -> bool:
    """Insert an identity unless its address or username is taken; says whether it did."""
    statement = upsert(Identity).values(values).on_conflict_do_nothing().returning(Identity.id)
    return (await connection.execute(statement)).one_or_none() is not None


async def set_pending_password(
    connection: AsyncConnection, identity_id: UUID, password_hash: str | None, changed_at: datetime | None
) -> None:
    """Replace the password of an identity that is not verified (primary key)."""
    statement = update(Identity).where(Identity.id == identity_id, Identity.email_verified_at.is_(None))
    await connection.execute(statement.values(password_hash=password_hash, password_changed_at=changed_at))


async def set_password(connection: AsyncConnection, identity_id: UUID, password_hash: str, now: datetime) -> None:
    """Set the password of a living identity (primary key)."""
    statement = update(Identity).where(Identity.id == identity_id, Identity.deleted_at.is_(None))
    await connection.execute(statement.values(password_hash=password_hash, password_changed_at=now))


async def replace_hash(connection: AsyncConnection, identity_id: UUID, old_hash: str, new_hash: str) -> bool:
    """Put a hash in the place of the one it was made for (primary key); the statement decides who comes first."""
    statement = (
        update(Identity)
        .where(Identity.id == identity_id, Identity.password_hash == old_hash, Identity.deleted_at.is_(None))
        .values(password_hash=new_hash)
        .returning(Identity.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def set_email_verified(
    connection: AsyncConnection, identity_id: UUID, email: str, password_hash: str | None, now: datetime
) -> AnyRow | None:
    """Note that `email` is the identity's own; None when it has been changed or verified meanwhile (primary key)."""
    statement = (
        update(Identity)
        .where(
            Identity.id == identity_id,
            Identity.email == email,
            Identity.email_verified_at.is_(None),
            Identity.deleted_at.is_(None),
        )
        .values(
            email_verified_at=now,
            password_hash=password_hash,
            status=case((Identity.status == IdentityStatus.PENDING, _ACTIVE), else_=Identity.status),
        )
        .returning(Identity.username)
    )
    return (await connection.execute(statement)).one_or_none()


async def find_phone(connection: AsyncConnection, identity_id: UUID) -> AnyRow | None:
    """The verified phone number of a living identity (primary key)."""
    statement = select(Identity.phone, Identity.phone_verified_at).where(
        Identity.id == identity_id,
        Identity.deleted_at.is_(None),
        Identity.phone.is_not(None),
        Identity.phone_verified_at.is_not(None),
    )
    return (await connection.execute(statement)).one_or_none()


async def phone_is_taken(connection: AsyncConnection, phone: str, by_other_than: UUID) -> bool:
    """Whether a living identity but this one has that phone number (uq_identities_phone)."""
    statement = select(Identity.id).where(
        Identity.phone == phone, Identity.deleted_at.is_(None), Identity.id != by_other_than
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def set_phone(
    connection: AsyncConnection, identity_id: UUID, phone: str | None, verified_at: datetime | None
) -> None:
    """Give a living identity a phone number, or take it away (primary key; uq_identities_phone decides)."""
    statement = update(Identity).where(Identity.id == identity_id, Identity.deleted_at.is_(None))
    await connection.execute(statement.values(phone=phone, phone_verified_at=verified_at))


async def raise_security_epoch(connection: AsyncConnection, identity_id: UUID) -> int | None:
    """Raise the epoch by one, whatever state the identity is in, and say which one is over (primary key)."""
    statement = update(Identity).where(Identity.id == identity_id)
    statement = statement.values(security_epoch=Identity.security_epoch + 1).returning(Identity.security_epoch - 1)
    return (await connection.execute(statement)).scalar_one_or_none()


async def delete_unverified(connection: AsyncConnection, email: str) -> None:
    """Remove whoever has an address that he has never shown to be his (uq_identities_email)."""
    waiting = (Identity.status == IdentityStatus.PENDING, Identity.email_verified_at.is_(None))
    await connection.execute(delete(Identity).where(Identity.email == email, Identity.deleted_at.is_(None), *waiting))


async def change_email(connection: AsyncConnection, identity_id: UUID, old: str, new: str, now: datetime) -> bool:
    """Replace the address of an identity (primary key); IntegrityError when another has the new one."""
    statement = (
        update(Identity)
        .where(Identity.id == identity_id, Identity.email == old, Identity.deleted_at.is_(None))
        .values(email=new, email_verified_at=now)
        .returning(Identity.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def set_username(connection: AsyncConnection, identity_id: UUID, username: str) -> None:
    """Set the username of a living identity (primary key); IntegrityError when another has it."""
    statement = update(Identity).where(Identity.id == identity_id, Identity.deleted_at.is_(None))
    await connection.execute(statement.values(username=username))


async def unlock(connection: AsyncConnection, identity_id: UUID) -> bool:
    """Take a lock off an identity (primary key); one that was never verified waits for that as before."""
    unlocked = case((Identity.email_verified_at.is_(None), _PENDING), else_=_ACTIVE)
    locked = or_(Identity.status == IdentityStatus.LOCKED, Identity.locked_until.is_not(None))
    statement = (
        update(Identity)
        .where(Identity.id == identity_id, or_(locked, Identity.failed_login_count > 0))
        .values(
            locked_until=None,
            failed_login_count=0,
            status=case((Identity.status == IdentityStatus.LOCKED, unlocked), else_=Identity.status),
        )
        .returning(Identity.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def tell_of_sign_ins(connection: AsyncConnection, identity_id: UUID, *, of_all: bool) -> None:
    """Have a living identity told of every sign-in, or of those on new devices (primary key)."""
    statement = update(Identity).where(Identity.id == identity_id, Identity.deleted_at.is_(None))
    await connection.execute(statement.values(is_told_of_sign_ins=of_all))


async def suspend(connection: AsyncConnection, identity_id: UUID) -> bool:
    """Suspend a living identity; False when it is suspended already (primary key)."""
    statement = update(Identity).where(
        Identity.id == identity_id, Identity.deleted_at.is_(None), Identity.status != IdentityStatus.SUSPENDED
    )
    statement = statement.values(status=IdentityStatus.SUSPENDED).returning(Identity.id)
    return (await connection.execute(statement)).one_or_none() is not None


async def reinstate(connection: AsyncConnection, identity_id: UUID) -> bool:
    """Make a suspended identity what it was, as far as its address tells; False when it was not (primary key)."""
    pending = literal(IdentityStatus.PENDING, Identity.status.type)
    statement = (
        update(Identity)
        .where(Identity.id == identity_id, Identity.status == IdentityStatus.SUSPENDED)
        .values(status=case((Identity.email_verified_at.is_(None), pending), else_=_ACTIVE))
        .returning(Identity.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


ADD_FAILED_LOGIN = Statement(
    update(Identity)
    .where(Identity.id == bindparam("identity_id"))
    .values(failed_login_count=Identity.failed_login_count + 1)
)
"""Count one more failure (primary key); for an id that nobody has, nothing."""

RESET_FAILED_LOGINS = Statement(
    update(Identity)
    .where(Identity.id == bindparam("identity_id"), Identity.failed_login_count > 0)
    .values(failed_login_count=0)
)
"""Begin counting anew (primary key); writes nothing when there is nothing to forget."""


async def clear_password(connection: AsyncConnection, identity_id: UUID) -> None:
    """Have no password (primary key)."""
    await connection.execute(update(Identity).where(Identity.id == identity_id).values(password_hash=None))

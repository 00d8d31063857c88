"""Every statement on `users`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.statement import Statement
from orion_core.tables import table_of
from orion_user.users.rules import UserStatus
from orion_user.users.tables import User

USERS = table_of(User)
PROFILE = (
    User.id,
    User.email,
    User.username,
    User.name,
    User.phone,
    User.avatar_url,
    User.bio,
    User.location,
    User.website,
    User.social_links,
    User.status,
    User.email_verified_at,
    User.phone_verified_at,
    User.last_login_at,
    User.created_at,
)


async def insert_user(connection: AsyncConnection, user_id: UUID, **values: Any) -> bool:
    """Add a user unless the id is there already; whether it was added. By pk_users."""
    statement = insert(USERS).values(id=user_id, **values).on_conflict_do_nothing(index_elements=[User.id])
    return (await connection.execute(statement.returning(User.id))).one_or_none() is not None


async def profile(connection: AsyncConnection, user_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """The profile of a living user, locked against other changes if asked. By pk_users."""
    statement = select(*PROFILE).where(User.id == user_id, User.deleted_at.is_(None))
    found = await connection.execute(statement.with_for_update() if lock else statement)
    return found.mappings().one_or_none()


async def exists(connection: AsyncConnection, user_id: UUID) -> bool:
    """Whether there is such a user, deleted or not. By pk_users."""
    return (await connection.execute(select(User.id).where(User.id == user_id))).one_or_none() is not None


async def set_email_verified(
    connection: AsyncConnection, user_id: UUID, username: str | None, status: UserStatus, at: datetime
) -> None:
    """Note that the present address is verified, and the username, the first time they are. By pk_users."""
    values = {
        "status": status,
        "username": func.coalesce(User.username, username),
        "email_verified_at": func.coalesce(User.email_verified_at, at),
    }
    await connection.execute(update(USERS).where(User.id == user_id).values(values))


async def fill_in(connection: AsyncConnection, user_id: UUID, *, name: str | None, avatar_url: str | None) -> None:
    """Set what a living user's profile has not. By pk_users."""
    values = {"name": func.coalesce(User.name, name), "avatar_url": func.coalesce(User.avatar_url, avatar_url)}
    await connection.execute(update(USERS).where(User.id == user_id, User.deleted_at.is_(None)).values(values))


async def set_email(connection: AsyncConnection, user_id: UUID, email: str, verified_at: datetime) -> None:
    """Replace the address of a living user by one that is verified. By pk_users."""
    statement = update(USERS).where(User.id == user_id, User.deleted_at.is_(None))
    await connection.execute(statement.values(email=email, email_verified_at=verified_at))


async def set_phone(
    connection: AsyncConnection, user_id: UUID, phone: str | None, verified_at: datetime | None
) -> None:
    """Replace the phone number of a living user by one that is verified, or by none. By pk_users."""
    statement = update(USERS).where(User.id == user_id, User.deleted_at.is_(None))
    await connection.execute(statement.values(phone=phone, phone_verified_at=verified_at))


_COUNT_LOGIN = Statement(
    update(USERS)
    .where(User.id == bindparam("of"))
    .values(
        last_login_at=func.greatest(User.last_login_at, bindparam("at", type_=User.last_login_at.type)),
        last_active_at=func.greatest(User.last_active_at, bindparam("at", type_=User.last_login_at.type)),
        login_count=User.login_count + 1,
        failed_login_count=0,
    )
    .returning(User.id)
)


async def count_login(connection: AsyncConnection, user_id: UUID, at: datetime) -> bool:
    """Note a sign-in that succeeded; False when there is no such user. By pk_users."""
    return await _COUNT_LOGIN.one_or_none(connection, {"of": user_id, "at": at}) is not None


async def change_profile(connection: AsyncConnection, user_id: UUID, values: dict[str, Any]) -> None:
    """Set columns of a profile. By pk_users."""
    await connection.execute(update(USERS).where(User.id == user_id).values(values))

"""Every statement on `users`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import (
    FromClause,
    RowMapping,
    Select,
    bindparam,
    delete,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.statement import Statement
from orion_core.tables import table_of
from orion_user.users.rules import Sort, UserStatus, Wanted, pattern
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

RECORD = (
    *PROFILE,
    User.metadata_.label("metadata"),
    User.last_active_at,
    User.login_count,
    User.failed_login_count,
    User.last_failed_login_at,
    User.status_before_deletion,
    User.deleted_at,
    User.purge_after,
)
"""All of a user, as administrators see them."""


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


async def delete_unverified(connection: AsyncConnection, email: str, other_than: UUID, now: datetime) -> UUID | None:
    """Put away, for good, whoever has an address that was never shown to be his; who that was. By uq_users_email."""
    statement = update(USERS).where(
        User.email == email,
        User.deleted_at.is_(None),
        User.id != other_than,
        User.status == UserStatus.PENDING,
        User.email_verified_at.is_(None),
    )
    values = {"status": UserStatus.DELETED, "status_before_deletion": User.status}
    values |= {"deleted_at": now, "purge_after": now}
    return (await connection.execute(statement.values(values).returning(User.id))).scalar_one_or_none()


async def set_email(connection: AsyncConnection, user_id: UUID, email: str, verified_at: datetime) -> None:
    """Replace the address of a user, deleted or not, by one that is verified. By pk_users."""
    statement = update(USERS).where(User.id == user_id)
    await connection.execute(statement.values(email=email, email_verified_at=verified_at))


async def set_phone(
    connection: AsyncConnection, user_id: UUID, phone: str | None, verified_at: datetime | None
) -> None:
    """Replace the phone number of a user, deleted or not, by one that is verified, or by none. By pk_users."""
    statement = update(USERS).where(User.id == user_id)
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


async def raise_epoch(connection: AsyncConnection, user_id: UUID, epoch: int) -> None:
    """Note a security epoch, unless a later one is known. By pk_users."""
    values = {"security_epoch": epoch}
    await connection.execute(update(USERS).where(User.id == user_id, User.security_epoch < epoch).values(values))


async def hold_epoch(connection: AsyncConnection, user_id: UUID) -> int | None:
    """The latest security epoch that is known, which rises no further until the transaction ends. By pk_users."""
    statement = select(User.security_epoch).where(User.id == user_id).with_for_update()
    return (await connection.execute(statement)).scalar_one_or_none()


async def change_profile(connection: AsyncConnection, user_id: UUID, values: dict[str, Any]) -> None:
    """Set columns of a user. By pk_users."""
    if values:
        await connection.execute(update(USERS).where(User.id == user_id).values(values))


async def count_failed_login(connection: AsyncConnection, user_id: UUID, at: datetime) -> None:
    """Note a sign-in that failed, of a user who is there. By pk_users."""
    values = {
        "failed_login_count": User.failed_login_count + 1,
        "last_failed_login_at": func.greatest(User.last_failed_login_at, at),
    }
    await connection.execute(update(USERS).where(User.id == user_id).values(values))


async def record(connection: AsyncConnection, user_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """All of a user, deleted or not, locked against other changes if asked. By pk_users."""
    statement = select(*RECORD).where(User.id == user_id)
    found = await connection.execute(statement.with_for_update(key_share=True) if lock else statement)
    return found.mappings().one_or_none()


BEGIN_ABSENCE = text("""
    INSERT INTO user_absences AS known (user_id, began_at)
    SELECT id, :at FROM users WHERE id = :user_id AND may_come_in(status, deleted_at)           -- pk_users
    ON CONFLICT (user_id) WHERE ended_at IS NULL DO UPDATE SET began_at = excluded.began_at     -- uq_user_absences_open
""")
END_ABSENCE = text("""
    UPDATE user_absences SET ended_at = greatest(began_at, :at)
    WHERE user_id = :user_id AND ended_at IS NULL                                               -- uq_user_absences_open
      AND EXISTS (SELECT FROM users WHERE id = :user_id AND may_come_in(status, deleted_at))    -- pk_users
""")


async def shut_out(connection: AsyncConnection, user_id: UUID, values: dict[str, Any], at: datetime) -> None:
    """Set columns by which a user may come in no more, and keep since when, unless he might not before. By pk_users."""
    await connection.execute(BEGIN_ABSENCE, {"user_id": user_id, "at": at})
    await change_profile(connection, user_id, values)


async def let_in(connection: AsyncConnection, user_id: UUID, values: dict[str, Any], at: datetime) -> None:
    """Set columns by which a user may come in again, and keep until when he might not. By pk_users.

    IntegrityError as for `change_profile`. It need not be so: who is restored may still be suspended.
    """
    await change_profile(connection, user_id, values)
    await connection.execute(END_ABSENCE, {"user_id": user_id, "at": at})


async def put_away_for_good(connection: AsyncConnection, user_id: UUID, now: datetime) -> bool:
    """Delete a user, deleted before or not, so that nobody can restore them; False for nobody. By pk_users."""
    values = {
        "status": UserStatus.DELETED,
        "status_before_deletion": func.coalesce(User.status_before_deletion, User.status),
        "deleted_at": func.least(User.deleted_at, now),
        "purge_after": now,
    }
    statement = update(USERS).where(User.id == user_id).values(values).returning(User.id)
    return (await connection.execute(statement)).one_or_none() is not None


async def delete_for_good(connection: AsyncConnection, user_id: UUID) -> None:
    """Remove a user with all that lives and dies with them. IntegrityError when something holds on. By pk_users."""
    await connection.execute(delete(USERS).where(User.id == user_id))


BRING_IN = text("""
    INSERT INTO users AS present (
      id, email, username, name, bio, location, website, avatar_url, social_links, metadata, status, email_verified_at,
      created_at
    )
    SELECT
      id, email, username, name, bio, location, website, avatar_url, coalesce(social_links, '{}'),
      coalesce(metadata, '{}'), CAST(status AS user_status), email_verified_at, created_at
    FROM unnest(
      CAST(:id AS uuid[]), CAST(:email AS text[]), CAST(:username AS text[]), CAST(:name AS text[]),
      CAST(:bio AS text[]), CAST(:location AS text[]), CAST(:website AS text[]), CAST(:avatar_url AS text[]),
      CAST(CAST(:social_links AS text[]) AS jsonb[]), CAST(CAST(:metadata AS text[]) AS jsonb[]),
      CAST(:status AS text[]), CAST(:email_verified_at AS timestamptz[]), CAST(:created_at AS timestamptz[])
    ) AS new (
      id, email, username, name, bio, location, website, avatar_url, social_links, metadata, status, email_verified_at,
      created_at
    )
    ORDER BY id                                                               -- so that nobody waits in a circle
    ON CONFLICT (id) DO UPDATE SET                                            -- pk_users
      name = coalesce(present.name, excluded.name),
      bio = coalesce(present.bio, excluded.bio),
      location = coalesce(present.location, excluded.location),
      website = coalesce(present.website, excluded.website),
      avatar_url = coalesce(present.avatar_url, excluded.avatar_url),
      social_links = excluded.social_links || present.social_links,
      metadata = excluded.metadata || present.metadata
    RETURNING id, xmax = 0 AS is_new
""")
OBJECTS = ("social_links", "metadata")


async def bring_in(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> frozenset[UUID]:
    """Add many users, and fill in those who are there; the ids of those who were not."""
    columns = {name: [row[name] for row in rows] for name in rows[0] if name not in OBJECTS}
    objects = {name: [orjson.dumps(row[name]).decode() if row.get(name) else None for row in rows] for name in OBJECTS}
    found = await connection.execute(BRING_IN, {**columns, **objects})
    return frozenset(row.id for row in found if row.is_new)


async def existing(connection: AsyncConnection, user_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of these ids that users have, deleted or not. By pk_users."""
    statement = text("SELECT id FROM users WHERE id = ANY(CAST(:ids AS uuid[]))")
    return frozenset((await connection.execute(statement, {"ids": list(user_ids)})).scalars())


async def after_id(connection: AsyncConnection, after: UUID, limit: int) -> Sequence[RowMapping]:
    """All users, deleted or not, in the order of their ids, going on after one. Along pk_users."""
    statement = select(*RECORD).where(User.id > after).order_by(User.id).limit(limit)
    return (await connection.execute(statement)).mappings().all()


WALKED = 2_000
"""So many users are looked at in their order before words and more are looked for otherwise."""


async def search(
    connection: AsyncConnection, wanted: Wanted, sort: Sort, after: tuple[Any, UUID] | None, limit: int
) -> Sequence[RowMapping]:
    """Users that are wanted, in the order of `sort`, going on after a (value, id).

    Along ix_users_created_at_id, ix_users_status_created_at_id, uq_users_email or ix_users_last_login_at, whichever
    the order and the status ask for. Words that few have are found by ix_users_search and sorted; for words that many
    have, walking the order finds a page sooner, and the planner goes by how many it expects. Of words and more it may
    expect many where there are none, and walk to the end: so these are looked for a little way, and then all found.
    """
    others, words = _conditions(wanted), _words(wanted, USERS)
    if sort.column == "last_login_at":
        others.append(User.last_login_at.is_not(None))
    if after is not None:
        place = tuple_(USERS.c[sort.column], USERS.c.id)
        others.append(place < after if sort.is_descending else place > after)
    ordered = select(*RECORD).order_by(*_order(USERS, sort))
    if not (words and wanted.is_narrowed):
        return await _rows(connection, ordered.where(*others, *words).limit(limit))
    walked = ordered.where(*others).limit(WALKED).subquery()
    statement = select(walked).where(*_words(wanted, walked)).order_by(*_order(walked, sort)).limit(limit)
    rows = await _rows(connection, statement)
    if len(rows) == limit:
        return rows
    every = select(User.id, USERS.c[sort.column]).where(*others, *words).cte().prefix_with("MATERIALIZED")
    first = select(every.c.id).order_by(*_order(every, sort)).limit(limit)
    return await _rows(connection, ordered.where(User.id.in_(first)))


async def _rows(connection: AsyncConnection, statement: Select[*tuple[Any, ...]]) -> Sequence[RowMapping]:
    return (await connection.execute(statement)).mappings().all()


def _order(users: FromClause, sort: Sort) -> tuple[Any, Any]:
    column, user_id = users.c[sort.column], users.c["id"]
    return (column.desc(), user_id.desc()) if sort.is_descending else (column, user_id)


def _words(wanted: Wanted, users: FromClause) -> list[Any]:
    if wanted.text is None:
        return []
    like = pattern(wanted.text, is_prefix=wanted.is_prefix)
    return [or_(*(users.c[name].ilike(like, escape="\\") for name in ("name", "email", "username")))]


def _conditions(wanted: Wanted) -> list[Any]:
    """All but the words."""
    conditions: list[Any] = []
    if wanted.is_of_living:
        conditions.append(User.deleted_at.is_(None))
    if len(wanted.statuses) == 1:
        conditions.append(User.status == wanted.statuses[0])
    elif wanted.statuses:
        conditions.append(User.status.in_(wanted.statuses))
    if wanted.is_verified is not None:
        verified = User.email_verified_at
        conditions.append(verified.is_not(None) if wanted.is_verified else verified.is_(None))
    for column, since, before in (
        (User.created_at, wanted.created_from, wanted.created_before),
        (User.last_login_at, wanted.login_from, wanted.login_before),
    ):
        conditions += [column >= since] if since is not None else []
        conditions += [column < before] if before is not None else []
    return conditions

# ruff: noqa: S608 - the statements are put together from constants of this file
"""The statements of erasures and legal holds, and of deleting a user for good."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.access_events import MembershipChanged
from orion_contracts.api_keys import ApiKeyChanged
from orion_contracts.events import UserCreated
from orion_contracts.invitations import InvitationExpired, InvitationMailRequested
from orion_core.tables import table_of
from orion_user.erasures.rules import ErasureReason
from orion_user.erasures.tables import Erasure, LegalHold

ERASURES = table_of(Erasure)
HOLDS = table_of(LegalHold)

NOT_OF_HOLDS = "action NOT LIKE 'legal\\_hold.%'"
"""Of the trail: whoever is held is not warned by his archive that somebody wants to know what he has done."""

LEFT_BEHIND = """
    SELECT FROM organizations                                                 -- ix_organizations_owner_id
    WHERE organizations.owner_id = {user_id} AND (
      organizations.deleted_at IS NULL OR EXISTS (
        SELECT FROM memberships                                               -- ix_memberships_organization_id_user_id
        WHERE memberships.organization_id = organizations.id
          AND memberships.status = 'ACTIVE' AND memberships.user_id <> {user_id}
      )
    )
"""
"""Organizations that would be left without their owner: a deleted one in which he is alone goes with him."""
OWNS_ORGANIZATION = text(f"SELECT EXISTS ({LEFT_BEHIND.format(user_id='CAST(:user_id AS uuid)')})")

DUE = text(f"""
    SELECT users.id
    FROM users
    WHERE users.purge_after < :now                                            -- ix_users_purge_after
      AND NOT EXISTS (SELECT FROM legal_holds WHERE legal_holds.user_id = users.id)
      AND NOT EXISTS (SELECT FROM erasures WHERE erasures.user_id = users.id)
      AND NOT EXISTS ({LEFT_BEHIND.format(user_id="users.id")})
    ORDER BY users.purge_after
    LIMIT :limit
""")

DELETE_EVENTS = text("""
    DELETE FROM outbox
    WHERE type = :type AND subject = :user_id
      OR type = :of_keys AND data ->> 'user_id' = :user_id
      OR type = ANY(CAST(:of_invitations AS text[]))
        AND (data ->> 'user_id' = :user_id OR :email IN (data ->> 'email', data ->> 'recipient'))
    RETURNING type, data
""")


async def find(connection: AsyncConnection, erasure_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """An erasure, locked against other changes if asked. By pk_erasures."""
    statement = select(ERASURES).where(Erasure.id == erasure_id)
    return (await connection.execute(statement.with_for_update() if lock else statement)).mappings().one_or_none()


async def find_of(connection: AsyncConnection, user_id: UUID) -> RowMapping | None:
    """The erasure of a user. By uq_erasures_user_id."""
    return (await connection.execute(select(ERASURES).where(Erasure.user_id == user_id))).mappings().one_or_none()


async def insert_erasure(
    connection: AsyncConnection, user_id: UUID, reason: ErasureReason, requested_by: str, now: datetime
) -> RowMapping:
    """Write down that a user is to be forgotten."""
    values = {"user_id": user_id, "reason": reason, "requested_by": requested_by, "requested_at": now}
    return (await connection.execute(insert(ERASURES).values(values).returning(ERASURES))).mappings().one()


async def set_erased(
    connection: AsyncConnection, erasure_id: UUID, service: str, counts: dict[str, int], at: datetime
) -> None:
    """Note that a service is done; what it told first stays. By pk_erasures."""
    column = ERASURES.c[f"{service}_erased_at"]
    statement = update(ERASURES).where(Erasure.id == erasure_id, column.is_(None))
    values: dict[str, Any] = {column.name: at, "counts": Erasure.counts.op("||")({service: counts})}
    await connection.execute(statement.values(values | ({"obstacle": None} if service == "user" else {})))


async def set_obstacle(connection: AsyncConnection, erasure_id: UUID, obstacle: str) -> None:
    """Note why user could not erase yet. By pk_erasures."""
    await connection.execute(update(ERASURES).where(Erasure.id == erasure_id).values(obstacle=obstacle))


async def left_over(connection: AsyncConnection, limit: int) -> Sequence[UUID]:
    """Erasures that auth is done with and user is not, the earliest first. By ix_erasures_open."""
    statement = select(Erasure.id).where(Erasure.auth_erased_at.is_not(None), Erasure.user_erased_at.is_(None))
    return (await connection.execute(statement.order_by(Erasure.requested_at).limit(limit))).scalars().all()


async def due(connection: AsyncConnection, now: datetime, limit: int) -> Sequence[UUID]:
    """Deleted users whose time to be restored is over, and whom nothing holds."""
    return (await connection.execute(DUE, {"now": now, "limit": limit})).scalars().all()


async def owns_organization(connection: AsyncConnection, user_id: UUID) -> bool:
    """Whether an organization would be left without its owner. By ix_organizations_owner_id."""
    return bool((await connection.execute(OWNS_ORGANIZATION, {"user_id": user_id})).scalar_one())


async def delete_events(connection: AsyncConnection, user_id: UUID, email: str | None) -> Sequence[RowMapping]:
    """Delete the events that name a user, or invitations of the address. It reads the outbox, which is a month.

    Returns the type and data of each.
    """
    values = {
        "type": UserCreated.type,
        "of_keys": ApiKeyChanged.type,
        "of_invitations": [MembershipChanged.type, InvitationMailRequested.type, InvitationExpired.type],
        "user_id": str(user_id),
        "email": email,
    }
    return (await connection.execute(DELETE_EVENTS, values)).mappings().all()


async def find_hold(connection: AsyncConnection, user_id: UUID) -> RowMapping | None:
    """The legal hold on a user. By uq_legal_holds_user_id."""
    return (await connection.execute(select(HOLDS).where(LegalHold.user_id == user_id))).mappings().one_or_none()


async def place_hold(connection: AsyncConnection, user_id: UUID, reason: str, placed_by: str) -> RowMapping:
    """Hold a user, or hold them for another reason. By uq_legal_holds_user_id."""
    values = {"user_id": user_id, "reason": reason, "placed_by": placed_by}
    changes = {**values, "updated_at": func.now()}
    statement = insert(HOLDS).values(values).on_conflict_do_update(index_elements=[LegalHold.user_id], set_=changes)
    return (await connection.execute(statement.returning(HOLDS))).mappings().one()


async def lift_hold(connection: AsyncConnection, user_id: UUID) -> bool:
    """Let a user go; False when nothing held them. By uq_legal_holds_user_id."""
    statement = delete(HOLDS).where(LegalHold.user_id == user_id).returning(LegalHold.id)
    return (await connection.execute(statement)).one_or_none() is not None

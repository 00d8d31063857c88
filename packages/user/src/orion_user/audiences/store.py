"""The statements behind audiences: of roles, memberships and users together, a page in the order of users' ids.

Each follows an index in that order from where the page begins, so a page costs the same wherever it lies. OFFSET 0 has
each user looked up; a join might read all of them first.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

PAGE = 2000
"""Users in a page."""

CANDIDATES = 20_000
"""Users who are looked at for a page of a tag."""

NAMED_ROLE = text("SELECT id, is_active FROM roles WHERE organization_id IS NULL AND name = :named")
"""By uq_roles_organization_id_name."""
ROLE = text("SELECT id, is_active FROM roles WHERE id = :named")
ORGANIZATION = text("SELECT id FROM organizations WHERE id = :id AND deleted_at IS NULL")

_OF_ROLE = """
    SELECT DISTINCT found.user_id
    FROM role_ancestors AS below                                         -- ix_role_ancestors_ancestor_id_role_id
    JOIN roles AS assigned ON assigned.id = below.role_id AND assigned.is_active
    CROSS JOIN LATERAL (
      SELECT DISTINCT held.user_id
      FROM user_roles AS held                                            -- {index}
      CROSS JOIN LATERAL (
        SELECT FROM users WHERE id = held.user_id AND status = 'ACTIVE' OFFSET 0         -- pk_users
      ) AS holder
      WHERE held.role_id = assigned.id AND held.user_id > :after {there}
        AND held.starts_at <= :now AND (held.expires_at IS NULL OR :now < held.expires_at)
      ORDER BY held.user_id
      LIMIT :limit
    ) AS found
    WHERE below.ancestor_id = :role_id
    ORDER BY found.user_id
    LIMIT :limit
"""
OF_ROLE = text(_OF_ROLE.format(index="ix_user_roles_role_id_user_id", there=""))
OF_ROLE_EVERYWHERE = text(_OF_ROLE.format(index="ix_user_roles_role_id_user_id", there="AND held.scope = 'GLOBAL'"))
OF_ROLE_IN_ORGANIZATION = text(
    _OF_ROLE.format(index="ix_user_roles_role_id_scope_id_user_id", there="AND held.scope_id = :scope_id")
)
"""What a role is asked for there: `role_ancestors` has each role as its own ancestor, too."""

OF_ORGANIZATION = text("""
    SELECT DISTINCT memberships.user_id
    FROM memberships                                                     -- ix_memberships_organization_id_user_id
    CROSS JOIN LATERAL (
      SELECT FROM users WHERE id = memberships.user_id AND status = 'ACTIVE' OFFSET 0    -- pk_users
    ) AS member
    WHERE memberships.organization_id = :organization_id AND memberships.user_id > :after
      AND memberships.status = 'ACTIVE'
    ORDER BY memberships.user_id
    LIMIT :limit
""")

WINDOW_END = text("""
    SELECT id FROM users
    WHERE id > :after                                                    -- pk_users
    ORDER BY id
    OFFSET :candidates LIMIT 1
""")
OF_TAG = text("""
    SELECT id FROM users
    WHERE id > :after AND id <= :until                                   -- pk_users
      AND status = 'ACTIVE' AND metadata -> 'tags' @> jsonb_build_array(CAST(:tag AS text))
    ORDER BY id
    LIMIT :limit
""")
"""An index by tags would give them in no order: each page of a tag that many have would sort all of them."""

FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Role:
    """A role that may be asked for."""

    id: UUID
    is_active: bool


async def role(connection: AsyncConnection, named: str | UUID) -> Role | None:
    """The role with that id, or of that name if it belongs to no organization."""
    statement = ROLE if isinstance(named, UUID) else NAMED_ROLE
    row = (await connection.execute(statement, {"named": named})).one_or_none()
    return None if row is None else Role(row.id, row.is_active)


async def organization_exists(connection: AsyncConnection, organization_id: UUID) -> bool:
    """Whether there is such an organization, not deleted."""
    return (await connection.execute(ORGANIZATION, {"id": organization_id})).first() is not None


async def of_role(
    connection: AsyncConnection, role_id: UUID, scope: UUID | str | None, after: UUID | None, now: datetime
) -> list[UUID]:
    """The next page of those who have a role at `now`, in `scope` as `Audience` has it."""
    values = {"role_id": role_id, "after": after or FIRST, "now": now, "limit": PAGE}
    if isinstance(scope, UUID):
        return await _ids(connection, OF_ROLE_IN_ORGANIZATION, values | {"scope_id": scope})
    return await _ids(connection, OF_ROLE if scope is None else OF_ROLE_EVERYWHERE, values)


async def of_organization(connection: AsyncConnection, organization_id: UUID, after: UUID | None) -> list[UUID]:
    """The next page of an organization's members."""
    values = {"organization_id": organization_id, "after": after or FIRST, "limit": PAGE}
    return await _ids(connection, OF_ORGANIZATION, values)


async def of_tag(connection: AsyncConnection, tag: str, after: UUID | None) -> tuple[list[UUID], UUID | None]:
    """Those among the next users who have a tag, a page at most, and the last user looked at; None at the end."""
    begin = {"after": after or FIRST}
    until: UUID | None = (await connection.execute(WINDOW_END, begin | {"candidates": CANDIDATES})).scalar()
    found = await _ids(connection, OF_TAG, begin | {"until": until or LAST, "tag": tag, "limit": PAGE})
    return found, found[-1] if len(found) == PAGE else until


async def _ids(connection: AsyncConnection, statement: TextClause, values: dict[str, Any]) -> list[UUID]:
    return list((await connection.execute(statement, values)).scalars())

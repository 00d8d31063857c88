"""Grants for tests, written straight into the tables."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.user.tests.conftest import Query

ROLE = """
    INSERT INTO user_roles (user_id, role_id, scope, scope_id, condition, starts_at, expires_at, assigned_by)
    SELECT :user_id, id, CAST(:scope AS permission_scope), :scope_id, :condition, :starts_at, :expires_at, :assigned_by
    FROM roles WHERE name = :role
"""
PERMISSION = """
    INSERT INTO user_permissions
      (user_id, permission_id, effect, scope, scope_id, condition, starts_at, expires_at, assigned_by)
    SELECT :user_id, id, CAST(:effect AS permission_effect), CAST(:scope AS permission_scope), :scope_id, :condition,
      :starts_at, :expires_at, :assigned_by
    FROM permissions WHERE name = :permission
"""
WIDE = {"scope": "GLOBAL", "scope_id": None, "condition": None, "expires_at": None, "assigned_by": None}


@dataclass(frozen=True)
class Giver:
    """Gives roles and permissions, and makes the places for them."""

    query: "Query"

    async def role(self, user_id: UUID, role: str, starts_at: datetime, **more: object) -> None:
        await self.query(ROLE, user_id=user_id, role=role, **{**WIDE, "starts_at": starts_at, **more})

    async def permission(self, user_id: UUID, permission: str, starts_at: datetime, **more: object) -> None:
        values = {**WIDE, "effect": "ALLOW", "starts_at": starts_at, **more}
        await self.query(PERMISSION, user_id=user_id, permission=permission, **values)

    async def organization(self, owner_id: UUID) -> UUID:
        id_ = uuid7()
        await self.query(
            "INSERT INTO organizations (id, name, slug, owner_id) VALUES (:id, 'O', :slug, :owner)",
            id=id_,
            slug=id_.hex,
            owner=owner_id,
        )
        return id_

    async def team(self, organization_id: UUID, parent: UUID | None = None) -> UUID:
        id_ = uuid7()
        await self.query(
            "INSERT INTO teams (id, organization_id, parent_team_id, name, slug) VALUES (:id, :o, :parent, 'T', :slug)",
            id=id_,
            o=organization_id,
            parent=parent,
            slug=id_.hex,
        )
        return id_


@pytest.fixture
def giver(query: "Query") -> Giver:
    return Giver(query)

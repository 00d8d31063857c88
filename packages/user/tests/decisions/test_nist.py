"""The functions of NIST RBAC (ANSI INCITS 359-2012), each by its name there, over the real tables.

Administrative functions are the statements that whoever administers makes in the end; review functions and CheckAccess
are asked of what decides. In a session (a token) all roles are active unless its scope names less: what NIST reaches by
activating roles is reached by asking for a token with those permissions. Static and dynamic separation of duty is
tested with the assignments that it limits.
"""

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from orion_contracts.claims import AccessClaims
from orion_core.conditions.condition import Facts
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.rights.decisions import decide
from orion_user.access import actions as access
from orion_user.access import store as access_store
from orion_user.access.guard import PermissionDeniedError, require
from orion_user.access.rules import Asked
from orion_user.decisions import store

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query
    from packages.user.tests.decisions.conftest import Giver

HERE = frozenset[UUID]()


class Rbac:
    """The functions that tests compose."""

    def __init__(self, database: Database, auth: "AuthFeed", giver: "Giver", query: "Query") -> None:
        self.database = database
        self.auth = auth
        self.giver = giver
        self.query = query

    async def add_user(self, name: str = "ada") -> UUID:
        user_id = await self.auth.register(f"{name}@example.com")
        await self.query("DELETE FROM user_roles WHERE user_id = :id", id=user_id)
        return user_id

    async def add_role(self, name: str) -> None:
        await self.query("INSERT INTO roles (id, name, display_name) VALUES (:id, :name, 'R')", id=uuid7(), name=name)

    async def grant(self, role: str, permission: str) -> None:
        await self.query(
            "INSERT INTO role_permissions (role_id, permission_id) SELECT role.id, permission.id"
            " FROM roles AS role, permissions AS permission WHERE role.name = :role AND permission.name = :permission",
            role=role,
            permission=permission,
        )

    async def add_inheritance(self, senior: str, junior: str) -> None:
        await self.query(
            "INSERT INTO role_inheritance (child_role_id, parent_role_id) SELECT senior.id, junior.id"
            " FROM roles AS senior, roles AS junior WHERE senior.name = :senior AND junior.name = :junior",
            senior=senior,
            junior=junior,
        )

    async def check(self, user_id: UUID, permission: str = "content:read") -> bool:
        now = self.auth.clock()
        async with self.database.autocommit() as connection:
            sayings = await access_store.decide(connection, Asked(user_id, permission, now, frozenset(HERE)))
        return decide(sayings, Facts(now, {}, {}, {}, {})).allowed

    async def assigned(self, user_id: UUID, role: str) -> None:
        await self.giver.role(user_id, role, self.auth.clock())

    async def permissions(self, user_id: UUID) -> set[str]:
        async with self.database.autocommit() as connection:
            found = await access.of_user(connection, user_id, self.auth.clock())
        return {each.permission for each in found.permissions}

    async def roles(self, user_id: UUID) -> dict[str, str]:
        """Authorized roles, each with the assigned one that it comes through."""
        async with self.database.autocommit() as connection:
            found = await access.of_user(connection, user_id, self.auth.clock())
        return {role.name: role.through for role in found.roles}

    async def users_with(self, permission: str) -> list[UUID]:
        async with self.database.autocommit() as connection:
            return await store.subjects(connection, permission, self.auth.clock(), (), UUID(int=0), 100)


@pytest.fixture
async def rbac(database: Database, auth: "AuthFeed", giver: "Giver", query: "Query") -> Rbac:
    made = Rbac(database, auth, giver, query)
    await made.add_role("junior")
    await made.add_role("senior")
    await made.grant("junior", "content:read")
    await made.grant("senior", "content:update")
    return made


async def test_add_user_and_assign_user_and_check_access(rbac: Rbac) -> None:
    ada = await rbac.add_user()
    assert not await rbac.check(ada)
    await rbac.assigned(ada, "junior")
    assert await rbac.check(ada)
    assert not await rbac.check(ada, "content:update")


async def test_deassign_user(rbac: Rbac) -> None:
    ada = await rbac.add_user()
    await rbac.assigned(ada, "junior")
    rbac.auth.clock.advance(seconds=1)
    await rbac.query("UPDATE user_roles SET expires_at = :now WHERE user_id = :id", id=ada, now=rbac.auth.clock())
    assert not await rbac.check(ada)


async def test_delete_user(rbac: Rbac) -> None:
    ada = await rbac.add_user()
    await rbac.assigned(ada, "junior")
    deleted = "UPDATE users SET status = 'DELETED', deleted_at = now() WHERE id = :id"
    await rbac.query(deleted, id=ada)
    assert not await rbac.check(ada)
    await rbac.query("UPDATE users SET status = 'ACTIVE', deleted_at = NULL WHERE id = :id", id=ada)
    assert await rbac.check(ada), "a restored user has what they had"
    await rbac.query("DELETE FROM users WHERE id = :id", id=ada)
    assert await rbac.users_with("content:read") == []


async def test_add_role_and_delete_role(rbac: Rbac) -> None:
    with pytest.raises(IntegrityError, match="uq_roles_organization_id_name"):
        await rbac.add_role("junior")
    ada = await rbac.add_user()
    await rbac.assigned(ada, "junior")
    with pytest.raises(IntegrityError, match="fk_user_roles_role_id"):
        await rbac.query("DELETE FROM roles WHERE name = 'junior'")
    await rbac.query("DELETE FROM user_roles")
    await rbac.query("DELETE FROM roles WHERE name = 'junior'")
    assert await rbac.query("SELECT 1 FROM roles WHERE name = 'junior'") == []


async def test_grant_permission_and_revoke_permission(rbac: Rbac) -> None:
    ada = await rbac.add_user()
    await rbac.assigned(ada, "junior")
    await rbac.grant("junior", "content:publish")
    assert await rbac.check(ada, "content:publish")
    await rbac.query(
        "DELETE FROM role_permissions USING roles, permissions WHERE roles.id = role_id AND roles.name = 'junior'"
        " AND permissions.id = permission_id AND permissions.name = 'content:publish'"
    )
    assert not await rbac.check(ada, "content:publish")


async def test_create_session_with_fewer_active_roles(rbac: Rbac) -> None:
    """CreateSession, AddActiveRole, DropActiveRole, SessionPermissions: a token with all that one has, or with less."""
    ada = await rbac.add_user()
    await rbac.assigned(ada, "junior")
    await rbac.assigned(ada, "senior")
    values = {
        "iss": "a",
        "aud": "orion",
        "client_id": "orion",
        "exp": 2,
        "iat": 1,
        "jti": "j",
        "sid": "s",
        "auth_time": 2**31,
    }
    whole = AccessClaims.model_validate({**values, "sub": str(ada)})
    less = AccessClaims.model_validate({**values, "sub": str(ada), "scope": "content:read"})
    more = AccessClaims.model_validate({**values, "sub": str(ada), "scope": "content:delete"})
    async with rbac.database.autocommit() as connection:
        for claims, permission, passes in (
            (whole, "content:update", True),
            (less, "content:read", True),
            (less, "content:update", False),
            (more, "content:delete", False),
        ):
            if passes:
                await require(connection, claims, permission, rbac.auth.clock())
                continue
            with pytest.raises(PermissionDeniedError):
                await require(connection, claims, permission, rbac.auth.clock())


async def test_delete_session(rbac: Rbac) -> None:
    """Ending a session takes nothing from the user's rights: a session that begins later has them."""
    ada = await rbac.add_user()
    await rbac.assigned(ada, "junior")
    await rbac.query("DELETE FROM sessions WHERE user_id = :id", id=ada)
    assert await rbac.check(ada)


async def test_assigned_users_and_assigned_roles(rbac: Rbac) -> None:
    ada, grace = await rbac.add_user("ada"), await rbac.add_user("grace")
    await rbac.assigned(ada, "junior")
    assert await rbac.users_with("content:read") == [ada]
    assert await rbac.roles(ada) == {"junior": "junior"}
    assert await rbac.roles(grace) == {}


async def test_role_permissions_and_user_permissions(rbac: Rbac) -> None:
    ada = await rbac.add_user()
    await rbac.assigned(ada, "junior")
    await rbac.assigned(ada, "senior")
    assert await rbac.permissions(ada) == {"content:read", "content:update"}


async def test_user_operations_on_object(rbac: Rbac) -> None:
    ada = await rbac.add_user()
    await rbac.assigned(ada, "junior")
    await rbac.giver.permission(ada, "user:read", rbac.auth.clock())
    async with rbac.database.autocommit() as connection:
        found = await store.on_resource(connection, ada, "content", rbac.auth.clock(), HERE, is_past=False)
    assert [each.permission for each in found] == ["content:read"]


async def test_add_inheritance_and_delete_inheritance(rbac: Rbac) -> None:
    ada = await rbac.add_user()
    await rbac.assigned(ada, "senior")
    assert not await rbac.check(ada)
    await rbac.add_inheritance("senior", "junior")
    assert await rbac.check(ada)
    await rbac.query("DELETE FROM role_inheritance WHERE child_role_id = (SELECT id FROM roles WHERE name = 'senior')")
    assert not await rbac.check(ada)


async def test_add_ascendant_and_add_descendant(rbac: Rbac) -> None:
    """A new role above and one below those that there are: general hierarchies, with several parents."""
    await rbac.add_inheritance("senior", "junior")
    await rbac.add_role("chief")
    await rbac.add_inheritance("chief", "senior")
    await rbac.add_role("apprentice")
    await rbac.add_inheritance("junior", "apprentice")
    await rbac.add_inheritance("chief", "apprentice")
    await rbac.grant("apprentice", "content:create")
    ada = await rbac.add_user()
    await rbac.assigned(ada, "chief")
    assert await rbac.permissions(ada) == {"content:create", "content:read", "content:update"}


async def test_inheritance_never_goes_in_a_circle(rbac: Rbac) -> None:
    await rbac.add_inheritance("senior", "junior")
    with pytest.raises(DBAPIError, match="already inherits"):
        await rbac.add_inheritance("junior", "senior")


async def test_authorized_users_and_authorized_roles(rbac: Rbac) -> None:
    await rbac.add_inheritance("senior", "junior")
    ada, grace = await rbac.add_user("ada"), await rbac.add_user("grace")
    await rbac.assigned(ada, "senior")
    await rbac.assigned(grace, "junior")
    assert await rbac.users_with("content:read") == sorted([ada, grace])
    assert await rbac.users_with("content:update") == [ada]
    assert await rbac.roles(ada) == {"senior": "senior", "junior": "senior"}

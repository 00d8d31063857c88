"""What a user may do, read from the real tables."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_user.access import actions
from orion_user.access.actions import Access
from orion_user.seeds.reference import PERMISSIONS

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query

ASSIGN = """
    INSERT INTO user_roles (user_id, role_id, scope, scope_id, condition, starts_at, expires_at)
    SELECT :user_id, id, CAST(:scope AS permission_scope), :scope_id, :condition, :starts_at, :expires_at
    FROM roles WHERE name = :role
"""
GRANT = """
    INSERT INTO user_permissions (user_id, permission_id, effect, scope, scope_id, starts_at)
    SELECT :user_id, id, CAST(:effect AS permission_effect), CAST(:scope AS permission_scope), :scope_id, :starts_at
    FROM permissions WHERE name = :permission
"""


async def assign(query: "Query", user_id: UUID, role: str, starts_at: datetime, **more: object) -> None:
    values = {"scope": "GLOBAL", "scope_id": None, "condition": None, "expires_at": None, **more}
    await query(ASSIGN, user_id=user_id, role=role, starts_at=starts_at, **values)


async def deny(query: "Query", user_id: UUID, permission: str, at: datetime, **more: object) -> None:
    values = {"scope": "GLOBAL", "scope_id": None, "effect": "DENY", **more}
    await query(GRANT, user_id=user_id, permission=permission, starts_at=at, **values)


async def access(database: Database, user_id: UUID, at: datetime) -> Access:
    async with database.autocommit() as connection:
        return await actions.of_user(connection, user_id, at)


def names(found: Access) -> set[str]:
    return {permission.permission for permission in found.permissions if not permission.conditional}


async def test_a_new_user_has_user_and_through_it_guest(auth: "AuthFeed", database: Database) -> None:
    found = await access(database, await auth.register(), auth.clock())
    assert [(role.name, role.through) for role in found.roles] == [("user", "user"), ("guest", "user")]
    assert names(found) == {"content:read", "user:read", "role:read", "permission:read"}
    (content,) = (each for each in found.permissions if each.permission == "content:read")
    assert [(source.role, source.through) for source in content.sources] == [("guest", "user")]


async def test_a_role_counts_from_its_start_until_its_end(auth: "AuthFeed", database: Database, query: "Query") -> None:
    user_id, now = await auth.register(), auth.clock()
    start, end = now + timedelta(hours=1), now + timedelta(hours=2)
    await assign(query, user_id, "super_admin", start, expires_at=end)
    instant = timedelta(microseconds=1)
    counted = [len(names(await access(database, user_id, at))) for at in (start - instant, start, end - instant, end)]
    assert counted == [4, len(PERMISSIONS), len(PERMISSIONS), 4]


async def test_a_denial_wins_over_every_role(auth: "AuthFeed", database: Database, query: "Query") -> None:
    user_id, now = await auth.register(), auth.clock()
    await assign(query, user_id, "super_admin", now)
    await deny(query, user_id, "user:delete", now)
    await query(
        "UPDATE role_permissions SET effect = 'DENY' WHERE permission_id ="
        " (SELECT id FROM permissions WHERE name = 'content:publish')"
    )
    assert len(names(await access(database, user_id, now))) == len(PERMISSIONS) - 2


async def test_a_conditional_role_grants_nothing_yet(auth: "AuthFeed", database: Database, query: "Query") -> None:
    user_id, now = await auth.register(), auth.clock()
    await assign(query, user_id, "editor", now, condition="context.hour < 18")
    found = await access(database, user_id, now)
    assert "content:update" not in names(found)
    assert [each.conditional for each in found.permissions if each.permission == "content:update"] == [True]
    assert "content:read" in names(found)


async def test_an_inactive_role_gives_nothing_of_its_own(auth: "AuthFeed", database: Database, query: "Query") -> None:
    user_id, now = await auth.register(), auth.clock()
    await assign(query, user_id, "moderator", now)
    await query("UPDATE roles SET is_active = false WHERE name = 'editor'")
    found = names(await access(database, user_id, now))
    assert "content:update" not in found
    assert {"user:update", "content:read"} <= found


async def test_a_denial_in_an_organization_reaches_into_its_nested_teams(
    auth: "AuthFeed", database: Database, query: "Query"
) -> None:
    user_id, now = await auth.register(), auth.clock()
    organization, team, subteam = uuid7(), uuid7(), uuid7()
    await query(
        "INSERT INTO organizations (id, name, slug, owner_id) VALUES (:id, 'O', 'o', :owner)",
        id=organization,
        owner=user_id,
    )
    for id_, parent in ((team, None), (subteam, team)):
        await query(
            "INSERT INTO teams (id, organization_id, parent_team_id, name, slug) VALUES (:id, :o, :parent, 'T', :slug)",
            id=id_,
            o=organization,
            parent=parent,
            slug=id_.hex,
        )
    await assign(query, user_id, "editor", now, scope="TEAM", scope_id=subteam)
    assert "content:update" in names(await access(database, user_id, now))
    for scope, place in (("ORG", organization), ("TEAM", team)):
        await deny(query, user_id, "content:update", now, scope=scope, scope_id=place)
        assert "content:update" not in names(await access(database, user_id, now))
        await query("DELETE FROM user_permissions")
    await deny(query, user_id, "content:update", now, scope="ORG", scope_id=organization, effect="ALLOW")
    await deny(query, user_id, "content:update", now, scope="TEAM", scope_id=team)
    (wide,) = (each for each in (await access(database, user_id, now)).permissions if each.place.id == organization)
    assert [exclusion.place.id for exclusion in wide.exclusions] == [team]

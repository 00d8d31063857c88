"""What the database starts with, and that starting again changes nothing."""

from typing import TYPE_CHECKING

from orion_core.database import Database
from orion_user.seeds.reference import PERMISSIONS, ROLES
from orion_user.service import service

if TYPE_CHECKING:
    from packages.user.tests.conftest import Query


async def test_permissions_by_category(query: "Query") -> None:
    found = await query("SELECT category, count(*) FROM permissions GROUP BY category")
    assert dict(found) == {
        "User Management": 5,
        "Role Management": 5,
        "Permission Management": 3,
        "Decisions": 1,
        "Account Management": 2,
        "Content Management": 5,
        "System Management": 3,
        "API Key Management": 4,
        "Message Management": 9,
        "Template Management": 5,
        "Delivery Management": 2,
    }


async def test_each_role_has_what_the_one_below_it_has_and_more(query: "Query") -> None:
    sql = """
        SELECT role.name, count(DISTINCT permission_id)
        FROM roles AS role JOIN role_ancestors ON role_ancestors.role_id = role.id
        JOIN role_permissions ON role_permissions.role_id = ancestor_id
        GROUP BY role.name
    """
    assert dict(await query(sql)) == {
        "guest": 1,
        "user": 4,
        "editor": 8,
        "moderator": 12,
        "admin": 37,
        "super_admin": len(PERMISSIONS),
    }


async def test_seeding_again_doubles_nothing_and_keeps_what_an_operator_did(owner: Database, query: "Query") -> None:
    await query("UPDATE roles SET display_name = 'Boss' WHERE name = 'admin'")
    await query("DELETE FROM role_permissions WHERE role_id = (SELECT id FROM roles WHERE name = 'user')")
    await query("DELETE FROM role_inheritance WHERE child_role_id = (SELECT id FROM roles WHERE name = 'user')")
    async with owner.transaction() as transaction:
        report = await service.seed(transaction.connection, "reference")
    assert sum(report.inserted.values()) == 0
    assert report.left_alone == {"permissions": 44, "roles": 6, "role_permissions": 44, "role_inheritance": 5}
    assert await query("SELECT display_name FROM roles WHERE name = 'admin'") == [("Boss",)]
    assert await query("SELECT count(*) FROM role_permissions") == [(41,)]
    assert await query("SELECT count(*) FROM role_inheritance") == [(4,)]


async def test_what_was_never_there_is_added_with_its_relations(owner: Database, query: "Query") -> None:
    await query("DELETE FROM roles WHERE name = 'editor'")
    await query("DELETE FROM role_permissions")
    await query("DELETE FROM permissions WHERE name = 'system:audit'")
    async with owner.transaction() as transaction:
        report = await service.seed(transaction.connection, "reference")
    assert report.inserted["roles"] == report.inserted["permissions"] == 1
    assert report.inserted["role_inheritance"] == 2  # editor to both of its neighbours
    assert report.inserted["role_permissions"] == len(ROLES[2].permissions) + 1


async def test_sample_users_are_for_development(owner: Database, query: "Query") -> None:
    assert await query("SELECT count(*) FROM users") == [(0,)]
    for inserted in (2, 0):
        async with owner.transaction() as transaction:
            report = await service.seed(transaction.connection, "development")
        assert report.inserted["users"] == report.inserted["user_preferences"] == inserted
    sql = """
        SELECT users.email, users.status::text, roles.name, user_preferences.timezone
        FROM users JOIN user_roles ON user_roles.user_id = users.id JOIN roles ON roles.id = role_id
        JOIN user_preferences ON user_preferences.user_id = users.id ORDER BY users.email
    """
    assert await query(sql) == [
        ("admin@orion.local", "ACTIVE", "super_admin", "UTC"),
        ("user@orion.local", "ACTIVE", "user", "Europe/Berlin"),
    ]


async def test_a_sample_user_whose_address_is_taken_is_left_out(owner: Database, query: "Query") -> None:
    await query("INSERT INTO users (email) VALUES ('user@orion.local')")
    async with owner.transaction() as transaction:
        report = await service.seed(transaction.connection, "development")
    assert report.inserted["users"] == report.inserted["user_preferences"] == report.inserted["user_roles"] == 1

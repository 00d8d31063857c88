"""What decisions read is what was given: `user_grants` beside the tables that it is kept of."""

import asyncio
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.exc import IntegrityError, ProgrammingError

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.testing import MovableClock, TestDatabase
from orion_user.access.sweeping import sweep

if TYPE_CHECKING:
    from packages.user.tests.conftest import Query

GIVEN = """
WITH deleted AS (
  SELECT id FROM organizations WHERE deleted_at IS NOT NULL
  UNION ALL
  SELECT teams.id FROM teams JOIN organizations AS around ON around.id = organization_id
    AND around.deleted_at IS NOT NULL
)
SELECT held.user_id, held.id, held.role_id, NULL, NULL, held.scope_id, held.starts_at, held.expires_at, held.condition
FROM user_roles AS held JOIN users ON users.id = held.user_id
WHERE users.deleted_at IS NULL AND users.status <> 'SUSPENDED'
  AND (held.scope_id IS NULL OR held.scope_id NOT IN (SELECT id FROM deleted))
UNION ALL
SELECT
  held.user_id, held.id, NULL, permissions.name, held.effect, held.scope_id, held.starts_at, held.expires_at,
  held.condition
FROM user_permissions AS held JOIN users ON users.id = held.user_id
JOIN permissions ON permissions.id = held.permission_id
WHERE users.deleted_at IS NULL AND users.status <> 'SUSPENDED'
  AND (held.scope_id IS NULL OR held.scope_id NOT IN (SELECT id FROM deleted))
"""
KEPT = """
SELECT user_id, grant_id, role_id, permission, effect, scope_id, starts_at, expires_at, condition FROM user_grants
"""
CHANGES = (
    "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles ORDER BY random() LIMIT 2",
    (
        "INSERT INTO user_permissions (user_id, permission_id, effect)"
        " SELECT $1, id, 'DENY' FROM permissions ORDER BY random() LIMIT 2"
    ),
    "UPDATE user_roles SET expires_at = starts_at + interval '1 day' * random() WHERE user_id = $1",
    "UPDATE user_roles SET starts_at = now() - interval '2 days', expires_at = now() WHERE user_id = $1",
    "UPDATE user_roles SET expires_at = NULL WHERE user_id = $1",
    "SELECT sweep_user_grants(now(), 2) WHERE CAST($1 AS uuid) IS NOT NULL",
    "UPDATE user_permissions SET condition = 'context.level > ' || (9 * random())::int WHERE user_id = $1",
    "DELETE FROM user_roles WHERE user_id = $1 AND random() < 0.5",
    "DELETE FROM user_permissions WHERE user_id = $1 AND random() < 0.5",
    "UPDATE users SET status = 'SUSPENDED', deleted_at = NULL WHERE id = $1",
    "UPDATE users SET status = 'ACTIVE', deleted_at = NULL WHERE id = $1",
    "UPDATE users SET status = 'ACTIVE', deleted_at = NULL WHERE id = $1",
    "UPDATE users SET status = 'DELETED', deleted_at = now() WHERE id = $1",
    (
        "INSERT INTO user_roles (user_id, role_id, scope, scope_id)"
        " SELECT $1, id, 'ORG', (SELECT id FROM organizations) FROM roles ORDER BY random() LIMIT 2"
    ),
    (
        "INSERT INTO user_permissions (user_id, permission_id, scope, scope_id)"
        " SELECT $1, id, 'TEAM', (SELECT id FROM teams) FROM permissions ORDER BY random() LIMIT 2"
    ),
    "UPDATE organizations SET deleted_at = now() WHERE CAST($1 AS uuid) IS NOT NULL",
    "UPDATE organizations SET deleted_at = NULL WHERE CAST($1 AS uuid) IS NOT NULL",
)
ORGANIZATION = "INSERT INTO organizations (id, name, slug, owner_id) VALUES ($1, 'O', $2, $3)"
TEAM = "INSERT INTO teams (id, organization_id, name, slug) VALUES ($1, $2, 'T', 't')"
RENAME = "UPDATE permissions SET action = :action, name = :name WHERE name = 'user:read'"
USERS, WRITERS, TURNS, ROUNDS = 3, 6, 40, 3
REFUSED = {"40P01", "23P01", "23514"}
"""A deadlock, the same grant twice at a time, a period that ends before it begins."""


async def write(connection: asyncpg.Connection, users: list[UUID], chance: Random) -> int:
    """Changes of grants and of who may come in, some of them slow to commit; how many were made."""
    made = 0
    for _ in range(TURNS):
        try:
            async with connection.transaction():
                await connection.execute(chance.choice(CHANGES), chance.choice(users))
                await asyncio.sleep(chance.choice((0, 0, 0.002, 0.005)))
            made += 1
        except asyncpg.PostgresError as refused:
            if refused.sqlstate not in REFUSED:
                raise
    return made


async def test_whoever_changes_grants_and_users_at_once_leaves_what_was_given(test_database: TestDatabase) -> None:
    connections = [await asyncpg.connect(test_database.owner_url) for _ in range(WRITERS)]
    first, users = connections[0], [uuid7() for _ in range(USERS)]
    insert = "INSERT INTO users (id, email, status) VALUES ($1, $2, 'ACTIVE')"
    await first.executemany(insert, [(each, f"{each}@example.com") for each in users])
    await first.execute(ORGANIZATION, organization := uuid7(), "o", users[0])
    await first.execute(TEAM, uuid7(), organization)
    await first.execute("DELETE FROM separation_rules")
    for turn in range(ROUNDS):
        writers = (write(one, users, Random(10 * turn + seed)) for seed, one in enumerate(connections))
        made = await asyncio.gather(*writers)
        assert sum(made) > WRITERS * TURNS / 2
        now = await first.fetchval("SELECT now()")
        given, kept = set(await first.fetch(GIVEN)), set(await first.fetch(KEPT))
        assert kept <= given
        assert all(each["expires_at"] <= now for each in given - kept), "what has not ended stays"
    assert await first.fetchval("SELECT count(*) FROM user_roles") > 0
    await first.execute("DELETE FROM organizations")
    await first.execute("DELETE FROM users")
    assert await first.fetch(KEPT) == []
    for connection in connections:
        await connection.close()


async def test_what_has_ended_for_an_hour_is_swept_and_comes_back_when_it_goes_on(
    test_database: TestDatabase, database: Database, clock: MovableClock
) -> None:
    owner, user_id, now = await asyncpg.connect(test_database.owner_url), uuid7(), clock()
    await owner.execute("INSERT INTO users (id, email, status) VALUES ($1, 'ada@example.com', 'ACTIVE')", user_id)
    ends = [now - timedelta(hours=2), now - timedelta(minutes=30), now + timedelta(days=1), None]
    for role, end in zip(("admin", "editor", "moderator", "user"), ends, strict=True):
        await owner.execute(GIVE, user_id, role, now - timedelta(days=9), end)
    ended, just_ended, *lasting = [row["grant_id"] for row in await owner.fetch(f"{KEPT} ORDER BY expires_at")]

    async def kept() -> set[UUID]:
        return {row["grant_id"] for row in await owner.fetch(KEPT)}

    assert await sweep(database, clock) == 1
    assert await kept() == {just_ended, *lasting}
    clock.advance(days=365)  # a clock that is wrong takes nothing away that lasts
    assert await sweep(database, clock) == 1
    assert await kept() == {*lasting}
    await owner.execute("UPDATE user_roles SET expires_at = $2 WHERE id = $1", ended, now + timedelta(hours=1))
    assert await kept() == {ended, *lasting}
    async with database.autocommit() as connection:
        with pytest.raises(ProgrammingError, match="permission denied"):
            await connection.exec_driver_sql("DELETE FROM user_grants")
    await owner.close()


GIVE = """
INSERT INTO user_roles (user_id, role_id, starts_at, expires_at) SELECT $1, id, $3, $4 FROM roles WHERE name = $2
"""


async def test_a_table_that_is_emptied_leaves_no_grant(test_database: TestDatabase) -> None:
    owner, user_id = await asyncpg.connect(test_database.owner_url), uuid7()
    await owner.execute("INSERT INTO users (id, email, status) VALUES ($1, 'ada@example.com', 'ACTIVE')", user_id)
    for grant in GRANT_CHANGES[:2]:
        await owner.execute(grant, user_id)
    for table, left in (("user_roles", 1), ("user_permissions", 0)):
        await owner.execute(f"TRUNCATE {table} CASCADE")
        assert len(await owner.fetch(KEPT)) == left
    await owner.close()


GRANT_CHANGES = (
    "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles WHERE name = 'admin'",
    "INSERT INTO user_permissions (user_id, permission_id) SELECT $1, id FROM permissions WHERE name = 'user:delete'",
    "UPDATE user_roles SET expires_at = now() + interval '1 second' WHERE user_id = $1",
    "UPDATE user_permissions SET expires_at = now() + interval '1 second' WHERE user_id = $1",
    "DELETE FROM user_roles WHERE user_id = $1",
    "DELETE FROM user_permissions WHERE user_id = $1",
)
STANDING = "UPDATE users SET status = CAST($2 AS user_status) WHERE id = $1"


@pytest.mark.parametrize("status", ["SUSPENDED", "ACTIVE"])
async def test_a_grant_and_its_user_that_change_at_once_come_after_each_other(
    test_database: TestDatabase, status: str
) -> None:
    """Each of the two is made while the other is not committed yet, whichever was first."""
    one, two = [await asyncpg.connect(test_database.owner_url) for _ in range(2)]
    for change in GRANT_CHANGES:
        for standing_first in (True, False):
            user_id = uuid7()
            insert = "INSERT INTO users (id, email, status) VALUES ($1, $2, CAST($3 AS user_status))"
            await one.execute(
                insert, user_id, f"{user_id}@example.com", "ACTIVE" if status == "SUSPENDED" else "SUSPENDED"
            )
            await one.execute(GRANT_CHANGES[0].replace("admin", "moderator"), user_id)
            await one.execute(GRANT_CHANGES[1].replace("delete", "read"), user_id)
            ways = [(STANDING, (user_id, status)), (change, (user_id,))]
            (first, of_first), (second, of_second) = ways if standing_first else reversed(ways)
            async with one.transaction():
                await one.execute(first, *of_first)
                following = asyncio.create_task(two.execute(second, *of_second))
                await asyncio.wait({following}, timeout=0.05)
            await following
            assert set(await one.fetch(KEPT)) == set(await one.fetch(GIVEN)), (change, standing_first)
    await one.close()
    await two.close()


@pytest.mark.parametrize("deleted", ["now()", "NULL"])
async def test_a_grant_its_user_and_its_organization_that_change_at_once_come_after_each_other(
    test_database: TestDatabase, deleted: str
) -> None:
    """An organization is deleted or restored while something that concerns a grant in it is not committed, or first."""
    one, two = [await asyncpg.connect(test_database.owner_url) for _ in range(2)]
    user_id, organization, team = uuid7(), uuid7(), uuid7()
    await one.execute("INSERT INTO users (id, email, status) VALUES ($1, 'ada@example.com', 'ACTIVE')", user_id)
    await one.execute(ORGANIZATION, organization, "o", user_id)
    put_away = f"UPDATE organizations SET deleted_at = {deleted} WHERE id = $1"
    concerning = (
        GRANT_IN_TEAM.format("user"), *GRANT_CHANGES[2:],
        "UPDATE users SET status = 'SUSPENDED' WHERE id = $1",
        "UPDATE users SET status = 'ACTIVE' WHERE id = $1", "DELETE FROM teams WHERE CAST($1 AS uuid) IS NOT NULL",
    )  # fmt: skip
    for change in concerning:
        for organization_first in (True, False):
            await one.execute("UPDATE organizations SET deleted_at = NULL")
            await one.execute("DELETE FROM teams")
            await one.execute(TEAM, team, organization)
            await one.execute(GRANT_IN_TEAM.format("moderator"), user_id)
            await one.execute(GRANT_IN_TEAM.replace("role", "permission").format("user:read"), user_id)
            if deleted == "NULL":
                await one.execute("UPDATE organizations SET deleted_at = now()")
            was = "ACTIVE" if "'SUSPENDED'" in change else "SUSPENDED" if "'ACTIVE'" in change else "ACTIVE"
            await one.execute(STANDING, user_id, was)
            ways = [(put_away, organization), (change, user_id)]
            (first, of_first), (second, of_second) = ways if organization_first else reversed(ways)
            async with one.transaction():
                await one.execute(first, of_first)
                following = asyncio.create_task(two.execute(second, of_second))
                await asyncio.wait({following}, timeout=0.03)
            await following
            assert set(await one.fetch(KEPT)) == set(await one.fetch(GIVEN)), (change, organization_first)
    await one.close()
    await two.close()


GRANT_IN_TEAM = """
INSERT INTO user_roles (user_id, role_id, scope, scope_id)
SELECT $1, id, 'TEAM', (SELECT id FROM teams) FROM roles WHERE name = '{}'
"""


async def test_a_permission_keeps_its_name(query: "Query") -> None:
    with pytest.raises(IntegrityError, match="keeps its name"):
        await query(RENAME, action="look", name="user:look")

"""Rights in memory over the real tables: whatever changes them is seen by the next request."""

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.rights.decider import Decider, Rights
from orion_user.decisions import actions

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query
    from packages.user.tests.decisions.conftest import Giver

UPDATE = "content:update"


@pytest.fixture
def decider(database: Database, auth: "AuthFeed") -> Decider:
    async def refresh(user_id: UUID, known: str | None) -> Rights | None:
        return await actions.rights(database, user_id, known, auth.clock())

    return Decider(refresh)


ASSIGNED = "role_id = (SELECT id FROM roles WHERE name = 'moderator')"
SAYS_SO = "permission_id = (SELECT id FROM permissions WHERE name = 'content:update')"
CHANGES = {
    "the grant ends": f"UPDATE user_roles SET expires_at = :now WHERE {ASSIGNED}",
    "the grant is deleted": f"DELETE FROM user_roles WHERE {ASSIGNED}",
    "the role is not active any more": "UPDATE roles SET is_active = false WHERE name = 'editor'",
    "the role loses it": f"DELETE FROM role_permissions WHERE {SAYS_SO}",
    "the role denies it": f"UPDATE role_permissions SET effect = 'DENY' WHERE {SAYS_SO}",
    "a condition is added": f"UPDATE user_roles SET condition = 'false' WHERE {ASSIGNED}",
    "it is not inherited any more": f"DELETE FROM role_inheritance WHERE child_{ASSIGNED}",
    "it is denied directly": """
        INSERT INTO user_permissions (user_id, permission_id, effect, starts_at)
        SELECT :user_id, id, 'DENY', :now FROM permissions WHERE name = 'content:update'
    """,
    "the user is suspended": "UPDATE users SET status = 'SUSPENDED' WHERE id = :user_id",
    "the user is deleted": "UPDATE users SET status = 'DELETED', deleted_at = :now WHERE id = :user_id",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_whatever_takes_a_right_away_is_seen_at_once(
    auth: "AuthFeed", decider: Decider, giver: "Giver", query: "Query", change: str
) -> None:
    user_id = await auth.register()
    await giver.role(user_id, "moderator", auth.clock())
    assert (await decider.rights(user_id)).allows(UPDATE, auth.clock())
    auth.clock.advance(seconds=1)
    statement = CHANGES[change]
    values = {"user_id": user_id, "now": auth.clock()}
    await query(statement, **{name: value for name, value in values.items() if f":{name}" in statement})
    assert not (await decider.rights(user_id)).allows(UPDATE, auth.clock())


async def test_what_is_not_committed_is_not_seen_and_then_it_is(
    auth: "AuthFeed", decider: Decider, giver: "Giver", owner: Database
) -> None:
    user_id = await auth.register()
    await giver.role(user_id, "editor", auth.clock())
    auth.clock.advance(seconds=1)
    async with owner.transaction() as transaction:
        await transaction.connection.exec_driver_sql("DELETE FROM user_roles")
        assert (await decider.rights(user_id)).allows(UPDATE, auth.clock())
    assert not (await decider.rights(user_id)).allows(UPDATE, auth.clock())


async def test_nothing_is_read_again_while_nothing_has_changed(auth: "AuthFeed", decider: Decider) -> None:
    user_id = await auth.register()
    assert await decider.rights(user_id) is await decider.rights(user_id)


async def test_no_allow_after_a_revoke_was_committed(
    auth: "AuthFeed", decider: Decider, giver: "Giver", query: "Query"
) -> None:
    """A small race; `bench/authz_races.py` runs 100,000 over several processes."""
    users = [await auth.register(f"{number}@example.com") for number in range(5)]
    revoked: dict[UUID, bool] = {}
    stale: list[UUID] = []

    async def check(user_id: UUID) -> None:
        for _ in range(40):
            before = revoked.get(user_id, False)
            if (await decider.rights(user_id)).allows(UPDATE, auth.clock()) and before:
                stale.append(user_id)
            await asyncio.sleep(0)

    async def revoke(user_id: UUID) -> None:
        await query("DELETE FROM user_roles WHERE user_id = :id AND reason IS NULL", id=user_id)
        revoked[user_id] = True

    for _ in range(3):
        revoked.clear()
        for user_id in users:
            await giver.role(user_id, "editor", auth.clock())
        await asyncio.gather(*(check(each) for each in users), *(revoke(each) for each in users))
    assert stale == []
    assert not (await decider.rights(uuid7())).allows(UPDATE, auth.clock())


async def test_what_a_suspended_user_was_granted_is_told_and_decides_nothing(
    auth: "AuthFeed", decider: Decider, giver: "Giver", query: "Query"
) -> None:
    user_id = await auth.register()
    await query("UPDATE users SET status = 'SUSPENDED' WHERE id = :user_id", user_id=user_id)
    await decider.rights(user_id)
    await giver.role(user_id, "moderator", auth.clock())
    rights = await decider.rights(user_id)
    assert UPDATE in rights.grounds, "also what came since he was asked about last"
    assert not rights.allows(UPDATE, auth.clock())

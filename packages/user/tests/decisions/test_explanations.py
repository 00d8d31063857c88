"""Why may they, why not, and what comes nearest to allowing it."""

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query
    from packages.user.tests.decisions.conftest import AskAs, Giver


async def test_the_path_that_allowed(auth: "AuthFeed", ask_as: "AskAs", giver: "Giver") -> None:
    ada, boss = await ask_as("ada@example.com"), await ask_as("boss@example.com")
    await giver.role(ada.user_id, "admin", auth.clock(), assigned_by=boss.user_id, condition="context.office == 'Bern'")
    explained = await ada.explain("update", "content", context={"office": "Bern"})
    assert (explained["decision"], explained["reason"], explained["nearest"]) == (True, "allowed", None)
    (grant,) = explained["grants"]
    assert explained["decisive"] == grant["id"]
    assert grant["path"] == ["admin", "moderator", "editor"]
    assert grant["assigned_by"] == str(boss.user_id)
    told = {"text": "context.office == 'Bern'", "holds": True, "fault": None, "values": {"context.office": "Bern"}}
    assert grant["conditions"] == [told]


async def test_what_comes_nearest_to_allowing_it(
    auth: "AuthFeed", ask_as: "AskAs", giver: "Giver", query: "Query"
) -> None:
    ada, now = await ask_as("ada@example.com"), auth.clock()
    organization = await giver.organization(ada.user_id)

    async def nearest() -> str:
        explained = await ada.explain("update", "content", context={"level": 1})
        assert explained["decision"] is False
        assert explained["nearest"]["roles"][0] == "editor"
        assert explained["nearest"]["detail"]
        return explained["nearest"]["nearness"]

    assert await nearest() == "nothing"
    await giver.role(ada.user_id, "editor", now, scope="ORG", scope_id=organization)
    assert await nearest() == "elsewhere"
    await giver.role(ada.user_id, "moderator", now)
    await query("UPDATE roles SET is_active = false WHERE name = 'moderator'")
    assert await nearest() == "inactive_role"
    await giver.role(ada.user_id, "editor", now - timedelta(days=2), expires_at=now - timedelta(days=1))
    assert await nearest() == "ended"
    await giver.role(ada.user_id, "editor", now + timedelta(days=1))
    assert await nearest() == "not_begun"
    await giver.permission(ada.user_id, "content:update", now, condition="context.level > 3")
    assert await nearest() == "condition"
    await giver.permission(ada.user_id, "content:update", now, effect="DENY")
    assert await nearest() == "condition"
    await query("UPDATE roles SET is_active = true")
    assert await nearest() == "denial"
    await query("UPDATE users SET status = 'SUSPENDED' WHERE id = :id", id=ada.user_id)
    assert await nearest() == "inactive_subject"


async def test_of_many_grants_those_that_a_check_decides_by_are_told(
    auth: "AuthFeed", ask_as: "AskAs", giver: "Giver", query: "Query"
) -> None:
    """Somebody has more of them in other organizations than can be told, all given later."""
    ada, now = await ask_as("ada@example.com"), auth.clock()
    organization = await giver.organization(ada.user_id)
    await giver.role(ada.user_id, "editor", now - timedelta(days=1), scope="ORG", scope_id=organization)
    await query(
        """
        WITH others AS (
          INSERT INTO organizations (name, slug, owner_id)
          SELECT 'O', to_char(number, 'FM0000'), :ada
          FROM generate_series(2222, 2999) AS number WHERE to_char(number, 'FM0000') !~ '[01]' LIMIT 201
          RETURNING id
        )
        INSERT INTO user_roles (user_id, role_id, scope, scope_id, starts_at)
        SELECT :ada, roles.id, 'ORG', others.id, :now FROM others, roles WHERE roles.name = 'editor'
        """,
        ada=ada.user_id, now=now,
    )  # fmt: skip
    for moment in (None, now.isoformat()):
        explained = await ada.explain("update", "content", at=moment, properties={"organization_id": str(organization)})
        assert (explained["decision"], len(explained["grants"])) == (True, 1)
        auth.clock.advance(seconds=1)


async def test_a_condition_that_fails_says_why(auth: "AuthFeed", ask_as: "AskAs", giver: "Giver") -> None:
    ada = await ask_as("ada@example.com")
    await giver.permission(ada.user_id, "content:update", auth.clock(), condition="context.level > 3")
    explained = await ada.explain("update", "content")
    (grant,) = explained["grants"]
    assert grant["counts"] is False
    assert grant["conditions"][0]["holds"] is None
    assert grant["conditions"][0]["fault"] == "nothing is known of level"
    assert explained["nearest"]["grant"]["id"] == grant["id"]

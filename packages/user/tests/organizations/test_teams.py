"""Teams stay in their organization and never go in a circle."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest
from packages.user.tests.organizations.conftest import TEAMS, somebody
from sqlalchemy.exc import IntegrityError

from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query


async def organization(auth: "AuthFeed", query: "Query", slug: str) -> UUID:
    made = uuid7()
    owner = await auth.register(f"{slug}@example.com")
    await query(
        "INSERT INTO organizations (id, name, slug, owner_id) VALUES (:id, 'O', :slug, :owner)",
        id=made,
        slug=slug,
        owner=owner,
    )
    return made


async def team(query: "Query", organization_id: UUID, parent: UUID | None = None) -> UUID:
    made = uuid7()
    await query(
        "INSERT INTO teams (id, organization_id, parent_team_id, name, slug) VALUES (:id, :o, :parent, 'T', :slug)",
        id=made,
        o=organization_id,
        parent=parent,
        slug=made.hex,
    )
    return made


async def test_a_parent_is_of_the_same_organization(auth: "AuthFeed", query: "Query") -> None:
    one, other = await organization(auth, query, "one"), await organization(auth, query, "other")
    parent = await team(query, one)
    await team(query, one, parent)
    with pytest.raises(IntegrityError, match="fk_teams_organization_id_parent_team_id"):
        await team(query, other, parent)


async def test_no_team_is_below_itself(auth: "AuthFeed", query: "Query") -> None:
    one = await organization(auth, query, "one")
    top = await team(query, one)
    middle = await team(query, one, top)
    bottom = await team(query, one, middle)
    for child, parent in ((top, bottom), (top, middle), (middle, bottom), (top, top)):
        with pytest.raises(IntegrityError, match=r"cannot be below itself|ck_teams_parent"):
            await query("UPDATE teams SET parent_team_id = :parent WHERE id = :child", child=child, parent=parent)
    await query("UPDATE teams SET parent_team_id = :top WHERE id = :bottom", top=top, bottom=bottom)
    await query("UPDATE teams SET parent_team_id = :bottom WHERE id = :middle", middle=middle, bottom=bottom)


async def test_a_team_that_is_purged_goes_with_the_teams_below_it(auth: "AuthFeed", query: "Query") -> None:
    one = await organization(auth, query, "one")
    top = await team(query, one)
    await team(query, one, await team(query, one, top))
    await query("DELETE FROM teams WHERE id = :top", top=top)
    assert await query("SELECT count(*) FROM teams") == [(0,)]


async def test_a_deleted_team_keeps_what_was_given_in_it_which_has_ended_and_takes_nothing_more(
    auth: "AuthFeed", ada: httpx.AsyncClient, acme: str, query: "Query"
) -> None:
    async def make(parent: str | None = None) -> str:
        slug = "top" if parent is None else "inner"
        made = await ada.post(f"{acme}/teams", json={"name": "T", "slug": slug, "parent_team_id": parent})
        assert made.status_code == 201, made.text
        return made.json()["id"]

    mia_id, organization_id = await somebody(auth, "mia"), UUID(acme.rsplit("/", 1)[1])
    await query(MEMBER, organization_id=organization_id, user_id=mia_id)
    top = await make()
    inner = await make(top)
    assert (await ada.put(f"{TEAMS}/{inner}/members/{mia_id}")).status_code == 200
    now = auth.clock()
    for starts_at in (now - timedelta(hours=1), now + timedelta(days=1)):
        effect = "ALLOW" if starts_at < now else "DENY"
        await query(GIVEN_IN_TEAM, user_id=mia_id, effect=effect, team=UUID(inner), starts_at=starts_at)
    assert (await ada.delete(f"{TEAMS}/{top}")).status_code == 204

    ended = "SELECT starts_at < expires_at, expires_at FROM user_permissions WHERE scope_team_id = :team"
    assert await query(ended, team=UUID(inner)) == [(True, now)], "what has not begun is taken back"
    assert await query("SELECT status::text, ended_at FROM memberships WHERE team_id IS NOT NULL") == [("ENDED", now)]
    told = "SELECT resource_id FROM audit_logs WHERE action = 'team.deleted'"
    assert {row[0] for row in await query(told)} == {top, inner}
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", f"/members/{mia_id}"), ("DELETE", f"/members/{mia_id}")):
        assert (await ada.request(method, f"{TEAMS}/{inner}{path}")).status_code == 404
    assert (await ada.get(f"{acme}/teams")).json()["items"] == []
    below = await ada.post(f"{acme}/teams", json={"name": "T", "slug": "t", "parent_team_id": inner})
    assert below.json()["errors"][0]["field"] == "/parent_team_id"
    given = {"user_id": str(mia_id), "role": "editor", "scope": "TEAM", "scope_id": inner}
    assert (await ada.post("/user/v1/role-assignments", json=given)).status_code == 422
    with pytest.raises(IntegrityError, match="what is given in a team ends with it"):
        await query(GIVEN_IN_TEAM, user_id=mia_id, effect="ALLOW", team=UUID(inner), starts_at=now)
    assert await make(await make()) not in (top, inner), "slugs are free again"
    await query("DELETE FROM organizations WHERE id = :id", id=organization_id)
    assert await query("SELECT count(*) FROM teams") == [(0,)], "an organization that is purged takes them with it"


async def test_of_a_team_that_is_deleted_while_it_is_changed_nothing_lives_on(
    ada: httpx.AsyncClient, acme: str, query: "Query"
) -> None:
    """Rights and members that come to it, teams that are made in it or moved there: before its end, or not at all."""
    ada_id = (await query("SELECT owner_id FROM organizations"))[0][0]
    answers: set[int] = set()
    for number in range(6):
        made = [await ada.post(f"{acme}/teams", json={"name": "T", "slug": f"t{number}{each}"}) for each in "ab"]
        team, other = (each.json()["id"] for each in made)
        given = {"user_id": str(ada_id), "role": "editor", "scope": "TEAM", "scope_id": team}
        moved = {"If-Match": made[1].headers["ETag"]}
        changes = [
            ada.post("/user/v1/role-assignments", json=given),
            ada.put(f"{TEAMS}/{team}/members/{ada_id}"),
            ada.post(f"{acme}/teams", json={"name": "T", "slug": f"t{number}c", "parent_team_id": team}),
            ada.patch(f"{TEAMS}/{other}", json={"parent_team_id": team}, headers=moved),
        ]
        done = await asyncio.gather(*changes[:number], ada.delete(f"{TEAMS}/{team}"), *changes[number:])
        answers |= {each.status_code for each in done}
    assert answers <= {200, 201, 204, 404, 422, 409}, answers
    assert await query(LIVING_ON) == [(0,)]


MEMBER = """
    INSERT INTO memberships (organization_id, user_id, status, joined_at)
    VALUES (:organization_id, :user_id, 'ACTIVE', now())
"""
GIVEN_IN_TEAM = """
    INSERT INTO user_permissions (user_id, permission_id, effect, scope, scope_id, starts_at)
    SELECT :user_id, id, CAST(:effect AS permission_effect), 'TEAM', :team, :starts_at
    FROM permissions WHERE name = 'content:update'
"""
LIVING_ON = """
    WITH deleted AS (SELECT * FROM teams WHERE deleted_at IS NOT NULL)
    SELECT
      (SELECT count(*) FROM user_roles AS held JOIN deleted ON deleted.id = held.scope_team_id
       WHERE held.expires_at IS NULL)
      + (SELECT count(*) FROM memberships JOIN deleted ON deleted.id = memberships.team_id WHERE status = 'ACTIVE')
      + (SELECT count(*) FROM teams JOIN deleted ON deleted.id = teams.parent_team_id WHERE teams.deleted_at IS NULL)
"""

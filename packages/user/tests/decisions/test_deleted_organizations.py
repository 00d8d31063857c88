"""What was given in an organization decides nothing while that is deleted, and at once again when it is restored."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
from packages.user.tests.decisions.conftest import Asker, bearer

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed
    from packages.user.tests.decisions.conftest import AskAs, Giver


async def told(ada: Asker, organization: UUID, team: UUID) -> dict[str, Any]:
    """All that is told of what Ada may in an organization and in a team of it, asked in each way."""
    in_team = {"team_id": str(team)}
    searches = {
        "who may": ("search/subject", ada.question("update", "content", properties=in_team)),
        "what": ("search/action", ada.question("", "content", properties=in_team)),
        "which organizations": ("search/resource", ada.question("content:delete", "organization")),
        "which teams": ("search/resource", ada.question("content:update", "team")),
    }
    several = {"evaluations": [ada.question("update", "content", properties=in_team)]}
    me = await ada.http.get("/user/v1/me", headers=bearer(ada.user_id))
    return {
        "in it": await ada.may("delete", "content", properties={"organization_id": str(organization)}),
        "in its team": await ada.may("update", "content", properties=in_team),
        "denied there": not await ada.may("read", "content", properties={"organization_id": str(organization)}),
        "one of several": (await ada.post("evaluations", several)).json()["evaluations"][0]["decision"],
        **{name: len((await ada.post(path, body)).json()["results"]) for name, (path, body) in searches.items()},
        "roles": sorted(_given(me.json()["roles"])),
    }


def _given(roles: list[dict[str, Any]]) -> list[str]:
    return [role["name"] for role in roles if role["scope"] == "TEAM" and role["through"] is None]


BEFORE: dict[str, Any] = {
    "in it": True, "in its team": True, "denied there": True, "one of several": True,
    "who may": 2, "what": 4, "which organizations": 1, "which teams": 1, "roles": ["editor"],
}  # fmt: skip
MEANWHILE: dict[str, Any] = {
    "in it": False, "in its team": False, "denied there": False, "one of several": False,
    "who may": 1, "what": 1, "which organizations": 0, "which teams": 0, "roles": [],
}  # fmt: skip


async def test_what_was_given_in_it_decides_before_and_after_and_not_meanwhile(
    auth: "AuthFeed", ask_as: "AskAs", giver: "Giver", http: httpx.AsyncClient
) -> None:
    ada, boss, now = await ask_as("ada@example.com"), await ask_as("boss@example.com"), auth.clock()
    organization = await giver.organization(boss.user_id)
    other = await giver.organization(boss.user_id)
    team = await giver.team(organization)
    await giver.role(boss.user_id, "super_admin", now)
    await giver.permission(ada.user_id, "content:read", now)
    await giver.permission(ada.user_id, "content:read", now, effect="DENY", scope="ORG", scope_id=organization)
    await giver.permission(ada.user_id, "content:delete", now, scope="ORG", scope_id=organization)
    await giver.role(ada.user_id, "editor", now, scope="TEAM", scope_id=team)
    url, rights = f"/user/v1/organizations/{organization}", f"/user/v1/access/rights/{ada.user_id}"
    as_boss, as_ada = bearer(boss.user_id), bearer(ada.user_id)

    async def seen(expected: dict[str, Any], known: str) -> str:
        assert await told(ada, organization, team) == expected
        found = await http.get(rights, headers={**as_ada, "If-None-Match": known})
        assert found.status_code == 200, "rights in memory are known not to be the present ones"
        assert ("content:delete" in found.text) is expected["in it"]
        return found.headers["ETag"]

    known = await seen(BEFORE, '"none"')
    auth.clock.advance(seconds=1)
    assert (await http.delete(url, headers=as_boss)).status_code == 204
    known = await seen(MEANWHILE, known)
    in_team = {"organization_id": str(organization), "team_id": str(team)}
    why = (await ada.explain("update", "content", properties=in_team))["nearest"]
    assert (why["nearness"], why["grant"]["scope_id"]) == ("deleted_organization", str(team))
    assert "will be when the organization, which is deleted, is restored" in why["detail"]
    elsewhere = await ada.explain("update", "content", properties={"organization_id": str(other)})
    assert elsewhere["nearest"]["nearness"] == "nothing"
    assert await boss.may("delete", "content", properties=in_team), "what holds everywhere holds here"
    assert await ada.may("update", "content", properties=in_team, at=(now + timedelta(seconds=0.5)).isoformat())
    await giver.role(ada.user_id, "moderator", now, scope="TEAM", scope_id=team)
    assert await told(ada, organization, team) == MEANWHILE, "nor does what is given meanwhile, past the service"
    assert (await http.post(f"{url}/restoration", headers=as_boss)).status_code == 200
    await seen(BEFORE | {"roles": ["editor", "moderator"]}, known)

"""Moving or deleting a team gives and takes what was given around it and in it: only by who holds that himself."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
from packages.user.tests.organizations.conftest import TEAMS, somebody

from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Caller, Changed, Query

GIVE = """
    INSERT INTO user_permissions (user_id, permission_id, effect, scope, scope_id, starts_at)
    SELECT :user_id, id, CAST(:effect AS permission_effect), CAST(:scope AS permission_scope), :scope_id, '2020-01-01'
    FROM permissions WHERE name = :name
"""


async def may_delete_in(reader: httpx.AsyncClient, user_id: UUID, team: str) -> bool:
    asked = {
        "subject": {"type": "user", "id": str(user_id)},
        "action": {"name": "delete"},
        "resource": {"type": "content", "id": "1", "properties": {"team_id": team}},
    }
    return (await reader.post("/user/v1/access/evaluation", json=asked)).json()["decision"]


async def test_nobody_gets_or_takes_anything_by_moving_or_deleting_a_team(
    ada: httpx.AsyncClient, acme: str, auth: "AuthFeed", caller: "Caller", query: "Query", changed: "Changed"
) -> None:
    """Mia configures the organization, and may delete contents in one team alone; Ada, the owner, may do all."""
    mia_id, organization = await somebody(auth, "mia"), acme.rsplit("/", 1)[1]
    mia, teams = caller(mia_id, uuid7()), dict[str, str]()
    for name, parent in (("strong", None), ("plain", None), ("empty", None), ("work", None), ("inner", "work")):
        body = {"name": name, "slug": name, "parent_team_id": teams.get(parent or "")}
        teams[name] = (await ada.post(f"{acme}/teams", json=body)).json()["id"]

    async def give(name: str, scope: str, place: str, effect: str = "ALLOW") -> None:
        await query(GIVE, user_id=mia_id, name=name, effect=effect, scope=scope, scope_id=UUID(place))

    async def move(client: httpx.AsyncClient, team: str, parent: str | None) -> tuple[int, Any]:
        above = None if parent is None else teams[parent]
        answer = await changed(client, f"{TEAMS}/{teams[team]}", {"parent_team_id": above})
        return answer.status_code, answer.json().get("code")

    for name in ("system:configure", "system:read"):
        await give(name, "ORG", organization)
    await give("content:delete", "TEAM", teams["strong"])

    assert await move(mia, "work", "strong") == (403, "not_held"), "he would get it in another team"
    assert not await may_delete_in(mia, mia_id, teams["inner"])
    assert await move(mia, "work", "empty") == (200, None), "nothing was given there"
    assert await move(ada, "work", "strong") == (200, None)
    assert await may_delete_in(mia, mia_id, teams["inner"])
    assert await move(mia, "inner", "strong") == (200, None), "no more and no less is given around it"
    assert await move(mia, "inner", "work") == (200, None)
    assert await move(mia, "work", None) == (200, None), "what he takes is his, and he holds it there until then"
    assert not await may_delete_in(mia, mia_id, teams["inner"])

    await give("content:update", "ORG", organization)
    await give("content:update", "TEAM", teams["plain"], "DENY")
    assert await move(ada, "work", "plain") == (200, None)
    assert await move(mia, "work", None) == (403, "not_held"), "a denial would be lifted"
    assert (await mia.delete(f"{TEAMS}/{teams['plain']}")).json()["code"] == "not_held"
    other = (await changed(mia, f"{TEAMS}/{teams['work']}", {"name": "Work"})).status_code
    assert (other, await move(ada, "work", None)) == (200, (200, None))
    assert (await mia.delete(f"{TEAMS}/{teams['empty']}")).status_code == 204
    assert (await ada.delete(f"{TEAMS}/{teams['plain']}")).status_code == 204
    refused = "SELECT count(*) FROM audit_logs WHERE action = 'access.denied' AND new_values ->> 'reason' = 'not_held'"
    assert await query(refused) == [(3,)]

"""May they? Over HTTP, by real grants."""

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest

from orion_core.ids import uuid7
from orion_core.rights.client import RightsClient
from orion_core.rights.decider import Decider

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query
    from packages.user.tests.decisions.conftest import AskAs, Bearer, Giver


async def test_what_roles_allow_is_allowed_and_nothing_else(auth: "AuthFeed", ask_as: "AskAs", giver: "Giver") -> None:
    ada = await ask_as("ada@example.com")
    assert await ada.may("read", "content")
    assert not await ada.may("update", "content")
    assert not await ada.may("fly", "carpet")
    assert await ada.may("content:read", "article"), "an action may be given by the name of the permission"
    await giver.role(ada.user_id, "editor", auth.clock())
    assert await ada.may("update", "content")
    await giver.permission(ada.user_id, "content:update", auth.clock(), effect="DENY")
    assert not await ada.may("update", "content"), "a denial wins"


async def test_a_grant_holds_in_its_place_and_below(auth: "AuthFeed", ask_as: "AskAs", giver: "Giver") -> None:
    ada = await ask_as("ada@example.com")
    mine, other = await giver.organization(ada.user_id), await giver.organization(ada.user_id)
    team = await giver.team(mine)
    subteam = await giver.team(mine, team)
    await giver.role(ada.user_id, "editor", auth.clock(), scope="TEAM", scope_id=team)
    for place, allowed in ((mine, False), (team, True), (subteam, True)):
        kind = "organization_id" if place == mine else "team_id"
        assert await ada.may("update", "content", properties={kind: str(place)}) is allowed
    await giver.role(ada.user_id, "editor", auth.clock(), scope="ORG", scope_id=mine)
    assert await ada.may("update", "content", properties={"organization_id": str(mine)})
    assert not await ada.may("update", "content", properties={"organization_id": str(other)})
    assert await ada.may("content:update", "organization", mine), "a place is where it is itself"
    crossed = ada.question("update", "content", properties={"organization_id": str(other), "team_id": str(team)})
    assert (await ada.post("evaluation", crossed)).json()["code"] == "other_organization"


async def test_a_condition_decides_with_what_is_sent(auth: "AuthFeed", ask_as: "AskAs", giver: "Giver") -> None:
    ada = await ask_as("ada@example.com")
    condition = "resource.owner == subject.id && in_network(network.address, '10.0.0.0/8')"
    await giver.role(ada.user_id, "editor", auth.clock(), condition=condition)
    own = {"owner": str(ada.user_id)}
    inside, outside = ({"network": {"address": address}} for address in ("10.1.1.1", "192.0.2.1"))
    assert await ada.may("update", "content", properties=own, context=inside)
    assert not await ada.may("update", "content", properties=own, context=outside)
    assert not await ada.may("update", "content", properties=own), "what fails does not allow"
    await giver.permission(ada.user_id, "content:read", auth.clock(), effect="DENY", condition="context.quarantined")
    assert not await ada.may("read", "content"), "what fails does not lift a denial"
    assert await ada.may("read", "content", context={"quarantined": False})


async def test_a_suspended_user_may_nothing(auth: "AuthFeed", ask_as: "AskAs", query: "Query") -> None:
    ada, grace = await ask_as("ada@example.com"), await ask_as("grace@example.com")
    assert await ada.may("read", "content", subject=grace.user_id)
    await query("UPDATE users SET status = 'SUSPENDED' WHERE id = :id", id=grace.user_id)
    assert not await ada.may("read", "content", subject=grace.user_id)
    assert not await ada.may("read", "content", subject=uuid7())


async def test_a_moment_in_the_past_is_answered_by_the_grants_of_then(
    auth: "AuthFeed", ask_as: "AskAs", giver: "Giver"
) -> None:
    ada, start = await ask_as("ada@example.com"), auth.clock()
    end = start + timedelta(hours=1)
    await giver.role(ada.user_id, "editor", start, expires_at=end)
    auth.clock.advance(days=1)
    assert not await ada.may("update", "content")
    moments = [(start - timedelta(seconds=1), False), (start, True), (end, False)]
    for at, allowed in moments:
        assert await ada.may("update", "content", at=at.isoformat()) is allowed
    explained = await ada.explain("update", "content", at=start.isoformat())
    assert explained["decision"] is True
    assert explained["grants"][0]["role"] == "editor"


async def test_the_past_is_answered_by_what_roles_came_to_then(
    auth: "AuthFeed", ask_as: "AskAs", giver: "Giver", query: "Query"
) -> None:
    """Triggers note what roles come to by the database's clock, so here the moments are taken from it."""
    ada = await ask_as("ada@example.com")
    await giver.role(ada.user_id, "moderator", auth.clock())
    changes = [
        "DELETE FROM role_permissions WHERE permission_id = (SELECT id FROM permissions WHERE name = 'content:update')",
        """
        INSERT INTO role_permissions (role_id, permission_id)
        SELECT role.id, permission.id FROM roles AS role, permissions AS permission
        WHERE role.name = 'user' AND permission.name = 'content:update'
        """,
        "DELETE FROM role_inheritance WHERE child_role_id = (SELECT id FROM roles WHERE name = 'editor')",
        "UPDATE roles SET is_active = false WHERE name = 'editor'",
        "UPDATE roles SET is_active = true WHERE name = 'user'",
    ]
    moments: list[str] = []
    for change in [*changes, None]:
        ((moment,),) = await query("SELECT clock_timestamp()")
        moments.append(moment.isoformat())
        if change is not None:
            await query(change)
    auth.clock.advance(minutes=5)
    assert [await ada.may("update", "content", at=at) for at in moments] == [True, False, True, True, True, True]
    assert [await ada.may("publish", "content", at=at) for at in moments] == [True, True, True, True, False, False]
    assert [await ada.may("content:read", "moderation", at=at) for at in moments] == [True] * 6
    explained = await ada.explain("update", "content", at=moments[0])
    assert [grant["role"] for grant in explained["grants"]] == ["editor"]
    found = await ada.post("search/action", ada.question("", "content"), at=moments[0])
    assert {"name": "update"} in found.json()["results"]
    found = await ada.post("search/subject", ada.question("publish", "content"), at=moments[0])
    assert [each["id"] for each in found.json()["results"]] == [str(ada.user_id)]


async def test_the_past_knows_teams_as_they_lie_now(
    auth: "AuthFeed", ask_as: "AskAs", giver: "Giver", query: "Query"
) -> None:
    """What docs/authorization.md says that `at` does not know."""
    ada, start = await ask_as("ada@example.com"), auth.clock()
    organization = await giver.organization(ada.user_id)
    above, beside = await giver.team(organization), await giver.team(organization)
    below = await giver.team(organization, above)
    await giver.role(ada.user_id, "editor", start, scope="TEAM", scope_id=above)
    auth.clock.advance(days=1)

    async def could(team: UUID) -> bool:
        return await ada.may("update", "content", properties={"team_id": str(team)}, at=start.isoformat())

    assert await could(above) and await could(below)
    await query("UPDATE teams SET parent_team_id = :beside WHERE id = :below", beside=beside, below=below)
    assert not await could(below), "it is taken to have lain where it lies"


async def test_one_of_several_says_of_itself_that_nothing_is_around_it(
    auth: "AuthFeed", ask_as: "AskAs", giver: "Giver"
) -> None:
    ada = await ask_as("ada@example.com")
    await giver.permission(ada.user_id, "content:update", auth.clock(), condition="context.is_drill")
    common = ada.question("update", "content", context={"is_drill": True})
    answer = await ada.post("evaluations", {**common, "evaluations": [{}, {"context": {}}]})
    assert [each["decision"] for each in answer.json()["evaluations"]] == [True, False]


async def test_several_questions_at_once(auth: "AuthFeed", ask_as: "AskAs") -> None:
    ada = await ask_as("ada@example.com")
    common = ada.question("read", "content")
    parts = [{}, {"action": {"name": "update"}}, {"resource": {"type": "user", "id": "1"}}]
    answer = await ada.post("evaluations", {**common, "evaluations": parts})
    assert [each["decision"] for each in answer.json()["evaluations"]] == [True, False, True]
    for semantic, count in (("deny_on_first_deny", 2), ("permit_on_first_permit", 1), ("execute_all", 3)):
        options = {"evaluations_semantic": semantic}
        answer = await ada.post("evaluations", {**common, "evaluations": parts, "options": options})
        assert len(answer.json()["evaluations"]) == count
    assert (await ada.post("evaluations", common)).json()["decision"] is True
    assert (await ada.post("evaluations", {"evaluations": [{}]})).status_code == 422
    assert (await ada.post("evaluations", {**common, "evaluations": [{}] * 101})).status_code == 422


async def test_about_others_asks_who_may_and_not_everybody(auth: "AuthFeed", ask_as: "AskAs", query: "Query") -> None:
    """Whoever has the role of everybody learns nothing of who is in which organization, or who hides."""
    ada, grace = await ask_as("ada@example.com"), await ask_as("grace@example.com")
    await query("DELETE FROM user_permissions WHERE user_id = :id", id=ada.user_id)
    assert await ada.may("read", "content")
    about_grace = ada.question("read", "content", subject=grace.user_id)
    for path in ("evaluation", "explanation", "search/action", "search/resource", "search/subject"):
        answer = await ada.post(path, about_grace)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert (await ada.post("evaluations", {**about_grace, "evaluations": [{}]})).status_code == 403


@pytest.mark.parametrize(
    "broken",
    [
        {"subject": {"type": "user"}},
        {"subject": {"type": "user", "id": "x" * 256}},
        {"action": {}},
        {"resource": {"type": "content", "id": "1", "properties": {"team_id": "no id"}}},
        {"resource": {"type": "content", "id": "1", "properties": {"team_id": 7}}},
        {"context": {"list": [0] * 201}},
        {"context": {"number": 2**63}},
        {"context": []},
    ],
)
async def test_a_question_that_is_none_is_refused(ask_as: "AskAs", broken: dict[str, object]) -> None:
    ada = await ask_as("ada@example.com")
    answer = await ada.post("evaluation", {**ada.question("read", "content"), **broken})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_fields")


async def test_another_service_decides_in_its_own_memory(
    auth: "AuthFeed", ask_as: "AskAs", bearer: "Bearer", giver: "Giver", http: httpx.AsyncClient
) -> None:
    ada = await ask_as("ada@example.com")
    answers: list[int] = []

    async def note(response: httpx.Response) -> None:
        answers.append(response.status_code)

    http.event_hooks["response"].append(note)

    class Tokens:
        async def headers(self, method: str, url: str) -> dict[str, str]:
            return bearer("notifications", client_id="notifications", sid=None, scope="events:read")

        def forget(self) -> None:
            raise AssertionError("it is a good one")

    decider = Decider(RightsClient(http, "http://user", Tokens()).refresh)
    now = auth.clock()
    assert not (await decider.rights(ada.user_id)).allows("content:update", now)
    await giver.role(ada.user_id, "editor", now)
    for _ in range(2):
        assert (await decider.rights(ada.user_id)).allows("content:update", now)
    await giver.permission(ada.user_id, "content:update", now, effect="DENY")
    assert not (await decider.rights(ada.user_id)).allows("content:update", now)
    assert answers == [200, 200, 304, 200]
    mere = await http.get(f"/user/v1/access/rights/{ada.user_id}", headers=bearer("mere", sid=None, client_id="mere"))
    assert mere.status_code == 403


async def test_where_what_is_answered_is_told(ask_as: "AskAs") -> None:
    ada = await ask_as("ada@example.com")
    told = (await ada.http.get("/.well-known/authzen-configuration")).json()
    assert told["policy_decision_point"] == "http://user"
    answer = await ada.post(told["access_evaluation_endpoint"].rpartition("/")[2], ada.question("read", "content"))
    assert answer.json() == {"decision": True, "context": {"reason": "allowed"}}
    endpoints = {
        name: url.removeprefix("http://user/user/v1/access/") for name, url in told.items() if "endpoint" in name
    }
    answers = {name: await ada.post(path, ada.question("read", "user")) for name, path in endpoints.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(
        [
            "access_evaluation_endpoint", "access_evaluations_endpoint",
            "search_subject_endpoint", "search_resource_endpoint", "search_action_endpoint",
        ],
        200,
    )  # fmt: skip

"""Many grants under conditions, given to one subject, hold nobody else up, and what is too dear is refused."""

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from packages.user.tests.decisions.conftest import Asker, bearer

from orion_core.rights import giving_way
from orion_core.rights.decisions import weigh

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed
    from packages.user.tests.decisions.conftest import AskAs, Giver

ROLES = """
    WITH given AS (
      INSERT INTO roles (name, display_name, organization_id)
      SELECT 'custom_' || number, 'Custom ' || number, :organization FROM generate_series(1, :many) AS number
      RETURNING id
    ), said AS (
      INSERT INTO role_permissions (role_id, permission_id, effect, condition)
      SELECT given.id, permission.id, CAST(:effect AS permission_effect), :condition
      FROM given, permissions AS permission WHERE permission.name = :permission
      RETURNING role_id
    )
    INSERT INTO user_roles (user_id, role_id, scope, scope_id, starts_at)
    SELECT :user_id, role_id, 'ORG', :organization, :starts_at FROM said
"""
MANY = {"many": 12, "effect": "ALLOW", "condition": "context.level > 5", "permission": "content:update"}
EACH = 0.005
"""Seconds that a condition takes here."""


@pytest.fixture
async def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*arguments: Any) -> Any:
        time.sleep(EACH)
        return weigh(*arguments)

    monkeypatch.setattr(giving_way, "weigh", slowly)


async def given(giver: "Giver", ada: Asker, auth: "AuthFeed", **more: Any) -> UUID:
    """An organization in which Ada has many roles that speak of `content:update`, each under a condition."""
    organization = await giver.organization(ada.user_id)
    values = {"organization": organization, "user_id": ada.user_id, "starts_at": auth.clock() - timedelta(hours=1)}
    await giver.query(ROLES, **values, **{**MANY, **more})
    return organization


async def answered_meanwhile(http: httpx.AsyncClient, asked: asyncio.Task[httpx.Response]) -> int:
    """How often a neighbour was answered while something was asked."""
    found = 0
    while not asked.done():
        assert (await http.get("/livez")).status_code == 200
        found += not asked.done()
        await asyncio.sleep(0)
    return found


@pytest.mark.usefixtures("slow")
async def test_a_neighbour_is_answered_while_many_conditions_are_looked_at(
    ask_as: "AskAs", giver: "Giver", auth: "AuthFeed", http: httpx.AsyncClient
) -> None:
    ada = await ask_as("ada@example.com")
    organization = await given(giver, ada, auth)
    here = {"organization_id": str(organization)}
    check = ada.question("update", "content", properties=here, context={"level": 4})
    where = {
        **ada.question("content:update", "organization", context={"level": 4}),
        "resource": {"type": "organization"},
    }
    for path, body in {
        "evaluation": check,
        "evaluations": {"evaluations": [check, check]},
        "explanation": check,
        "search/action": check,
        "search/subject": {**check, "subject": {"type": "user"}},
        "search/resource": where,
    }.items():
        for at in (None, (auth.clock() + timedelta(seconds=1)).isoformat()):
            answered = await answered_meanwhile(http, asyncio.create_task(ada.post(path, body, at)))
            assert answered > 10, f"{path} looked at twelve conditions, and others were answered {answered} times"


@pytest.mark.usefixtures("slow")
async def test_a_guard_before_a_route_gives_way_too(
    ask_as: "AskAs", giver: "Giver", auth: "AuthFeed", http: httpx.AsyncClient
) -> None:
    ada = await ask_as("ada@example.com")
    organization = await given(giver, ada, auth, permission="organization:update")
    await giver.query("UPDATE organizations SET owner_id = :id", id=(await ask_as("boss@example.com")).user_id)
    url = f"/user/v1/organizations/{organization}"
    asked = asyncio.create_task(http.patch(url, json={"name": "Other"}, headers=bearer(ada.user_id)))
    assert await answered_meanwhile(http, asked) > 10
    assert (await asked).status_code == 403


@pytest.mark.usefixtures("slow")
async def test_what_takes_too_long_to_decide_is_refused(
    ask_as: "AskAs", giver: "Giver", auth: "AuthFeed", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several questions those that there was time for are answered."""
    ada = await ask_as("ada@example.com")
    organization = await given(giver, ada, auth)
    monkeypatch.setattr(giving_way, "MOST_SECONDS", 5 * EACH)
    check = ada.question("update", "content", properties={"organization_id": str(organization)}, context={"level": 9})
    other = ada.question("read", "content")
    for path in ("evaluation", "explanation", "search/action", "search/subject"):
        refused = await ada.post(path, check)
        assert (refused.status_code, refused.json()["code"]) == (503, "decision_too_dear"), refused.text
        assert "fewer grants with conditions" in refused.json()["detail"]
    several = (await ada.post("evaluations", {"evaluations": [other, check, other]})).json()["evaluations"]
    assert [each["decision"] for each in several] == [True, False, True]
    assert several[1]["context"]["error"]["code"] == "decision_too_dear"


async def test_an_explanation_of_more_grants_than_it_tells_is_of_what_a_check_decides(
    ask_as: "AskAs", giver: "Giver", auth: "AuthFeed"
) -> None:
    ada = await ask_as("ada@example.com")
    organization = await given(giver, ada, auth, many=250)
    here: dict[str, Any] = {"properties": {"organization_id": str(organization)}, "context": {"level": 4}}
    soon = auth.clock() + timedelta(hours=1)
    for effect, allowed in (("ALLOW", True), ("DENY", False)):
        more = {"scope": "ORG", "scope_id": organization, "effect": effect, "expires_at": soon}
        await giver.permission(ada.user_id, "content:update", auth.clock() - timedelta(minutes=1), **more)
        why = await ada.explain("update", "content", **here)
        assert why["decision"] is await ada.may("update", "content", **here) is allowed
        assert len(why["grants"]) == 200, "the one that ends first is told of all the same"
        assert [each["id"] for each in why["grants"] if each["counts"]] == [why["decisive"]]
        await giver.query("DELETE FROM user_permissions WHERE scope = 'ORG' AND user_id = :id", id=ada.user_id)

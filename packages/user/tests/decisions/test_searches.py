"""Who may, what may they, and where: each list is exactly what a check of each allows."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from orion_core.rights import giving_way
from orion_core.rights.decisions import weigh
from orion_user.decisions import actions

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query
    from packages.user.tests.decisions.conftest import AskAs, Asker, Giver

CONDITIONS = (None, None, None, "context.level > 3", "subject.id != resource.id", "context.missing")
CONTEXT = {"level": 4}


async def pages(asker: "Asker", path: str, body: dict[str, Any], limit: int) -> list[dict[str, str]]:
    """All results, page by page."""
    found: list[dict[str, str]] = []
    token = None
    for _ in range(200):
        answer = await asker.post(path, {**body, "page": {"limit": limit, "token": token}})
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["results"]) <= limit
        found += answer.json()["results"]
        token = answer.json()["page"]["next_token"]
        if not token:
            return found
    raise AssertionError("the pages never end")


class World:
    """Users, organizations and teams with grants at random."""

    def __init__(self, users: list["Asker"], organizations: list[UUID], teams: list[UUID]) -> None:
        self.users = users
        self.organizations = organizations
        self.teams = teams


@pytest.fixture
async def world(auth: "AuthFeed", ask_as: "AskAs", giver: "Giver", query: "Query") -> World:
    chance, now = Random(5), auth.clock()
    users = [await ask_as(f"user{number}@example.com") for number in range(8)]
    organizations = [await giver.organization(users[0].user_id) for _ in range(4)]
    teams: list[UUID] = []
    for organization in organizations:
        teams.append(await giver.team(organization))
        teams.append(await giver.team(organization, teams[-1]))
    for user in users:
        for _ in range(chance.randrange(6)):
            scope, place = chance.choice(
                [("GLOBAL", None), ("ORG", chance.choice(organizations)), ("TEAM", chance.choice(teams)),
                 ("USER", chance.choice(users).user_id)]
            )  # fmt: skip
            starts_at = now + timedelta(hours=chance.choice([-1, -1, 0, 1]))
            expires_at = chance.choice([None, now + timedelta(hours=2), max(now, starts_at + timedelta(seconds=1))])
            more = {"scope": scope, "scope_id": place, "condition": chance.choice(CONDITIONS), "expires_at": expires_at}
            give: Callable[..., Any] = giver.role if chance.random() < 0.5 else giver.permission
            what = "editor" if give == giver.role else "content:update"
            if give == giver.permission:
                more["effect"] = chance.choice(["ALLOW", "ALLOW", "DENY"])
            try:
                await give(user.user_id, what, starts_at, **more)
            except Exception as error:
                assert "overlap" in str(error)  # noqa: PT017
    await query("UPDATE users SET status = 'SUSPENDED' WHERE id = :id", id=users[3].user_id)
    return World(users, organizations, teams)


async def test_who_may_is_whom_a_check_allows(world: World) -> None:
    ada = world.users[0]
    places = [{}, *({"organization_id": str(place)} for place in world.organizations)]
    places += [{"team_id": str(place)} for place in world.teams] + [{"user_id": str(ada.user_id)}]
    seen = 0
    for place in places:
        body = ada.question("update", "content", properties=place, context=CONTEXT)
        found = [each["id"] for each in await pages(ada, "search/subject", body, 3)]
        allowed = [
            str(user.user_id)
            for user in world.users
            if await ada.may("update", "content", subject=user.user_id, properties=place, context=CONTEXT)
        ]
        assert found == sorted(allowed)
        seen += len(found)
    assert seen > 10, "there was something to find"
    of_another_kind = ada.question("update", "content", context=CONTEXT)
    of_another_kind["subject"]["type"] = "robot"
    assert await pages(ada, "search/subject", of_another_kind, 3) == [], "a check of one is denied, whoever has its id"


@pytest.mark.parametrize("kind", ["organization", "team", "user"])
async def test_where_they_may_is_where_a_check_allows(world: World, kind: str, query: "Query") -> None:
    """Also where it is deleted: what was given everywhere decides there, and nothing that was given there."""
    ada, seen = world.users[0], list[str]()
    gone = {"organization": world.organizations[2], "team": world.teams[5], "user": world.users[4].user_id}
    await query("UPDATE organizations SET deleted_at = now() WHERE id = :id", id=gone["organization"])
    await query("UPDATE users SET status = 'DELETED', deleted_at = now() WHERE id = :id", id=gone["user"])
    all_of = {"organization": world.organizations, "team": world.teams, "user": [each.user_id for each in world.users]}
    fixed: list[dict[str, str]] = (
        [{}, {"organization_id": str(world.organizations[1])}] if kind != "organization" else [{}]
    )
    for user in world.users:
        for properties in fixed:
            more: dict[str, Any] = {"subject": user.user_id, "context": CONTEXT, "properties": properties}
            body = ada.question("content:update", kind, **more)
            found = [each["id"] for each in await pages(ada, "search/resource", body, 3)]
            allowed: list[str] = []
            for place in all_of[kind]:
                answer = await ada.post("evaluation", ada.question("content:update", kind, place, **more))
                if answer.status_code == 200 and answer.json()["decision"]:
                    allowed.append(str(place))
            assert found == sorted(allowed)
            seen += found
    assert len(seen) > 4, "there was something to find"
    assert str(gone[kind]) in seen


async def test_what_they_may_is_what_a_check_allows(world: World) -> None:
    ada = world.users[0]
    for user in world.users:
        for place in ({}, {"team_id": str(world.teams[1])}):
            body = ada.question("", "content", subject=user.user_id, properties=place, context=CONTEXT)
            found = [each["name"] for each in await pages(ada, "search/action", body, 2)]
            names = ("create", "delete", "publish", "read", "update")
            more: dict[str, Any] = {"subject": user.user_id, "properties": place, "context": CONTEXT}
            assert found == [name for name in names if await ada.may(name, "content", **more)]


async def test_resources_of_the_product_are_not_searched(ask_as: "AskAs") -> None:
    ada = await ask_as("ada@example.com")
    answer = await ada.post("search/resource", ada.question("read", "content"))
    assert (answer.status_code, answer.json()["code"]) == (422, "unsearchable_resource")


async def test_a_token_of_another_search_is_refused(ask_as: "AskAs") -> None:
    ada = await ask_as("ada@example.com")
    for _ in range(2):
        await ask_as(f"other{_}@example.com")
    body = {**ada.question("read", "content"), "page": {"limit": 1}}
    token = (await ada.post("search/subject", body)).json()["page"]["next_token"]
    other = {**ada.question("update", "content"), "page": {"limit": 1, "token": token}}
    assert (await ada.post("search/subject", other)).json()["code"] == "invalid_cursor"


async def test_a_search_among_dear_conditions_gives_way_and_ends_its_page_in_time(
    ask_as: "AskAs", giver: "Giver", auth: "AuthFeed", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A condition may take long, so many of them are no reason for anybody else to wait; nothing is left out."""
    ada, before = await ask_as("ada@example.com"), auth.clock() - timedelta(hours=1)
    users = [ada, *[await ask_as(f"user{number}@example.com") for number in range(11)]]
    for user in users:
        await giver.permission(user.user_id, "content:update", before, condition="context.level > 3")

    looked_at, at_once, stop = 0, 0, asyncio.Event()

    def slowly(*arguments: Any) -> Any:
        nonlocal looked_at
        looked_at += 1
        time.sleep(0.005)
        return weigh(*arguments)

    monkeypatch.setattr(giving_way, "weigh", slowly)

    async def watch() -> None:
        nonlocal at_once
        while not stop.is_set():
            before = looked_at
            await asyncio.sleep(0)
            at_once = max(at_once, looked_at - before)

    everybody = sorted(str(user.user_id) for user in users)
    body = ada.question("update", "content", context=CONTEXT)
    watching = asyncio.create_task(watch())
    assert [each["id"] for each in await pages(ada, "search/subject", body, 100)] == everybody
    stop.set()
    await watching
    assert at_once <= 2, "others wait for one that takes long, not for twelve"
    monkeypatch.setattr(actions, "MOST_SECONDS", 0.01)
    first = (await ada.post("search/subject", {**body, "page": {"limit": 100}})).json()
    assert 0 < len(first["results"]) < 6 and first["page"]["next_token"]
    assert [each["id"] for each in await pages(ada, "search/subject", body, 100)] == everybody

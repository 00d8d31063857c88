"""Duties that are to be separate: whatever order, time, place or race they come in, the database keeps them apart."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.testing import MovableClock

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Caller, Give, Query

RULES, ASSIGNMENTS, ROLES = "/user/v1/separation-rules", "/user/v1/role-assignments", "/user/v1/roles"
DUTIES = ("payer", "approver", "auditor")


@pytest.fixture
async def boss(auth: "AuthFeed", caller: "Caller", give: "Give") -> httpx.AsyncClient:
    user_id = await auth.register("boss@example.com")
    await give(user_id, "super_admin")
    return caller(user_id, uuid7())


@pytest.fixture
async def bob(auth: "AuthFeed") -> str:
    return str(await auth.register("bob@example.com"))


@pytest.fixture
async def duties(boss: httpx.AsyncClient) -> dict[str, str]:
    """Three roles."""
    made = {name: await boss.post(ROLES, json={"name": name, "display_name": name.title()}) for name in DUTIES}
    return {name: answer.json()["id"] for name, answer in made.items()}


async def keep_apart(boss: httpx.AsyncClient, kind: str, role_ids: list[str], cardinality: int = 2) -> httpx.Response:
    body = {"name": f"r{uuid7().hex}", "kind": kind, "role_ids": role_ids, "cardinality": cardinality}
    return await boss.post(RULES, json=body)


async def given(boss: httpx.AsyncClient, user_id: str, role_id: str, **more: Any) -> tuple[int, str]:
    answer = await boss.post(ASSIGNMENTS, json={"user_id": user_id, "role_id": role_id, **more})
    return answer.status_code, answer.json().get("code", "")


ORGANIZATIONS, NAMED = "/user/v1/organizations", {"name": "O", "slug": "o"}
GIVE_IN_TEAM = """
    INSERT INTO user_roles (user_id, role_id, scope, scope_id, starts_at)
    SELECT :user_id, id, 'TEAM', :team, now() + interval '1 hour' FROM roles WHERE name = :role
"""
INHERIT = "INSERT INTO role_inheritance (child_role_id, parent_role_id) VALUES (:child, :parent)"
MOVE = "UPDATE teams SET parent_team_id = :parent WHERE id = :team"
APART = (409, "separation_of_duty")


async def test_static_duties_are_never_given_together(
    boss: httpx.AsyncClient, bob: str, duties: dict[str, str], clock: MovableClock, query: "Query"
) -> None:
    rule = await keep_apart(boss, "STATIC", [duties["payer"], duties["approver"]])
    assert (rule.status_code, [role["name"] for role in rule.json()["roles"]]) == (201, ["approver", "payer"])
    until = (clock() + timedelta(days=1)).isoformat()
    assert await given(boss, bob, duties["payer"], expires_at=until) == (201, "")
    # Not even one after the other, nor for somebody who has it by inheritance.
    assert await given(boss, bob, duties["approver"], starts_at=until) == APART
    heir = (await boss.post(ROLES, json={"name": "heir", "display_name": "Heir"})).json()["id"]
    assert (await boss.put(f"{ROLES}/{heir}/parents/{duties['approver']}")).status_code == 200
    assert await given(boss, bob, heir) == APART
    assert await given(boss, bob, duties["auditor"]) == (201, "")
    refused = await boss.post(ASSIGNMENTS, json={"user_id": bob, "role_id": duties["approver"]})
    assert all(word in refused.json()["detail"] for word in ("approver, payer", rule.json()["name"], bob))
    assert (await boss.delete(f"{RULES}/{rule.json()['id']}")).status_code == 204
    assert await given(boss, bob, duties["approver"]) == (201, "")
    told = await query("SELECT data->>'change' FROM outbox WHERE type LIKE '%separation_rule%' ORDER BY position")
    assert [row[0] for row in told] == ["CREATED", "DELETED"]


async def test_roles_of_one_name_are_two(boss: httpx.AsyncClient, bob: str, duties: dict[str, str]) -> None:
    """An organization may call a role of its own like one that is everybody's."""
    organization = (await boss.post("/user/v1/organizations", json={"name": "Acme", "slug": "acme"})).json()["id"]
    body = {"name": "payer", "display_name": "Cashier", "organization_id": organization}
    its_own = (await boss.post(ROLES, json=body)).json()["id"]
    place = {"scope": "ORG", "scope_id": organization}
    for kind in ("STATIC", "DYNAMIC"):
        rule = await keep_apart(boss, kind, [duties["payer"], its_own])
        assert await given(boss, bob, duties["payer"]) == (201, "")
        assert await given(boss, bob, its_own, **place) == APART
        assert (await boss.delete(f"{RULES}/{rule.json()['id']}")).status_code == 204
        mine = (await boss.get(ASSIGNMENTS, params={"user_id": bob, "role_id": duties["payer"]})).json()["items"]
        assert (await boss.delete(f"{ASSIGNMENTS}/{mine[0]['id']}")).status_code == 204


async def test_so_many_are_too_many(boss: httpx.AsyncClient, bob: str, duties: dict[str, str]) -> None:
    for kind in ("STATIC", "DYNAMIC"):
        assert (await keep_apart(boss, kind, list(duties.values()), 3)).status_code == 201
    assert [await given(boss, bob, duties[name]) for name in DUTIES] == [(201, ""), (201, ""), APART]


async def test_dynamic_duties_are_never_in_effect_together(
    boss: httpx.AsyncClient, bob: str, duties: dict[str, str], clock: MovableClock, query: "Query"
) -> None:
    assert (await keep_apart(boss, "DYNAMIC", [duties["payer"], duties["approver"]])).status_code == 201
    noon, evening = ((clock() + timedelta(hours=hours)).isoformat() for hours in (12, 18))
    assert await given(boss, bob, duties["payer"], expires_at=noon) == (201, "")
    assert await given(boss, bob, duties["approver"]) == APART
    assert await given(boss, bob, duties["approver"], expires_at=evening) == APART
    assert await given(boss, bob, duties["approver"], starts_at=noon, expires_at=evening) == (201, "")
    assert await given(boss, bob, duties["payer"], starts_at=evening) == (201, "")
    assert await given(boss, bob, duties["payer"], starts_at=noon) == (409, "already_given")


async def test_dynamic_duties_may_be_in_different_places(
    boss: httpx.AsyncClient, bob: str, duties: dict[str, str], query: "Query"
) -> None:
    assert (await keep_apart(boss, "DYNAMIC", [duties["payer"], duties["approver"]])).status_code == 201
    one, other, team = uuid7(), uuid7(), uuid7()
    for id_ in (one, other):
        await query(
            "INSERT INTO organizations (id, name, slug, owner_id) VALUES (:id, 'O', :slug, :owner)",
            id=id_, slug=id_.hex, owner=UUID(bob),
        )  # fmt: skip
    await query("INSERT INTO teams (id, organization_id, name, slug) VALUES (:id, :o, 'T', 't')", id=team, o=one)
    assert await given(boss, bob, duties["payer"], scope="ORG", scope_id=str(one)) == (201, "")
    assert await given(boss, bob, duties["approver"], scope="TEAM", scope_id=str(team)) == APART
    assert await given(boss, bob, duties["approver"]) == APART
    assert await given(boss, bob, duties["approver"], scope="ORG", scope_id=str(other)) == (201, "")
    # Two teams side by side; then one is moved into the other.
    await query("UPDATE user_roles SET expires_at = now() WHERE user_id = :bob AND scope <> 'GLOBAL'", bob=UUID(bob))
    beside = uuid7()
    await query("INSERT INTO teams (id, organization_id, name, slug) VALUES (:id, :o, 'U', 'u')", id=beside, o=one)
    assert await given(boss, bob, duties["payer"], scope="TEAM", scope_id=str(team)) == (201, "")
    assert await given(boss, bob, duties["approver"], scope="TEAM", scope_id=str(beside)) == (201, "")
    with pytest.raises(IntegrityError, match="separate"):
        await query("UPDATE teams SET parent_team_id = :above WHERE id = :id", above=team, id=beside)


async def test_what_would_break_a_rule_by_the_back_door_is_refused(
    boss: httpx.AsyncClient, bob: str, duties: dict[str, str]
) -> None:
    for name in ("payer", "auditor"):
        assert await given(boss, bob, duties[name]) == (201, "")
    broken = await keep_apart(boss, "STATIC", [duties["payer"], duties["auditor"]])
    assert (broken.status_code, broken.json()["code"], bob in broken.json()["detail"]) == (*APART, True)
    assert (await boss.get(RULES)).json() == []
    assert (await keep_apart(boss, "STATIC", [duties["payer"], duties["approver"]])).status_code == 201
    inherits = await boss.put(f"{ROLES}/{duties['auditor']}/parents/{duties['approver']}")
    assert (inherits.status_code, inherits.json()["code"]) == APART
    assert (await boss.get(f"{ROLES}/{duties['auditor']}")).json()["parents"] == []


async def test_bad_rules_are_refused(
    boss: httpx.AsyncClient, duties: dict[str, str], bob: str, caller: "Caller"
) -> None:
    payer = duties["payer"]
    for role_ids, cardinality in (
        ([payer], 2),
        ([payer, payer], 2),
        (list(duties.values()), 4),
        ([payer, str(uuid7())], 2),
    ):
        assert (await keep_apart(boss, "STATIC", role_ids, cardinality)).status_code == 422
    rule = {"kind": "STATIC", "role_ids": [*duties.values()]}
    named = [await boss.post(RULES, json=rule | {"name": name}) for name in ("payments", "payrnents", "payments")]
    assert [answer.status_code for answer in named] == [201, 409, 409]
    assert {answer.json().get("code") for answer in named[1:]} == {"name_taken"}
    eve = caller(UUID(bob), uuid7())
    answers = [
        await eve.get(RULES),
        await keep_apart(eve, "STATIC", [*duties.values()]),
        await eve.delete(f"{RULES}/{bob}"),
    ]
    assert {answer.json()["code"] for answer in answers} == {"permission_denied"}
    assert (await boss.delete(f"{RULES}/{bob}")).status_code == 404


GIVE = "INSERT INTO user_roles (user_id, role_id) SELECT :user_id, id FROM roles WHERE name = :role"


@pytest.mark.parametrize("kind", ["STATIC", "DYNAMIC"])
async def test_of_two_given_at_once_one_is_refused(
    boss: httpx.AsyncClient, duties: dict[str, str], auth: "AuthFeed", database: Database, query: "Query", kind: str
) -> None:
    assert (await keep_apart(boss, kind, [duties["payer"], duties["approver"]])).status_code == 201
    users = [await auth.register(f"{n}@example.com") for n in range(12)]

    async def attempt(user_id: UUID, role: str) -> bool:
        try:
            async with database.transaction() as transaction:
                await transaction.connection.execute(text(GIVE), {"user_id": user_id, "role": role})
                await asyncio.sleep(0.005)  # the other one begins before this one is committed
        except IntegrityError:
            return False
        return True

    done = await asyncio.gather(*(attempt(user, role) for user in users for role in ("payer", "approver")))
    assert [done[n] + done[n + 1] for n in range(0, len(done), 2)] == [1] * len(users)


async def test_what_is_given_while_a_role_comes_to_inherit_or_a_team_to_lie_elsewhere(
    boss: httpx.AsyncClient, duties: dict[str, str], auth: "AuthFeed", database: Database, query: "Query"
) -> None:
    """One of the two is refused, also where what they break together is still to begin."""
    both = [duties["payer"], duties["approver"]]
    assert (await keep_apart(boss, "DYNAMIC", both)).status_code == 201
    organization = f"/user/v1/organizations/{(await boss.post(ORGANIZATIONS, json=NAMED)).json()['id']}"

    async def write(statement: str, **values: Any) -> None:
        async with database.transaction() as transaction:
            await transaction.connection.execute(text(statement), values)
            await asyncio.sleep(0.005)

    for number in range(5):
        user_id, name = await auth.register(f"{number}@example.com"), f"heir{number}"
        heir = (await boss.post(ROLES, json={"name": name, "display_name": name})).json()["id"]
        outer, inner = [
            (await boss.post(f"{organization}/teams", json={"name": slug, "slug": slug})).json()["id"]
            for slug in (f"outer{number}", f"inner{number}")
        ]
        await write(GIVE_IN_TEAM, user_id=user_id, role=name, team=outer)
        await write(GIVE_IN_TEAM, user_id=user_id, role="payer", team=inner)
        ended = await asyncio.gather(
            write(MOVE, team=inner, parent=outer),
            write(INHERIT, child=heir, parent=duties["approver"]),
            return_exceptions=True,
        )
        assert sum(isinstance(each, IntegrityError) for each in ended) == 1, ended
        await query("DELETE FROM user_roles WHERE user_id = :id", id=user_id)
        ended = await asyncio.gather(
            write(GIVE_IN_TEAM, user_id=user_id, role="approver", team=outer),
            write(GIVE_IN_TEAM, user_id=user_id, role="payer", team=outer),
            return_exceptions=True,
        )
        assert sum(isinstance(each, IntegrityError) for each in ended) == 1, ended


async def test_a_rule_that_is_made_while_somebody_breaks_it(
    boss: httpx.AsyncClient, duties: dict[str, str], auth: "AuthFeed", database: Database, query: "Query"
) -> None:
    ids = [UUID(duties["payer"]), UUID(duties["approver"])]

    async def make(number: int) -> None:
        async with database.transaction() as transaction:
            made = "INSERT INTO separation_rules (name, kind) VALUES (:name, 'STATIC') RETURNING id"
            rule = (await transaction.connection.execute(text(made), {"name": f"r{number}"})).scalar_one()
            role = "INSERT INTO separation_roles (rule_id, role_id) SELECT :rule, unnest(CAST(:ids AS uuid[]))"
            await transaction.connection.execute(text(role), {"rule": rule, "ids": ids})

    async def take(user_id: UUID) -> None:
        async with database.transaction() as transaction:
            for role in ("payer", "approver"):
                await transaction.connection.execute(text(GIVE), {"user_id": user_id, "role": role})

    for number in range(6):
        user_id = await auth.register(f"{number}@example.com")
        ended = await asyncio.gather(make(number), take(user_id), return_exceptions=True)
        assert sum(isinstance(each, IntegrityError) for each in ended) == 1, ended
        await query("DELETE FROM user_roles WHERE user_id = :id", id=user_id)
        await query("DELETE FROM separation_rules")


async def test_an_old_snapshot_is_no_way_round(
    boss: httpx.AsyncClient, duties: dict[str, str], bob: str, database: Database
) -> None:
    assert (await keep_apart(boss, "STATIC", [duties["payer"], duties["approver"]])).status_code == 201

    async def give() -> None:
        async with database.transaction() as transaction:
            await transaction.connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            await transaction.connection.execute(text(GIVE), {"user_id": UUID(bob), "role": "payer"})

    with pytest.raises(DBAPIError, match="REPEATABLE READ"):
        await give()

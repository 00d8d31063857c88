"""On what casbin and Cedar can express they decide as we do: hierarchies of roles, places, ALLOW and DENY."""

import json
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import casbin
import cedarpy
import pytest

from orion_core.conditions.condition import Facts
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.rights.decisions import decide
from orion_user.access import actions as access
from orion_user.access.rules import Asked

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query
    from packages.user.tests.decisions.conftest import Giver

cedar: Any = cedarpy
"""Its types are not complete."""
ANYWHERE = "anywhere"
PERMISSIONS = [f"content:{action}" for action in ("create", "read", "update", "delete")]
MODEL = """
[request_definition]
r = sub, act
[policy_definition]
p = sub, act, eft
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub) && r.act == p.act
"""

Edge = tuple[str, str]
Policy = tuple[str, str, str]


@dataclass(frozen=True)
class World:
    """The same grants in our tables and as edges and policies; a user in a place is a node below the user anywhere."""

    users: list[UUID]
    places: list[UUID]
    edges: list[Edge]
    policies: list[Policy]


def node(user: UUID, place: UUID | None) -> str:
    return f"{user}@{place or ANYWHERE}"


@pytest.fixture(params=range(3))
async def world(request: pytest.FixtureRequest, auth: "AuthFeed", giver: "Giver", query: "Query") -> World:
    chance, now = Random(request.param), auth.clock()
    users = [await auth.register(f"{number}@example.com") for number in range(5)]
    await query("DELETE FROM user_roles")
    places = [await giver.organization(users[0]) for _ in range(2)]
    edges: list[Edge] = [(node(user, place), node(user, None)) for user in users for place in places]
    policies: list[Policy] = []
    roles = [f"r{number}" for number in range(8)]
    for number, role in enumerate(roles):
        await query("INSERT INTO roles (id, name, display_name) VALUES (:id, :name, 'R')", id=uuid7(), name=role)
        for parent in chance.sample(roles[:number], min(number, chance.randrange(3))):
            edges.append((role, parent))
            await query(
                "INSERT INTO role_inheritance (child_role_id, parent_role_id)"
                " SELECT child.id, parent.id FROM roles AS child, roles AS parent"
                " WHERE child.name = :child AND parent.name = :parent",
                child=role,
                parent=parent,
            )
        for permission in chance.sample(PERMISSIONS, chance.randrange(3)):
            effect = chance.choice(["ALLOW", "ALLOW", "ALLOW", "DENY"])
            policies.append((role, permission, effect.lower()))
            await query(
                "INSERT INTO role_permissions (role_id, permission_id, effect)"
                " SELECT role.id, permission.id, CAST(:effect AS permission_effect)"
                " FROM roles AS role, permissions AS permission"
                " WHERE role.name = :role AND permission.name = :permission",
                role=role,
                permission=permission,
                effect=effect,
            )
    for user in users:
        grants = {(chance.choice(roles), chance.choice([None, *places])) for _ in range(chance.randrange(4))}
        for role, place in sorted(grants, key=str):
            edges.append((node(user, place), role))
            await giver.role(user, role, now, scope="ORG" if place else "GLOBAL", scope_id=place)
        for permission in chance.sample(PERMISSIONS, chance.randrange(2)):
            place, effect = chance.choice([None, *places]), chance.choice(["ALLOW", "DENY"])
            policies.append((node(user, place), permission, effect.lower()))
            scope = "ORG" if place else "GLOBAL"
            await giver.permission(user, permission, now, effect=effect, scope=scope, scope_id=place)
    return World(users, places, edges, policies)


async def ours(database: Database, world: World, auth: "AuthFeed") -> dict[tuple[str, str], bool]:
    now, found = auth.clock(), dict[tuple[str, str], bool]()
    for user, place, permission in product(world.users, (None, *world.places), PERMISSIONS):
        asked = Asked(user, permission, now, frozenset([place] if place else []))
        sayings = await access.sayings(database, asked)
        found[node(user, place), permission] = decide(sayings, Facts(now, {}, {}, {}, {})).allowed
    return found


async def test_casbin_decides_as_we_do(database: Database, world: World, auth: "AuthFeed") -> None:
    model: Any = casbin.Model()
    model.load_model_from_text(MODEL)
    enforcer: Any = casbin.Enforcer(model)
    enforcer.add_policies([list(policy) for policy in world.policies])
    enforcer.add_grouping_policies([list(edge) for edge in world.edges])
    decisions = await ours(database, world, auth)
    assert {question: enforcer.enforce(*question) for question in decisions} == decisions
    assert len(set(decisions.values())) == 2


def named(name: str) -> dict[str, str]:
    return {"type": "Node", "id": name}


async def test_cedar_decides_as_we_do(database: Database, world: World, auth: "AuthFeed") -> None:
    above: dict[str, list[str]] = {}
    for below, parent in world.edges:
        above.setdefault(below, []).append(parent)
        above.setdefault(parent, [])
    for holder, _, _ in world.policies:
        above.setdefault(holder, [])
    entities = [
        {
            "uid": {"type": "Node", "id": name},
            "attrs": {},
            "parents": [{"type": "Node", "id": each} for each in parents],
        }
        for name, parents in above.items()
    ]
    words = {"allow": "permit", "deny": "forbid"}
    policies = "\n".join(
        f'{words[effect]}(principal in Node::"{holder}", action == Action::"{permission}", resource);'
        for holder, permission, effect in world.policies
    )

    def allows(who: str, permission: str) -> bool:
        request = {
            "principal": named(who),
            "action": {"type": "Action", "id": permission},
            "resource": {"type": "Thing", "id": "1"},
            "context": {},
        }
        return cedar.is_authorized(request, policies, json.dumps(entities)).allowed

    decisions = await ours(database, world, auth)
    assert {question: allows(*question) for question in decisions} == decisions

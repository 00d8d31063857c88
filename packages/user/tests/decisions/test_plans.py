"""What a change would give or take, to whom; and that nothing of it stays."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from orion_contracts.claims import AccessClaims
from orion_core.database import Database
from orion_core.errors import Problem
from orion_core.ids import uuid7
from orion_user.plans import actions
from orion_user.plans.shapes import PlanRequest, PlanShape

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query
    from packages.user.tests.decisions.conftest import Giver


class Planner:
    """Plans as one user."""

    def __init__(self, database: Database, user_id: UUID, auth: "AuthFeed") -> None:
        self.database = database
        self.user_id = user_id
        self.auth = auth

    async def plan(self, *changes: dict[str, Any], after: UUID | None = None) -> PlanShape:
        values = {
            "iss": "a",
            "aud": "orion",
            "client_id": "orion",
            "exp": 2,
            "iat": 1,
            "jti": "j",
            "sid": "s",
            "auth_time": 2**31,
        }
        claims = AccessClaims.model_validate({**values, "sub": str(self.user_id)})
        asked = PlanRequest.model_validate({"changes": changes, "after": after}).model_dump_json()
        return await actions.plan(self.database, claims, PlanRequest.model_validate_json(asked), self.auth.clock())


@pytest.fixture
async def planner(database: Database, auth: "AuthFeed", giver: "Giver") -> Planner:
    user_id = await auth.register("boss@example.com")
    await giver.role(user_id, "super_admin", auth.clock())
    return Planner(database, user_id, auth)


@pytest.fixture
async def writer(query: "Query") -> UUID:
    """A CUSTOM role that says `content:update` and inherits from `user`; `chief` inherits from it."""
    await query("INSERT INTO roles (name, display_name) VALUES ('writer', 'Writer'), ('chief', 'Chief')")
    for name, permission in (("writer", "content:update"), ("chief", "user:suspend")):
        await query(
            "INSERT INTO role_permissions (role_id, permission_id)"
            " SELECT roles.id, permissions.id FROM roles, permissions"
            " WHERE roles.name = :name AND permissions.name = :permission",
            name=name,
            permission=permission,
        )
    for child, parent in (("writer", "user"), ("chief", "writer")):
        await query(
            "INSERT INTO role_inheritance (child_role_id, parent_role_id)"
            " SELECT child.id, parent.id FROM roles AS child, roles AS parent"
            " WHERE child.name = :child AND parent.name = :parent",
            child=child,
            parent=parent,
        )
    return await role_id(query, "writer")


async def role_id(query: "Query", name: str) -> UUID:
    return (await query("SELECT id FROM roles WHERE name = :name", name=name))[0][0]


def names(found: list[Any]) -> set[str]:
    return {each.name for each in found}


async def everything(query: "Query") -> list[Any]:
    tables = ("user_roles", "user_permissions", "role_permissions", "role_inheritance", "role_ancestors", "roles")
    return [sorted(map(str, await query(f"SELECT * FROM {table}"))) for table in tables]


async def test_a_role_that_would_be_given(auth: "AuthFeed", planner: Planner, query: "Query") -> None:
    ada = await auth.register()
    before = await everything(query)
    change = {"kind": "role_granted", "user_id": ada, "role_id": await role_id(query, "editor")}
    found = await planner.plan(change)
    (of_ada,) = found.users
    assert of_ada.user_id == ada
    assert names(of_ada.given) == {f"content:{action}" for action in ("create", "update", "delete", "publish")}
    assert of_ada.taken == []
    assert await everything(query) == before, "nothing was changed"


async def test_a_role_that_would_say_less_takes_from_all_who_have_it(
    auth: "AuthFeed", giver: "Giver", planner: Planner, query: "Query", writer: UUID
) -> None:
    ada, grace = await auth.register("a@example.com"), await auth.register("g@example.com")
    await giver.role(ada, "writer", auth.clock())
    await giver.role(grace, "chief", auth.clock())
    await giver.permission(grace, "content:update", auth.clock())
    before = await everything(query)
    found = await planner.plan(
        {"kind": "role_says", "role_id": writer, "permission": "content:update", "effect": None},
        {"kind": "role_says", "role_id": writer, "permission": "user:suspend", "effect": "ALLOW"},
    )
    (of_ada,) = found.users
    assert of_ada.user_id == ada, "grace has both from elsewhere"
    assert names(of_ada.taken) == {"content:update"}
    assert names(of_ada.given) == {"user:suspend"}
    assert (found.looked_at, found.there_are_more) == (2, False)
    assert await everything(query) == before


async def test_of_many_all_are_told_by_pages(
    auth: "AuthFeed", giver: "Giver", planner: Planner, query: "Query", writer: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "MOST_USERS", 2)
    users = [await auth.register(f"user{number}@example.com") for number in range(5)]
    for user_id in users[:-1]:
        await giver.role(user_id, "writer", auth.clock())
    changes = [
        {"kind": "role_says", "role_id": writer, "permission": "content:update", "effect": None},
        {"kind": "role_granted", "user_id": users[-1], "role_id": await role_id(query, "editor")},
    ]
    told, after = list[UUID](), None
    for looked_at, there_are_more in ((2, True), (2, True), (1, False)):
        found = await planner.plan(*changes, after=after)
        assert (found.looked_at, found.there_are_more, found.next is None) == (
            looked_at, there_are_more, not there_are_more
        )  # fmt: skip
        told += [each.user_id for each in found.users]
        after = found.next
    assert told == sorted(users)


@pytest.mark.parametrize("kind", ["denied", "ended", "inactive", "disinherited"])
async def test_every_way_of_taking(
    auth: "AuthFeed", giver: "Giver", planner: Planner, query: "Query", writer: UUID, kind: str
) -> None:
    ada = await auth.register()
    await giver.role(ada, "writer", auth.clock())
    ((grant_id,),) = await query("SELECT id FROM user_roles WHERE user_id = :id AND reason IS NULL", id=ada)
    user = await role_id(query, "user")
    change: dict[str, Any] = {
        "denied": {"kind": "permission_granted", "user_id": ada, "permission": "content:update", "effect": "DENY"},
        "ended": {"kind": "grant_ended", "grant_id": grant_id},
        "inactive": {"kind": "role_active", "role_id": writer, "is_active": False},
        "disinherited": {"kind": "role_inherits", "role_id": writer, "parent_role_id": user, "inherits": False},
    }[kind]
    before = await everything(query)
    found = {each.user_id: each for each in (await planner.plan(change)).users}
    if kind == "disinherited":
        assert ada not in found, "what is lost through writer is held through user"
    else:
        assert "content:update" in names(found[ada].taken)
    assert await everything(query) == before


async def test_what_could_not_be_done_is_refused(
    auth: "AuthFeed", planner: Planner, query: "Query", database: Database, writer: UUID
) -> None:
    ada = await auth.register()
    editor, user, chief = [await role_id(query, name) for name in ("editor", "user", "chief")]
    before = await everything(query)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"kind": "role_inherits", "role_id": writer, "parent_role_id": chief}, "change_refused"),
        ({"kind": "role_inherits", "role_id": user, "parent_role_id": writer}, "system_role"),
        ({"kind": "role_inherits", "role_id": editor, "parent_role_id": user, "inherits": False}, "system_role"),
        ({"kind": "role_says", "role_id": editor, "permission": "content:read", "effect": None}, "system_role"),
        ({"kind": "role_active", "role_id": editor, "is_active": False}, "system_role"),
        ({"kind": "role_says", "role_id": uuid7(), "permission": "content:read", "effect": "DENY"}, "not_found"),
        ({"kind": "role_granted", "user_id": ada, "role_id": user}, "change_refused"),
        ({"kind": "role_granted", "user_id": ada, "role_id": editor, "scope": "ORG"}, "change_refused"),
        ({"kind": "role_granted", "user_id": uuid7(), "role_id": editor}, "change_refused"),
        (
            {"kind": "role_granted", "user_id": ada, "role_id": editor, "expires_at": "2020-01-01T00:00:00Z"},
            "change_refused",
        ),
        ({"kind": "role_granted", "user_id": ada, "role_id": editor, "condition": "nobody.x"}, "invalid_fields"),
        ({"kind": "grant_ended", "grant_id": uuid7()}, "not_found"),
        ({"kind": "permission_granted", "user_id": ada, "permission": "no:such"}, "not_found"),
    ]
    for change, code in refused:
        with pytest.raises(Problem) as problem:
            await planner.plan(change)
        assert problem.value.code == code
        words = ("ck_", "ex_user", "Key (", "Failing row")
        assert not any(word in problem.value.detail for word in words), "a reason, and nothing of the database's"
    mere = Planner(database, ada, auth)
    with pytest.raises(Problem) as problem:
        await mere.plan({"kind": "role_granted", "user_id": ada, "role_id": editor})
    assert problem.value.code == "permission_denied"
    assert await everything(query) == before

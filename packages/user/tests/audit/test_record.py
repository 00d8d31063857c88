"""An entry is written with its change, says what changed, and proves it."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.database import Database
from orion_core.http.context import RequestContext
from orion_core.ids import uuid7, uuid7_time
from orion_core.testing import MovableClock
from orion_user.audit import rules
from orion_user.audit.actions import SYSTEM, Actor, Change, erase, record

if TYPE_CHECKING:
    from packages.user.tests.conftest import Query

ADA = "01a21954-2f2a-7692-a25d-2faa9da0bbcb"
ADDRESS = ip_address("2001:db8::1")


def request() -> Request:
    context = RequestContext("request-1", ADDRESS, "Browser\ud800", "POST")
    return cast("Request", SimpleNamespace(scope={"orion.context": context}))


def claims(subject: str, session: str | None) -> AccessClaims:
    values = {"iss": "a", "aud": "b", "sub": subject, "client_id": "c", "sid": session, "exp": 1, "iat": 1, "jti": "j"}
    return AccessClaims.model_validate(values)


async def rows(query: "Query") -> list[dict[str, Any]]:
    names = [
        name
        for (name,) in await query(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'audit_logs'::regclass AND attnum > 0 ORDER BY attnum"
        )
    ]
    return [dict(zip(names, row, strict=True)) for row in await query("SELECT * FROM audit_logs ORDER BY id")]


async def test_an_entry_says_who_did_what_to_whom(database: Database, query: "Query", clock: MovableClock) -> None:
    user_id, session_id, role = uuid7(), uuid7(), uuid7()
    actor = Actor.of(claims(str(user_id), str(session_id)), request())
    change = Change("role.update", "role", str(role), old={"name": "a", "kind": "b"}, new={"name": "c", "kind": "b"})
    async with database.transaction() as transaction:
        await record(transaction, actor, change, clock())
    (row,) = await rows(query)
    assert (row["actor_type"], row["actor_id"], row["session_id"]) == ("USER", user_id, session_id)
    assert (row["action"], row["resource_type"], row["resource_id"]) == ("role.update", "role", str(role))
    assert (row["old_values"], row["new_values"], row["changed_fields"]) == ({"name": "a"}, {"name": "c"}, ["name"])
    assert (row["request_id"], str(row["ip_address"]), row["user_agent"]) == ("request-1", "2001:db8::1", "Browser?")
    assert row["duration_ms"] >= 0
    assert row["timestamp"] == row["created_at"] == row["updated_at"] == clock()
    assert abs(uuid7_time(row["id"]) - clock()) < timedelta(milliseconds=1)


async def test_the_leaf_can_be_made_again_from_the_row(database: Database, query: "Query", clock: MovableClock) -> None:
    values: dict[str, Any] = {"text": 'ä\0"\\ \u2028😀', "number": 1.5e300, "list": [1, {"b": 1, "a": None}], "é": True}
    async with database.transaction() as transaction:
        await record(transaction, SYSTEM, Change("a.b", "x", "y\0z", new=values, error="no\0"), clock())
    (row,) = await rows(query)
    assert rules.commitment(row["salt"], row) == row["commitment"]
    assert rules.leaf_hash(row["transaction_id"], rules.leaf_body(row, row["commitment"])) == row["leaf_hash"]


@pytest.mark.parametrize(
    ("subject", "session", "kind"),
    [(ADA, ADA, "USER"), ("operator", None, "SERVICE")],
)
async def test_actors(
    database: Database, query: "Query", clock: MovableClock, subject: str, session: str | None, kind: str
) -> None:
    async with database.transaction() as transaction:
        await record(transaction, Actor.of(claims(subject, session), request()), Change("a.b", "x", None), clock())
    (row,) = await rows(query)
    assert (row["actor_type"], row["actor_name"] or str(row["actor_id"])) == (kind, subject)
    assert row["actor_id"] == (rules.id_of(subject) if kind == "SERVICE" else UUID(subject))


@pytest.mark.parametrize(("subject", "on_behalf_of"), [(ADA, UUID(ADA)), ("service:billing", None)])
def test_a_key_acts_for_its_owner(subject: str, on_behalf_of: UUID | None) -> None:
    key = str(uuid7())
    actor = Actor.of(claims(subject, key).model_copy(update={"client_id": "orn_live_Abc123Abc123"}), request())
    assert (actor.type, str(actor.id), actor.name) == (rules.ActorType.API_KEY, key, "orn_live_Abc123Abc123")
    assert (actor.on_behalf_of, actor.session_id) == (on_behalf_of, None)


async def test_what_is_rolled_back_leaves_no_entry(database: Database, query: "Query", clock: MovableClock) -> None:
    async def fail() -> None:
        async with database.transaction() as transaction:
            await record(transaction, SYSTEM, Change("a.b", "x", None), clock())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await rows(query) == []


async def test_a_person_is_erased_and_nobody_else(database: Database, query: "Query", clock: MovableClock) -> None:
    ada, bob = uuid7(), uuid7()
    async with database.transaction() as transaction:
        for actor, user_id, resource in ((ada, None, "r"), (bob, ada, "r"), (bob, bob, "r"), (bob, None, str(ada))):
            change = Change("a.b", "user", resource, user_id=user_id, new={"name": "x"})
            await record(transaction, Actor(rules.ActorType.USER, actor), change, clock())
        service = replace(Actor.service("s"), on_behalf_of=ada)
        await record(transaction, service, Change("a.b", "x", None, new={"name": "x"}), clock())
    before = await rows(query)
    clock.advance(seconds=1)
    async with database.transaction() as transaction:
        assert await erase(transaction, ada, clock()) == 4
        assert await erase(transaction, ada, clock()) == 1  # the entry about the erasure has a salt, too
    after = await rows(query)
    assert [row["new_values"] is None for row in after[:5]] == [True, True, False, True, True]
    assert [row["erased_at"] for row in after[:5]] == [clock(), clock(), None, clock(), clock()]
    assert [row["leaf_hash"] for row in after[:5]] == [row["leaf_hash"] for row in before]
    assert [row["action"] for row in after[5:]] == ["audit.erase", "audit.erase"]

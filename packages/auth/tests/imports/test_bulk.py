"""Many users brought over at once, for the user service: one statement, one event, the same answer when sent again."""

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

from orion_auth.erasures import actions
from orion_contracts.imports import IdentitiesImported
from orion_contracts.user_events import ErasureRequested
from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

IMPORT_ID = uuid7()


def wanted(email: str, **more: Any) -> dict[str, Any]:
    blank = {"username": None, "name": None, "locale": "de", "timezone": "UTC", "email_verified": True}
    return {"id": str(uuid7()), "email": email, **blank, **more}


async def send(auth: "Auth", *identities: dict[str, Any]) -> list[dict[str, Any]]:
    form = {"grant_type": "client_credentials", "scope": "identities:import"}
    granted = await auth.http.post("/auth/oauth2/token", data=form, auth=("user", auth.service_key))
    headers = auth.as_bearer(granted.json()["access_token"])
    body = {"import_id": str(IMPORT_ID), "identities": list(identities)}
    answer = await auth.http.post("/auth/v1/identity-imports", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_becomes_of_each(auth: "Auth") -> None:
    eve = await auth.verified("eve@example.com", username="eve")
    await auth.register("pending@example.com", username="loose")
    ada, twin = wanted("Ada@Example.com", username="ada", name="Ada"), wanted("ada@example.com")
    sent = [
        ada,
        twin,
        wanted("eve@example.com"),
        wanted("x@example.com", username="eve"),
        wanted("no address"),
        wanted("new@example.com", username="loose", email_verified=False),
        wanted("pending@example.com"),
        wanted("pending@example.com", email_verified=False),
    ]
    answers = [await send(auth, *sent) for _ in range(2)]
    assert answers[0] == answers[1], "sent again, it answers the same"
    outcomes = ["CREATED", "EXISTS", "EXISTS", "REFUSED", "REFUSED", "CREATED", "REFUSED", "EXISTS"]
    assert [each["outcome"] for each in answers[0]] == outcomes
    assert "somebody has registered it here and never verified it" in answers[0][6]["reason"]
    assert [each["user_id"] for each in answers[0][:3]] == [ada["id"], ada["id"], str(eve)]
    assert answers[0][0]["email"] == "ada@example.com"
    rows = await auth.rows(
        "SELECT email, username, status::text FROM identities WHERE email ~ '^(ada|new)' ORDER BY email"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("ada@example.com", "ada", "ACTIVE"),
        ("new@example.com", "loose", "PENDING"),
    ]
    events = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=IdentitiesImported.type)
    [told] = [IdentitiesImported.read(row["data"]) for row in events]
    assert [(each.email, each.name, each.is_verified) for each in told.identities] == [
        ("ada@example.com", "Ada", True),
        ("new@example.com", None, False),
    ]
    assert await auth.rows(
        "SELECT details->>'accounts' AS n FROM security_events WHERE event_type = 'accounts.imported'"
    ) == [{"n": "2"}]


async def test_sent_twice_at_once_everybody_is_there_once(auth: "Auth", another_auth: "Auth") -> None:
    sent = [wanted(f"user{number}@example.com") for number in range(300)]
    answers = await asyncio.gather(send(auth, *sent), send(another_auth, *reversed(sent)))
    assert {each["outcome"] for answer in answers for each in answer} == {"CREATED"}
    assert await auth.rows("SELECT count(*) FROM identities") == [{"count": 300}]


async def test_only_who_was_given_the_scope_may(auth: "Auth") -> None:
    form = {"grant_type": "client_credentials", "scope": "events:read"}
    granted = await auth.http.post("/auth/oauth2/token", data=form, auth=("user", auth.service_key))
    for token in (await auth.operator_token(), granted.json()["access_token"]):
        body = {"import_id": str(IMPORT_ID), "identities": [wanted("a@example.com")]}
        answer = await auth.http.post("/auth/v1/identity-imports", json=body, headers=auth.as_bearer(token))
        assert answer.status_code == 403


@pytest.mark.parametrize("count", [0, 1001])
async def test_too_few_and_too_many(auth: "Auth", count: int) -> None:
    form = {"grant_type": "client_credentials", "scope": "identities:import"}
    granted = await auth.http.post("/auth/oauth2/token", data=form, auth=("user", auth.service_key))
    body = {"import_id": str(IMPORT_ID), "identities": [wanted("a@example.com")] * count}
    headers = auth.as_bearer(granted.json()["access_token"])
    answer: httpx.Response = await auth.http.post("/auth/v1/identity-imports", json=body, headers=headers)
    assert answer.status_code in (413, 422)


async def test_whoever_is_forgotten_leaves_the_event_of_the_import_too(auth: "Auth") -> None:
    ada, eve = wanted("ada@example.com"), wanted("eve@example.com")
    await send(auth, ada, eve)
    wired = auth.application.state.components
    event = ErasureRequested(user_id=UUID(ada["id"]), erasure_id=uuid7(), requested_at=auth.clock())
    async with wired.database.transaction() as transaction:
        await actions.erase(transaction, wired.outbox, event, auth.clock())
    [row] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=IdentitiesImported.type)
    assert [each["email"] for each in row["data"]["identities"]] == ["eve@example.com"]

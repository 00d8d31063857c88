"""Who gets past the guard."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from orion_contracts.claims import AccessClaims
from orion_core.database import Database
from orion_core.http.step_up import MULTI_FACTOR
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_user.access.guard import PermissionDeniedError, require
from orion_user.access.rules import EVERYWHERE, Place
from orion_user.permissions.rules import PermissionScope

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed
    from packages.user.tests.decisions.conftest import Bearer, Giver


def token(subject: object, scope: str = "", **more: Any) -> AccessClaims:
    values = {"iss": "a", "aud": "orion", "sub": str(subject), "client_id": "orion", "exp": 2, "iat": 1, "jti": "j"}
    return AccessClaims.model_validate(values | {"sid": str(uuid7()), "scope": scope, "auth_time": 2**31} | more)


class Gate:
    """The guard over one database, at one moment."""

    def __init__(self, database: Database, clock: MovableClock) -> None:
        self.database = database
        self.clock = clock

    async def passes(self, claims: AccessClaims, permission: str, place: Place = EVERYWHERE) -> bool:
        try:
            async with self.database.autocommit() as connection:
                await require(connection, claims, permission, self.clock(), place)
        except PermissionDeniedError:
            return False
        return True


@pytest.fixture
def gate(database: Database, clock: MovableClock) -> Gate:
    return Gate(database, clock)


async def test_a_user_passes_by_what_their_roles_allow(auth: "AuthFeed", gate: Gate, giver: "Giver") -> None:
    user_id = await auth.register()
    assert await gate.passes(token(user_id), "user:read")
    assert not await gate.passes(token(user_id), "user:update")
    await giver.role(user_id, "moderator", auth.clock())
    assert await gate.passes(token(user_id), "user:update")
    await giver.permission(user_id, "user:update", auth.clock(), effect="DENY")
    assert not await gate.passes(token(user_id), "user:update")


async def test_a_grant_passes_from_its_start_until_its_end(auth: "AuthFeed", gate: Gate, giver: "Giver") -> None:
    user_id, now = await auth.register(), auth.clock()
    await giver.role(user_id, "admin", now + timedelta(hours=1), expires_at=now + timedelta(hours=2))
    for hours, passes in ((0, False), (1, True), (1, False)):
        gate.clock.advance(hours=hours)
        assert await gate.passes(token(user_id), "role:assign") is passes


async def test_a_grant_in_an_organization_passes_there_only(auth: "AuthFeed", gate: Gate, giver: "Giver") -> None:
    user_id = await auth.register()
    mine, other = await giver.organization(user_id), await giver.organization(user_id)
    await giver.role(user_id, "admin", auth.clock(), scope="ORG", scope_id=mine)
    assert await gate.passes(token(user_id), "role:assign", organization_place(mine))
    assert not await gate.passes(token(user_id), "role:assign", organization_place(other))
    assert not await gate.passes(token(user_id), "role:assign")


def organization_place(id_: UUID) -> Place:
    return Place(PermissionScope.ORG, id_, frozenset({id_}))


async def test_a_token_with_permissions_in_its_scope_carries_no_others(auth: "AuthFeed", gate: Gate) -> None:
    user_id = await auth.register()
    assert await gate.passes(token(user_id, "user:read"), "user:read")
    assert not await gate.passes(token(user_id, "user:read"), "role:read")
    assert not await gate.passes(token(user_id, "user:update"), "user:update")
    assert not await gate.passes(token(user_id, "", sid=None), "user:read")


async def test_the_operator_passes_and_services_do_not(gate: Gate) -> None:
    assert await gate.passes(token("operator", "auth:admin", sid=None, client_id="operator"), "system:configure")
    assert not await gate.passes(token("operator", "", sid=None, client_id="operator"), "system:configure")
    assert not await gate.passes(token("operator", "auth:admin", client_id="operator"), "system:configure")
    assert not await gate.passes(token("auth", "events:read", sid=None, client_id="auth"), "user:read")


async def test_a_refusal_names_permission_place_and_who_has_it(auth: "AuthFeed", gate: Gate) -> None:
    claims = token(await auth.register())
    async with gate.database.autocommit() as connection:
        with pytest.raises(PermissionDeniedError) as refused:
            await require(connection, claims, "role:assign", gate.clock())
    assert refused.value.status == 403
    assert refused.value.code == "permission_denied"
    assert "role:assign everywhere" in refused.value.detail
    assert "admin, super_admin" in refused.value.detail


async def test_a_grant_with_a_condition_on_the_network_opens_routes_from_there_alone(
    auth: "AuthFeed", application: FastAPI, giver: "Giver", bearer: "Bearer"
) -> None:
    ada, eve = await auth.register(), await auth.register("eve@example.com")
    near = f'in_network(network.address, "10.0.0.0/8") && subject.id == "{ada}"'
    await giver.role(ada, "admin", auth.clock(), condition=near)
    await giver.role(eve, "admin", auth.clock())
    await giver.permission(eve, "system:audit", auth.clock())
    await giver.permission(eve, "system:audit", auth.clock(), effect="DENY", condition=near.partition(" &&")[0])

    async def asked_from(address: str, user_id: UUID, path: str) -> int:
        transport = httpx.ASGITransport(application, client=(address, 1))
        # What the client says itself of where it comes from is not believed.
        headers = bearer(user_id) | {"X-Forwarded-For": "10.1.2.3"}
        async with httpx.AsyncClient(transport=transport, base_url="http://user", headers=headers) as http:
            return (await http.get(f"/user/v1/{path}")).status_code

    addresses = ("10.1.2.3", "192.0.2.1", "10.1.2.3")
    assert [await asked_from(address, ada, f"users/{eve}/sessions") for address in addresses] == [200, 403, 200]
    assert [await asked_from(address, eve, "audit-logs") for address in addresses] == [403, 200, 403]


async def test_a_role_can_ask_for_a_second_factor_in_the_session_that_uses_it(
    auth: "AuthFeed", application: FastAPI, giver: "Giver", bearer: "Bearer"
) -> None:
    ada, eve = await auth.register(), await auth.register("eve@example.com")
    await giver.role(ada, "admin", auth.clock(), condition='"mfa" in subject.amr && subject.proof_age < 300')
    transport = httpx.ASGITransport(application, client=("192.0.2.1", 1))

    async def asked_with(whose: UUID = ada, **claims: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://user") as http:
            return await http.get(f"/user/v1/users/{ada}/sessions", headers=bearer(whose, **claims))

    lately, long_ago = (int(auth.clock().timestamp()) - seconds for seconds in (10, 1000))
    refused = await asked_with(amr=["pwd"], auth_time=long_ago)
    assert (refused.status_code, refused.json()["code"]) == (401, "second_factor_needed")
    assert f'acr_values="{MULTI_FACTOR}"' in refused.headers["WWW-Authenticate"]
    assert (await asked_with(amr=["pwd", "otp", "mfa"], auth_time=lately)).status_code == 200
    assert (await asked_with(amr=["pwd", "otp", "mfa"], auth_time=long_ago)).status_code == 403
    assert (await asked_with()).status_code == 403, "a token that tells of no proof, as a program's"
    assert (await asked_with(eve, amr=["pwd"])).status_code == 403, "who would not have it by a second factor either"

"""Administrators' routes: what user says counts, a token can only take away from it, and denials are written down."""

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI

from orion_contracts.audit import NotificationsAuditRecorded
from orion_contracts.claims import AccessClaims
from orion_core.database import Database
from orion_core.denied_attempts import DeniedAttempts
from orion_core.errors import Problem
from orion_core.ids import uuid7
from orion_core.rights.client import RightsClient
from orion_core.rights.decider import Decider
from orion_core.rights.guard import Guard
from orion_core.testing import MovableClock, UserRights

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Callers, Query

ADA = uuid7()


def claims(sub: str = str(ADA), client_id: str = "web", sid: str | None = "s", scope: str = "") -> AccessClaims:
    who = {"sub": sub, "client_id": client_id, "sid": sid, "scope": scope, "auth_time": 2**31 if sid else None}
    return AccessClaims.model_validate({"iss": "i", "aud": "orion", "exp": 2, "iat": 1, "jti": "j"} | who)


class Tokens:
    """The service's own tokens, as far as a test sees them."""

    async def headers(self, method: str, url: str) -> dict[str, str]:
        return {"Authorization": "Bearer t"}

    def forget(self) -> None:
        pass


@pytest.fixture
def user_service() -> UserRights:
    return UserRights()


@pytest.fixture
def guard(database: Database, user_service: UserRights, clock: MovableClock) -> Guard:
    denied = DeniedAttempts(database, NotificationsAuditRecorded, clock)
    return Guard(Decider(RightsClient(user_service.client(), "http://user", Tokens()).refresh), denied, clock)


async def test_what_user_has_granted_counts_from_the_next_request_on(guard: Guard, user_service: UserRights) -> None:
    with pytest.raises(Problem) as refused:
        await guard.require(claims(), "notification:send")
    assert (refused.value.status, refused.value.code) == (403, "permission_denied")
    user_service.granted[ADA]["notification:send"] = False
    await guard.require(claims(), "notification:send")
    user_service.granted[ADA]["notification:send"] = True
    with pytest.raises(Problem, match="notification:send"):
        await guard.require(claims(), "notification:send")


async def test_a_grant_with_a_condition_on_the_network_opens_routes_from_there_alone(
    application: FastAPI, guard: Guard, user_service: UserRights
) -> None:
    user_service.granted[ADA]["notification:read"] = False
    user_service.conditions = ('in_network(network.address, "10.0.0.0/8") && subject.id == "' + str(ADA) + '"',)
    application.state.components = replace(application.state.components, require=guard.require)

    async def asked_from(address: str) -> int:
        transport = httpx.ASGITransport(application, client=(address, 1))
        # What the client says itself of where it comes from is not believed.
        headers = {"Authorization": f"Bearer {ADA}", "X-Forwarded-For": "10.1.2.3"}
        async with httpx.AsyncClient(transport=transport, base_url="http://n", headers=headers) as http:
            return (await http.get("/notifications/v1/notifications")).status_code

    # Ada's rights are kept from the first answer on; what her condition came to is not.
    assert [await asked_from(address) for address in ("10.1.2.3", "192.0.2.1", "10.1.2.3")] == [200, 403, 200]


async def test_a_grant_can_ask_for_a_second_factor_in_the_session(guard: Guard, user_service: UserRights) -> None:
    user_service.granted[ADA]["notification:read"] = False
    user_service.conditions = ('"mfa" in subject.amr',)
    for amr, code in ((["pwd"], "second_factor_needed"), (None, "permission_denied")):
        with pytest.raises(Problem, match=code):
            await guard.require(claims().model_copy(update={"amr": amr}), "notification:read")
    await guard.require(claims().model_copy(update={"amr": ["pwd", "otp", "mfa"]}), "notification:read")


async def test_a_token_takes_away_and_gives_nothing(guard: Guard, user_service: UserRights) -> None:
    user_service.granted[ADA]["notification:read"] = False
    with pytest.raises(Problem, match="was not given"):
        await guard.require(claims(scope="notification:send"), "notification:read")
    with pytest.raises(Problem, match="permission_denied"):
        await guard.require(claims(scope="notification:send"), "notification:send")
    await guard.require(claims(scope="notification:read"), "notification:read")


async def test_the_operator_and_a_services_key_ask_nobody(guard: Guard, user_service: UserRights) -> None:
    user_service.is_away = True
    await guard.require(claims("operator", "operator", None, "auth:admin"), "provider:configure")
    shop = claims("service:shop", "orn_shop", "key", "notification:send")
    await guard.require(shop, "notification:send")
    with pytest.raises(Problem, match="was not given"):
        await guard.require(shop, "notification:read")
    # Another service's own token names no permission, whatever its scope is called.
    with pytest.raises(Problem, match="permission_denied"):
        await guard.require(claims("shop", "shop", None, "notification:send"), "notification:send")
    assert user_service.asked == 0


async def test_who_cannot_know_does_not_decide(guard: Guard, user_service: UserRights) -> None:
    user_service.is_away = True
    with pytest.raises(Problem) as refused:
        await guard.require(claims(), "notification:send")
    assert (refused.value.status, refused.value.code) == (503, "rights_unreachable")


async def test_denials_stand_in_the_audit_trail_once_a_minute(
    guard: Guard, clock: MovableClock, query: "Query"
) -> None:
    for _ in range(3):
        with pytest.raises(Problem):
            await guard.require(claims(), "template:publish")
    clock.advance(minutes=1)
    with pytest.raises(Problem):
        await guard.require(claims(), "template:publish")
    events = await query("SELECT data FROM outbox WHERE type LIKE '%audit%' ORDER BY position NULLS LAST, id")
    written = [event[0] for event in events]
    assert [entry["status"] for entry in written] == ["DENIED", "DENIED"]
    assert [entry["new"].get("left_out") for entry in written] == [None, 2]


async def test_what_is_for_our_own_services_is_refused_to_others_and_written_down(
    caller: "Callers", query: "Query"
) -> None:
    async with caller(ADA) as ada:
        for _ in range(2):
            answer = await ada.get(f"/users/{ADA}/personal-data")
            assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    told = await query(
        "SELECT data->>'resource_id', data->>'status' FROM outbox WHERE data->>'action' = 'access.denied'"
    )
    assert told == [("personal_data:read", "DENIED")]

"""People who administer accounts: by what user has granted them, over nobody who may more, and in their own name."""

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

NEEDS = {
    "security_event:read": (
        "GET security-events",
        "GET security-events/export",
        "GET login-attempts",
        "GET rate-limits",
        "POST risk-policy/simulations",
        "GET users/{user_id}/sessions/{session_id}/refresh-tokens",
    ),
    "system:read": (
        "GET rate-limit-policies",
        "GET rate-limit-policies/{endpoint}/{key_type}",
        "GET risk-policy",
        "GET risk-policy/versions",
        "GET oauth-connections",
        "GET oauth-connections/{name}",
    ),
    "system:configure": (
        "PUT rate-limit-policies/{endpoint}/{key_type}",
        "DELETE rate-limit-policies/{endpoint}/{key_type}",
        "PUT risk-policy",
        "POST oauth-connections",
        "PATCH oauth-connections/{name}",
        "DELETE oauth-connections/{name}",
        "GET oauth-connections/{name}/discovery",
    ),
    "user:create": ("GET invitations", "POST invitations", "DELETE invitations/{invitation_id}"),
    "user:suspend": ("POST users/{user_id}/suspension", "DELETE users/{user_id}/suspension"),
    "account:recover": (
        "DELETE rate-limits/{limit_id}",
        "PUT users/{user_id}/two-factor/requirement",
        "DELETE users/{user_id}/two-factor",
    ),
}
"""Which permission opens what (docs/operators.md)."""

RESETS = """
    SELECT event.details->>'by' AS by, entry.data->>'actor_type' AS actor_type, entry.data->>'actor_id' AS actor_id
    FROM security_events AS event
    JOIN outbox AS entry ON entry.data->>'action' = event.event_type
    WHERE event.event_type = 'factors.reset'
"""

PARTS = {"endpoint": "login", "key_type": "IP", "name": "nowhere"}


async def signed_in(auth: "Auth", email: str) -> tuple[UUID, dict[str, str]]:
    user_id = UUID(str(await auth.verified(email)))
    return user_id, auth.as_bearer((await auth.sign_in(email)).json()["access_token"])


@pytest.mark.parametrize("permission", NEEDS)
async def test_each_operation_is_opened_by_its_permission_and_by_no_other(auth: "Auth", permission: str) -> None:
    ada, headers = await signed_in(auth, "ada@example.com")
    for operation in NEEDS[permission]:
        method, _, path = operation.partition(" ")
        names = {name: str(uuid7()) for name in ("user_id", "session_id", "invitation_id", "limit_id")} | PARTS
        url = f"/auth/v1/{path.format_map(names)}"
        auth.rights.granted[ada] = {each: each == permission for each in NEEDS}
        refused = await auth.http.request(method, url, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied"), operation
        asked = auth.rights.asked
        assert (await auth.http.request(method, url, headers=headers)).status_code == 403
        assert auth.rights.asked == asked + 1, "who is refused costs user no more than who is let in"
        auth.rights.granted[ada] = {permission: False}
        assert (await auth.http.request(method, url, headers=headers)).status_code not in (401, 403), operation


async def test_nothing_else_is_for_administrators(auth: "Auth") -> None:
    ada, headers = await signed_in(auth, "ada@example.com")
    auth.rights.granted[ada] = dict.fromkeys(NEEDS, False)
    opened = {each for operations in NEEDS.values() for each in operations}
    for path, methods in auth.application.openapi()["paths"].items():
        for method, described in methods.items():
            name = f"{method.upper()} {path.removeprefix('/auth/v1/')}"
            if "security" in described and name not in opened and "/me" not in path and "/sessions" not in path:
                answer = await auth.http.request(method, path.replace("{", "").replace("}", ""), headers=headers)
                assert answer.status_code in (403, 422), f"{name}: for our own services, or to be listed here"


async def test_factors_are_reset_by_who_may_as_much_and_in_his_name(auth: "Auth") -> None:
    ada, headers = await signed_in(auth, "ada@example.com")
    bob, _ = await signed_in(auth, "bob@example.com")
    url = f"/auth/v1/users/{bob}/two-factor"
    auth.rights.granted[ada] = {"account:recover": False}
    auth.rights.granted[bob] = {"account:recover": False, "permission:grant": False}
    for method, body in (("DELETE", None), ("PUT", {"is_required": False})):
        refused = await auth.http.request(
            method, url + ("" if body is None else "/requirement"), headers=headers, json=body
        )
        assert (refused.status_code, refused.json()["code"]) == (403, "outranked")
    own = await auth.http.delete(f"/auth/v1/users/{ada}/two-factor", headers=headers)
    assert (own.status_code, own.json()["code"]) == (403, "own_account")
    assert await auth.rows(RESETS) == []
    auth.rights.granted[ada]["permission:grant"] = False
    assert (await auth.http.delete(url, headers=headers)).status_code == 204
    [reset] = await auth.rows(RESETS)
    assert (reset["by"], reset["actor_type"], reset["actor_id"]) == (str(ada), "USER", str(ada))


async def test_nobody_is_suspended_by_who_may_less(auth: "Auth") -> None:
    ada, headers = await signed_in(auth, "ada@example.com")
    bob, of_bob = await signed_in(auth, "bob@example.com")
    auth.rights.granted[ada] = {"user:suspend": False}
    auth.rights.granted[bob] = {"user:delete": False}
    url = f"/auth/v1/users/{bob}/suspension"
    assert (await auth.http.post(url, headers=headers)).json()["code"] == "outranked"
    assert (await auth.http.get("/auth/v1/sessions", headers=of_bob)).status_code == 200
    auth.rights.granted[bob] = {"user:suspend": False, "user:delete": True}
    assert (await auth.http.post(url, headers=headers)).status_code == 204, "what is denied him needs nobody to have it"


async def test_nobody_comes_into_accounts_of_others_by_a_provider_of_his_own(auth: "Auth") -> None:
    ada, headers = await signed_in(auth, "ada@example.com")
    operator = auth.as_bearer(await auth.operator_token())
    auth.rights.granted[ada] = {"system:configure": False}
    url, mine = "/auth/v1/oauth-connections", {"name": "mine", "preset": "GITHUB", "client_id": "x"}
    mine |= {"client_secret": "y", "is_enabled": True}
    domains = {"auto_link_domains": ["example.com"]}
    assert (await auth.http.post(url, json=mine | domains, headers=headers)).json()["code"] == "operator_only"
    assert (await auth.http.post(url, json=mine, headers=headers)).status_code == 201

    async def change(by: dict[str, str], **said: object) -> int:
        return (await auth.http.patch(f"{url}/mine", json=said, headers=by | {"If-Match": "*"})).status_code

    assert (await change(headers, **domains), await change(operator, **domains)) == (403, 200)
    assert await change(headers, client_id="z", is_enabled=False) == 403, "what is there decides already"
    assert await change(headers, is_enabled=False) == 200
    assert (await change(headers, is_enabled=True), await change(headers, auto_link_domains=[])) == (403, 200)


async def test_a_change_takes_a_proof_of_half_an_hour_and_a_look_does_not(auth: "Auth") -> None:
    ada, headers = await signed_in(auth, "ada@example.com")
    auth.rights.granted[ada] = {"system:configure": False, "system:read": False}
    session = (await auth.sign_in("ada@example.com")).json()
    auth.clock.advance(minutes=31)
    form = {"grant_type": "refresh_token", "refresh_token": session["refresh_token"]}
    renewed = (await auth.http.post("/auth/oauth2/token", data=form)).json()["access_token"]
    headers = auth.as_bearer(renewed)
    assert (await auth.http.get("/auth/v1/risk-policy", headers=headers)).status_code == 200
    refused = await auth.http.put("/auth/v1/risk-policy", headers=headers, json={})
    assert (refused.status_code, refused.json()["code"]) == (401, "reauthentication_required")


async def test_who_cannot_know_does_not_decide(auth: "Auth") -> None:
    _, headers = await signed_in(auth, "ada@example.com")
    auth.rights.is_away = True
    refused = await auth.http.get("/auth/v1/security-events", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (503, "rights_unreachable")
    operator = auth.as_bearer(await auth.operator_token())
    assert (await auth.http.get("/auth/v1/security-events", headers=operator)).status_code == 200

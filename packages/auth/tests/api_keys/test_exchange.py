"""A token for an API key: what it says, and when there is none."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from packages.auth.tests.api_keys.conftest import Desk

from orion_contracts.account_messages import SecurityNoticeRaised
from orion_contracts.api_keys import ApiKeyEnded, ApiKeyUsed
from orion_contracts.events import SecurityEpochRaised
from orion_contracts.user_events import (
    ErasureRequested,
    UserDeleted,
    UserReinstated,
    UserRestored,
    UserSuspended,
)
from orion_core.api_keys import ApiKeyText
from orion_core.ids import uuid7
from orion_core.testing.proofs import ProofKey

if TYPE_CHECKING:
    import httpx

URL = "http://auth.test/auth/oauth2/token"
DATA = "SELECT data FROM outbox WHERE type = :type ORDER BY sequence"


def refusal(answer: "httpx.Response") -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


async def test_a_key_gets_a_token_of_its_owner_that_is_limited_to_its_scopes(desk: Desk) -> None:
    ada = await desk.auth.verified()
    key = await desk.user.key(ada)
    answer = await desk.exchange(key)
    granted = answer.json()
    assert (answer.status_code, granted["token_type"], granted["scope"]) == (200, "Bearer", "content:read user:read")
    assert "refresh_token" not in granted
    assert answer.headers["ratelimit-policy"] == '"api_key_token";q=60;w=60'
    told = await desk.told(granted["access_token"])
    expected = {"active": True, "sub": str(ada), "sid": str(key.id), "client_id": key.text.client_id, "aud": "orion"}
    assert told.items() >= expected.items()
    assert told["exp"] - told["iat"] == granted["expires_in"] == 600
    narrowed = await desk.exchange(key, scope="user:read", resource="urn:orion:user")
    assert narrowed.json()["scope"] == "user:read"
    assert refusal(await desk.exchange(key, scope="user:read user:delete")) == (400, "invalid_scope")
    assert refusal(await desk.exchange(key, resource="urn:orion:x")) == (400, "invalid_target")


async def test_a_services_key_speaks_for_the_service(desk: Desk) -> None:
    token = (await desk.exchange(await desk.user.key())).json()["access_token"]
    assert (await desk.told(token))["sub"] == "service:billing"


async def test_user_is_asked_with_a_token_that_is_good_there_alone(desk: Desk) -> None:
    await desk.user.heard()
    token = desk.user.shown.removeprefix("Bearer ")
    assert (await desk.told(token))["aud"] == "urn:orion:user"
    assert await desk.told(token, "operator") == {"active": False}
    feed = await desk.auth.http.get("/auth/v1/events", headers=desk.auth.as_bearer(token))
    assert feed.status_code == 401, "nor does auth itself take it"


async def test_what_was_forged_is_refused_and_all_of_it_alike(desk: Desk) -> None:
    key = await desk.user.key(await desk.auth.verified())
    right, other = key.text, ApiKeyText.new("test")
    wrong = {
        "another secret": ApiKeyText("test", right.prefix, other.secret),
        "another prefix": ApiKeyText("test", other.prefix, right.secret),
        "another stage": ApiKeyText("live", right.prefix, right.secret),
        "nobody's": other,
    }
    answers = {name: await desk.exchange(text) for name, text in wrong.items()}
    answers["wrong checksum"] = await desk.shown(right.client_id, right.text[:-1] + "!")
    answers["other client"] = await desk.shown(other.client_id, right.text)
    answers["the hash"] = await desk.shown(right.client_id, f"orn_test_{right.prefix}_{key.event.key_hash}")
    answers["public part"] = await desk.shown(right.client_id, right.client_id)
    bodies = {name: (refusal(answer), answer.text) for name, answer in answers.items()}
    assert set(bodies.values()) == {((401, "invalid_client"), answers["nobody's"].text)}
    assert (await desk.exchange(key)).status_code == 200


async def test_keys_that_are_none_are_limited_by_network_and_the_others_not_by_them(desk: Desk) -> None:
    key = await desk.user.key(await desk.auth.verified())
    answers = [await desk.exchange(ApiKeyText.new("test")) for _ in range(61)]
    assert [answer.status_code for answer in answers] == [401] * 60 + [429]
    assert answers[-1].json()["error"] == "slow_down"
    assert (await desk.exchange(key)).status_code == 200


async def test_of_many_at_once_one_key_gets_exactly_as_many_tokens_as_its_policy_says(desk: Desk) -> None:
    operator = desk.auth.as_bearer(await desk.auth.operator_token())
    policy = "/auth/v1/rate-limit-policies/api_key_token/API_KEY"
    seeded = await desk.auth.http.get(policy, headers=operator)
    change = {"limit": 5, "window_seconds": 60, "block_seconds": 0}
    tag = {"If-Match": seeded.headers["ETag"]}
    assert (await desk.auth.http.put(policy, json=change, headers=operator | tag)).status_code == 200
    ada = await desk.auth.verified()
    keys = [await desk.user.key(ada) for _ in range(2)]
    answers = await asyncio.gather(*(desk.exchange(keys[n % 2]) for n in range(60)))
    for n in range(2):
        assert sorted(answer.status_code for answer in answers[n::2]) == [200] * 5 + [429] * 25
    desk.auth.clock.advance(seconds=60)
    await desk.user.heard()
    assert (await desk.exchange(keys[0])).status_code == 200


async def test_a_token_never_outlives_its_key(desk: Desk) -> None:
    ends = desk.auth.clock() + timedelta(minutes=3)
    key = await desk.user.key(await desk.auth.verified(), ends_at=ends)
    token = (await desk.exchange(key)).json()
    exp = (await desk.told(token["access_token"]))["exp"]
    assert exp == int(ends.timestamp())
    assert token["expires_in"] in (179, 180)
    desk.auth.clock.advance(minutes=3)
    await desk.user.heard()
    assert refusal(await desk.exchange(key)) == (401, "invalid_client")


async def test_from_other_networks_there_is_no_token(desk: Desk) -> None:
    key = await desk.user.key(
        await desk.auth.verified(), allowed_cidrs=["203.0.113.0/24", "2001:db8::/32"], rate_limit=9
    )
    outside, inside = await desk.exchange(key, "192.0.2.1"), await desk.exchange(key, "203.0.113.200")
    assert (refusal(outside), inside.status_code) == ((401, "invalid_client"), 200)
    assert "address" in outside.json()["error_description"]
    assert (await desk.exchange(key, "2001:db8::1")).status_code == 200
    told = await desk.told(inside.json()["access_token"])
    assert told["networks"] == ["203.0.113.0/24", "2001:db8::/32"], "for whoever takes the token"
    assert told["rate_limit"] == 9, "likewise"
    wrong = await desk.exchange(ApiKeyText("test", key.text.prefix, ApiKeyText.new("test").secret), "192.0.2.1")
    assert "address" not in wrong.json()["error_description"]


async def test_revoked_at_user_its_tokens_are_refused_and_there_are_no_others(desk: Desk) -> None:
    service = desk.auth.as_bearer(await desk.auth.service_token())
    for owner in (await desk.auth.verified(), None):
        key = await desk.user.key(owner)
        token = (await desk.exchange(key)).json()["access_token"]
        assert (await desk.told(token))["active"]
        await desk.user.revoke(key)
        assert await desk.told(token) == {"active": False}
        assert refusal(await desk.exchange(key)) == (401, "invalid_client")
        query = "SELECT data FROM outbox WHERE type = :type AND subject = :id"
        [ended] = await desk.auth.rows(query, type=ApiKeyEnded.type, id=str(key.id))
        assert ended["data"]["reason"] == "REVOKED"
        snapshot = (await desk.auth.http.get("/auth/v1/revocations", headers=service)).json()
        assert str(key.id) in {session["session_id"] for session in snapshot["sessions"]}


async def test_a_rotation_without_overlap_ends_the_tokens_too(desk: Desk) -> None:
    key = await desk.user.key(await desk.auth.verified())
    token = (await desk.exchange(key)).json()["access_token"]
    await desk.user.change(key, "ROTATED", ends_at=desk.auth.clock() + timedelta(hours=1))
    assert (await desk.told(token))["active"]
    await desk.user.change(key, "ROTATED", ends_at=desk.auth.clock())
    assert await desk.told(token) == {"active": False}


async def test_what_ends_the_owner_ends_what_his_keys_got(desk: Desk) -> None:
    ada = await desk.auth.verified()
    key = await desk.user.key(ada)
    token = (await desk.exchange(key)).json()["access_token"]
    session = (await desk.auth.sign_in()).json()["access_token"]
    ended = await desk.auth.http.delete("/auth/v1/sessions?all=true", headers=desk.auth.as_bearer(session))
    assert ended.is_success
    assert await desk.told(token) == {"active": False}
    assert (await desk.exchange(key)).status_code == 200  # signed out, not shut out
    operator = desk.auth.as_bearer(await desk.auth.operator_token())
    assert (await desk.auth.http.post(f"/auth/v1/users/{ada}/suspension", headers=operator)).is_success
    assert refusal(await desk.exchange(key)) == (400, "invalid_grant")


async def test_the_keys_of_owners_who_were_suspended_deleted_or_erased_get_no_token_and_those_they_have_die(
    desk: Desk,
) -> None:
    ada, moment = await desk.auth.verified(), {"by": "operator"}
    key = await desk.user.key(ada)
    now = desk.auth.clock
    ends: list[tuple[Any, Any]] = [
        (
            UserSuspended(user_id=ada, suspended_at=now(), **moment),
            UserReinstated(user_id=ada, reinstated_at=now(), **moment),
        ),
        (
            UserDeleted(user_id=ada, deleted_at=now(), purge_after=now(), **moment),
            UserRestored(user_id=ada, is_suspended=False, restored_at=now(), **moment),
        ),
        (ErasureRequested(user_id=ada, erasure_id=uuid7(), requested_at=now()), None),
    ]
    for n, (end, back) in enumerate(ends, 1):
        token = (await desk.exchange(key)).json()["access_token"]
        assert (await desk.told(token))["active"]
        await desk.user.tell(end)
        assert await desk.told(token) == {"active": False}
        assert len(await desk.auth.rows(DATA, type=SecurityEpochRaised.type)) == n, (
            "so that the other services refuse it too"
        )
        if back is None:
            assert refusal(await desk.exchange(key)) == (401, "invalid_client")
            continue
        assert refusal(await desk.exchange(key)) == (400, "invalid_grant")
        await desk.user.tell(back)
        assert await desk.told(token) == {"active": False}


async def test_while_user_is_away_there_are_tokens_for_a_quarter_of_an_hour_and_then_no_longer(desk: Desk) -> None:
    key = await desk.user.key(await desk.auth.verified())
    desk.user.is_away = True
    await asyncio.sleep(0.1)  # what was under way has come back
    desk.auth.clock.advance(minutes=14)
    assert (await desk.exchange(key)).status_code == 200
    desk.auth.clock.advance(minutes=2)
    answer = await desk.exchange(key)
    assert (answer.status_code, answer.json()["code"]) == (503, "api_keys_stale")


async def test_the_token_of_a_key_opens_nothing_that_is_auths(desk: Desk) -> None:
    """Whatever permissions are called: scopes of services and operators are never a key's."""
    ada = await desk.auth.verified()
    named = ["auth:admin", "events:read"]
    assert refusal(await desk.exchange(await desk.user.key(ada, scopes=named))) == (400, "invalid_scope")
    granted = (await desk.exchange(await desk.user.key(ada, scopes=[*named, "user:read"]))).json()
    assert granted["scope"] == "user:read"
    headers = desk.auth.as_bearer(granted["access_token"])
    for path in ("sessions", "sessions/current", "rate-limits", "events"):
        assert (await desk.auth.http.get(f"/auth/v1/{path}", headers=headers)).status_code == 403, path
    revoked = await desk.auth.http.post("/auth/oauth2/revoke", data={"token": granted["access_token"]})
    assert (revoked.status_code, revoked.json()["error"]) == (400, "unsupported_token_type")
    assert (await desk.told(granted["access_token"]))["active"]  # it dies by itself: a key is revoked where it was made


async def test_the_token_of_a_key_can_be_bound_to_another_key(desk: Desk) -> None:
    key, proof = await desk.user.key(await desk.auth.verified()), ProofKey(desk.auth.clock)
    form, client = {"grant_type": "client_credentials"}, (key.text.client_id, key.text.text)
    answer = await desk.auth.http.post(URL, data=form, auth=client, headers={"DPoP": proof.proof("POST", URL)})
    assert answer.json()["token_type"] == "DPoP"
    assert (await desk.told(answer.json()["access_token"]))["cnf"] == {"jkt": proof.jkt}


async def test_owners_are_told_when_a_key_is_made_or_found(desk: Desk) -> None:
    key = await desk.user.key(await desk.auth.verified(), ip_address="203.0.113.7")
    await desk.user.revoke(key, "LEAKED")
    notices = [row["data"] for row in await desk.auth.rows(DATA, type=SecurityNoticeRaised.type)]
    told: list[Any] = [(each["notice"], each["details"]) for each in notices if "api_key" in each["notice"]]
    subject = {"SUBJECT": key.text.client_id}
    assert told == [("api_key.issued", subject), ("api_key.leaked", subject)]
    written = "SELECT data::text FROM outbox UNION ALL SELECT details::text FROM security_events"
    assert key.text.secret not in str(await desk.auth.rows(written))


async def test_uses_are_told_in_batches(desk: Desk) -> None:
    key = await desk.user.key(await desk.auth.verified())
    for _ in range(3):
        await desk.exchange(key)
    assert await desk.auth.rows(DATA, type=ApiKeyUsed.type) == []
    await desk.auth.application.state.components.keys.uses.flush()
    [row] = await desk.auth.rows(DATA, type=ApiKeyUsed.type)
    assert (row["data"]["count"], row["data"]["key_id"]) == (3, str(key.id))

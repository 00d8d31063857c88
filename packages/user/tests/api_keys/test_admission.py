"""What the token of a key opens, from where, how often; and what it never opens."""

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

from packages.user.tests.api_keys.conftest import User, made, running

from orion_contracts.api_keys import ApiKeyUsed, NotificationsApiKeyUsed
from orion_contracts.erasures import IdentityErased
from orion_core.database import Database
from orion_core.testing import MovableClock
from orion_user.events import handlers_of_notifications

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query

    from orion_core.testing import TestDatabase

KEYS = "/user/v1/api-keys"
GIVE = """
    INSERT INTO user_permissions (user_id, permission_id, effect, starts_at)
    SELECT :user_id, id, CAST(:effect AS permission_effect), :now FROM permissions WHERE name = :name
"""


async def test_a_key_can_do_what_its_scopes_name_and_its_owner_may_at_that_moment(
    user: User, auth: "AuthFeed", query: "Query"
) -> None:
    ada = await auth.register()
    await query(GIVE, user_id=ada, effect="ALLOW", name="api_key:read", now=user.clock())
    narrow, wide = await made(user.person(ada)), await made(user.person(ada), scopes=["api_key:read"])
    assert (await user.program(narrow).get(KEYS)).json()["code"] == "permission_denied"
    assert (await user.program(wide).get(KEYS)).status_code == 200
    await query("UPDATE user_permissions SET effect = 'DENY' WHERE user_id = :id", id=ada)
    assert (await user.program(wide).get(KEYS)).json()["code"] == "permission_denied"


async def test_a_token_without_scope_or_with_others_opens_nothing(user: User, auth: "AuthFeed", query: "Query") -> None:
    """However it came by them: auth gives none such."""
    ada = await auth.register()
    await query(GIVE, user_id=ada, effect="ALLOW", name="api_key:read", now=user.clock())
    issued = await made(user.person(ada))
    for scope in ("", "api_key", "auth:admin events:read", "api_key:READ"):
        assert (await user.program(issued, scope=scope).get(KEYS)).status_code == 403
    assert (await user.program(issued, scope="events:read").get("/user/v1/events")).status_code == 403


OWN = (
    ("GET", "/user/v1/me"),
    ("PATCH", "/user/v1/me"),
    ("GET", "/user/v1/me/sessions"),
    ("GET", "/user/v1/me/api-keys"),
    ("POST", "/user/v1/me/api-keys"),
)


async def test_what_is_somebodys_in_person_is_no_keys(user: User, auth: "AuthFeed") -> None:
    program = user.program(await made(user.person(await auth.register())))
    for method, path in OWN:
        body = {"name": "k", "scopes": ["user:read"]} if "api-keys" in path else {"name": "k"}
        answer = await program.request(method, path, json=None if method == "GET" else body)
        assert (answer.status_code, answer.json()["code"]) == (403, "api_key_refused"), path


async def test_no_key_makes_rotates_or_changes_keys_not_even_itself(
    user: User, auth: "AuthFeed", query: "Query"
) -> None:
    """So that it is good no longer, from nowhere else and no more often than whoever made it has said."""
    ada, rights = await auth.register(), ["api_key:create", "api_key:read", "api_key:update", "api_key:revoke"]
    for name in rights:
        await query(GIVE, user_id=ada, effect="ALLOW", name=name, now=user.clock())
    narrow = {"allowed_cidrs": ["192.0.2.0/24"], "rate_limit": 50}
    own = await made(user.person(ada), scopes=rights, **narrow)
    of_service = {"name": "k", "service": "billing", "scopes": rights, **narrow}
    services = (await user.operator().post(KEYS, json=of_service)).json()
    fresh, seen = int(user.clock().timestamp()), {"If-Match": "*"}
    wanted = {"name": "k", "service": "s", "scopes": ["api_key:read"]}
    wider: dict[str, Any] = {"allowed_cidrs": [], "rate_limit": None}
    before = await query("SELECT id, updated_at FROM api_keys ORDER BY id")
    for issued in (own, services):
        program = user.program(issued, auth_time=fresh)
        for of in (own, services):
            for answer in (
                await program.post(KEYS, json=wanted),
                await program.patch(f"{KEYS}/{of['id']}", json=wider, headers=seen),
                await program.post(f"{KEYS}/{of['id']}/rotation", json={}),
                await program.patch(f"/user/v1/me/api-keys/{of['id']}", json=wider, headers=seen),
                await program.post(f"/user/v1/me/api-keys/{of['id']}/rotation", json={}),
            ):
                refusal = (answer.status_code, answer.json().get("code"))
                assert refusal in {(403, "api_key_refused"), (403, "user_required")}, answer.url
            assert (await program.get(f"{KEYS}/{of['id']}")).status_code == 200
    assert await query("SELECT id, updated_at FROM api_keys ORDER BY id") == before
    assert (await user.program(own).delete(f"{KEYS}/{own['id']}")).status_code == 204, "to end is not to widen"


async def test_an_administrator_gives_a_service_no_more_than_he_has_everywhere(
    user: User, auth: "AuthFeed", query: "Query"
) -> None:
    ada = await auth.register()
    await query(GIVE, user_id=ada, effect="ALLOW", name="api_key:create", now=user.clock())
    wanted = {"name": "k", "service": "s", "scopes": ["user:read", "system:configure"]}
    answer = await user.person(ada).post(KEYS, json=wanted)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert await query("SELECT id FROM api_keys") == []


async def test_a_services_key_opens_what_it_was_given(user: User) -> None:
    wanted = {"name": "k", "service": "auth", "scopes": ["api_key:read"]}
    issued = (await user.operator().post(KEYS, json=wanted)).json()
    program = user.program(issued)
    assert (await program.get(KEYS)).status_code == 200
    assert (await program.delete(f"{KEYS}/{issued['id']}")).status_code == 403


async def test_a_key_is_used_from_its_networks_alone_and_at_once_from_others_when_they_change(
    user: User, auth: "AuthFeed"
) -> None:
    ada = await auth.register()
    issued = await made(user.person(ada), allowed_cidrs=["203.0.113.0/24", "2001:db8::/32"])
    codes = [
        (await user.program(issued, address).get(KEYS)).json()["code"]
        for address in ("203.0.113.9", "203.0.114.9", "2001:db8::7", "::ffff:203.0.113.9", "2001:db9::7")
    ]
    outside = "api_key_address"
    assert codes == ["permission_denied", outside, "permission_denied", "permission_denied", outside]
    changed = await user.person(ada).patch(
        f"/user/v1/me/api-keys/{issued['id']}", json={"allowed_cidrs": []}, headers={"If-Match": "*"}
    )
    assert changed.status_code == 200
    assert (await user.program(issued, "203.0.114.9").get(KEYS)).json()["code"] == "permission_denied"


async def test_a_limit_is_exact_over_several_processes_and_in_every_minute(
    user: User, auth: "AuthFeed", test_database: "TestDatabase", clock: MovableClock
) -> None:
    issued = await made(user.person(await auth.register()), rate_limit=7)
    async with running(test_database, clock) as another:
        clients = [each.program(issued) for each in (user, another)]
        answers = await asyncio.gather(*(clients[n % 2].get(KEYS) for n in range(60)))
    assert sorted(answer.status_code for answer in answers) == [403] * 7 + [429] * 53
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["RateLimit-Policy"] == '"api_key";q=7;w=60'
    await user.later(seconds=59)
    assert (await user.program(issued).get(KEYS)).status_code == 429
    await user.later(seconds=int((await user.program(issued).get(KEYS)).headers["Retry-After"]))
    answers = await asyncio.gather(*(user.program(issued).get(KEYS) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [403] * 7 + [429] * 3


async def test_the_keys_of_who_is_shut_out_are_refused_in_the_same_moment_whether_or_not_auth_has_heard(
    user: User, auth: "AuthFeed", query: "Query", clock: MovableClock
) -> None:
    ada = await auth.register()
    await query(GIVE, user_id=ada, effect="ALLOW", name="api_key:read", now=clock())
    issued = await made(user.person(ada), scopes=["api_key:read"], rate_limit=100)
    services, operator, of_ada = await made_for_service(user), user.operator(), f"/user/v1/users/{ada}"

    async def opens() -> int:
        answer = await user.program(issued).get(KEYS)
        assert answer.status_code == 200 or answer.json()["code"] == "invalid_token", answer.text
        assert (await user.program(services).get(KEYS)).status_code == 200, "nobody is behind a service's key"
        return answer.status_code

    assert await opens() == 200
    for path, status in (("suspension", 401), ("restoration", 401)):
        if path == "suspension":
            assert (await operator.post(f"{of_ada}/{path}", json={"reason": "r"})).is_success
            assert await opens() == status
            assert (await operator.delete(f"{of_ada}/{path}")).is_success
        else:
            assert (await operator.delete(of_ada)).is_success
            assert await opens() == status
            assert (await operator.post(f"{of_ada}/{path}", json={})).is_success
        assert await opens() == 200
    erasure = (await operator.post(f"{of_ada}/erasure")).json()["id"]
    assert await opens() == 401, "asked for, and not done yet"
    await auth.bring(IdentityErased(user_id=ada, erasure_id=UUID(erasure), counts={}, erased_at=clock()))
    assert await opens() == 401
    assert await query("SELECT count(*) FROM api_keys WHERE user_id IS NOT NULL") == [(0,)]


async def made_for_service(user: User) -> dict[str, Any]:
    """A key of the service billing's."""
    wanted = {"name": "k", "service": "billing", "scopes": ["api_key:read"]}
    answer = await user.operator().post(KEYS, json=wanted)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_uses_are_counted_in_batches_and_those_elsewhere_too(
    user: User, auth: "AuthFeed", query: "Query", database: Database, clock: MovableClock
) -> None:
    ada = await auth.register()
    issued = await made(user.person(ada))
    for address in ("192.0.2.1", "192.0.2.9"):
        await user.program(issued, address).get(KEYS)
        clock.advance(seconds=1)
    state = "SELECT usage_count, host(last_used_ip), last_used_at FROM api_keys"
    assert await query(state) == [(0, None, None)]
    await user.stop()
    [(count, address, last)] = await query(state)
    assert (count, address) == (2, "192.0.2.9")
    of_auth = {"count": 5, "last_used_at": last.replace(year=2020), "ip_address": "192.0.2.77"}
    gone = {"count": 1, "last_used_at": last}
    await auth.bring(ApiKeyUsed.read(of_auth | {"key_id": issued["id"]}), ApiKeyUsed.read(gone | {"key_id": ada}))
    assert await query(state) == [(7, "192.0.2.9", last)]
    later = {"count": 2, "last_used_at": last.replace(year=2100), "ip_address": "192.0.2.78"}
    async with database.transaction() as transaction:
        told = NotificationsApiKeyUsed.read(later | {"key_id": issued["id"], "user_id": ada})
        await handlers_of_notifications(clock)[NotificationsApiKeyUsed](transaction, told)
    assert await query(state) == [(9, "192.0.2.78", later["last_used_at"])]

"""Making, showing, changing, rotating and ending keys."""

import asyncio
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

from packages.user.tests.api_keys.conftest import User, made, running
from packages.user.tests.api_keys.test_admission import GIVE

from orion_contracts.api_keys import ApiKeyChanged
from orion_contracts.events import SecurityEpochRaised
from orion_core.api_keys import ApiKeyText
from orion_core.testing import MovableClock
from orion_user.api_keys.rules import MOST_KEYS, MOST_REPORTS

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query

    from orion_core.testing import TestDatabase

MINE = "/user/v1/me/api-keys"
LEAKS = "/user/v1/api-key-leak-reports"


async def told(query: "Query") -> list[ApiKeyChanged]:
    """What auth hears."""
    rows = await query("SELECT data FROM outbox WHERE type = :type ORDER BY sequence", type=ApiKeyChanged.type)
    return [ApiKeyChanged.read(data) for (data,) in rows]


async def test_a_key_is_shown_once_and_kept_as_a_hash(user: User, auth: "AuthFeed", query: "Query") -> None:
    client = user.person(await auth.register())
    issued = await made(client, name="nightly export", allowed_cidrs=["203.0.113.0/24"], rate_limit=60)
    key = ApiKeyText.parse(issued.pop("key"))
    assert key is not None
    assert (key.stage, key.client_id) == ("test", issued["client_id"])
    assert (issued["status"], issued["usage_count"], issued["last_used_at"]) == ("ACTIVE", 0, None)
    assert issued["allowed_cidrs"] == ["203.0.113.0/24"]
    assert [issued] == (await client.get(MINE)).json()["items"]
    assert issued == (await client.get(f"{MINE}/{issued['id']}")).json()
    [(row,)] = await query("SELECT to_jsonb(api_keys)::text || key_hash::text FROM api_keys")
    everything = row + str(await query("SELECT * FROM outbox"))
    assert key.secret not in everything
    assert sha256(key.secret.encode()).hexdigest() in everything
    [event] = await told(query)
    assert (event.change, event.prefix, event.scopes) == ("ISSUED", key.prefix, ["user:read"])


async def test_a_key_ends_by_itself(user: User, auth: "AuthFeed") -> None:
    ada = await auth.register()
    issued = await made(user.person(ada))
    days = 90 * 24 * 3600
    await user.later(seconds=days - 1)
    assert (await user.program(issued).get("/user/v1/api-keys")).status_code == 403
    await user.later(seconds=1)
    assert (await user.program(issued).get("/user/v1/api-keys")).status_code == 401
    assert (await user.person(ada).get(f"{MINE}/{issued['id']}")).json()["status"] == "EXPIRED"


async def test_keys_that_an_intruder_made_end_when_the_owner_says_that_it_was_not_he(
    user: User, auth: "AuthFeed", query: "Query"
) -> None:
    ada, eve = await auth.register(), await auth.register("eve@example.com")
    hers = await made(user.person(ada))
    await query("UPDATE api_keys SET created_at = created_at - interval '1 day'")
    his, anothers = await made(user.person(ada), name="his"), await made(user.person(eve))
    for name in ("api_key:create", "user:read"):
        await query(GIVE, user_id=ada, effect="ALLOW", name=name, now=user.clock())
    wanted = {"name": "invoices", "service": "billing", "scopes": ["user:read"]}
    services = (await user.person(ada).post("/user/v1/api-keys", json=wanted)).json()
    operators = (await user.operator().post("/user/v1/api-keys", json=wanted)).json()
    assert [key["issued_by"] for key in (his, services, operators)] == [str(ada), str(ada), None]
    now = auth.clock()

    def raised(since: datetime | None) -> SecurityEpochRaised:
        return SecurityEpochRaised(
            user_id=ada, epoch=1, reason="DEVICE_DISAVOWED", raised_at=now, tokens_expire_at=now, undone_since=since
        )

    await auth.bring(raised(None))
    assert [event.change for event in await told(query)] == ["ISSUED"] * 5
    since = datetime.fromisoformat(his["created_at"]) - timedelta(hours=1)
    await auth.bring(raised(since))
    await auth.bring(raised(since))
    ended = [(event.key_id, event.change) for event in await told(query) if event.revoked_at is not None]
    assert sorted(ended) == sorted((UUID(key["id"]), "REVOKED") for key in (his, services))
    listed = (await user.operator().get("/user/v1/api-keys?service=billing")).json()["items"]
    assert {key["id"]: key["status"] for key in listed} == {services["id"]: "REVOKED", operators["id"]: "ACTIVE"}
    assert (await user.program(his).get("/user/v1/api-keys")).status_code == 401
    for kept in (hers, anothers):
        assert (await user.program(kept).get("/user/v1/api-keys")).status_code == 403


async def test_no_key_outlives_that_it_was_not_the_owner_however_late_it_is_heard_in_memory(
    user: User, auth: "AuthFeed", query: "Query"
) -> None:
    """Whoever is being shut out asks for keys all the while: each is made before and ends, or is refused."""
    ada = await auth.register()
    eve = user.person(ada)
    first = await made(eve)
    now = auth.clock()
    over = SecurityEpochRaised(
        user_id=ada, epoch=1, reason="DEVICE_DISAVOWED", raised_at=now, tokens_expire_at=now, undone_since=now
    )
    wanted = {"name": "a way back", "scopes": ["user:read"]}
    asked = [eve.post(f"{MINE}/{first['id']}/rotation", json={}), *(eve.post(MINE, json=wanted) for _ in range(6))]
    answers = await asyncio.gather(auth.bring(over), *asked, return_exceptions=True)
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    assert await query("SELECT name FROM api_keys WHERE revoked_at IS NULL") == []
    late = [await eve.post(MINE, json=wanted), await eve.post(f"{MINE}/{first['id']}/rotation", json={})]
    assert [answer.status_code for answer in late] == [401, 401]
    anew = await made(user.person(ada, epoch=1))
    assert await query("SELECT id FROM api_keys WHERE revoked_at IS NULL") == [(UUID(anew["id"]),)]


WRONG: list[dict[str, Any]] = [
    {"scopes": []},
    {"scopes": ["user"]},
    {"scopes": ["User:Read"]},
    {"scopes": ["system:configure"]},
    {"scopes": ["auth:admin"]},
    {"scopes": ["events:read"]},
    {"name": ""},
    {"name": "a\nb"},
    {"name": "yek\u202ednuof"},
    {"name": "\0"},
    {"expires_in_days": 0},
    {"expires_in_days": 367},
    {"expires_in_days": "90"},
    {"allowed_cidrs": ["203.0.113.1/24"]},
    {"allowed_cidrs": ["nowhere"]},
    {"allowed_cidrs": ["10.0.0.0/8"] * 51},
    {"rate_limit": 0},
    {"rate_limit": True},
    {"service": "billing"},
    {"user_id": "0"},
]


async def test_what_cannot_be_is_refused_and_nothing_is_made(user: User, auth: "AuthFeed", query: "Query") -> None:
    client = user.person(await auth.register())
    for wrong in WRONG:
        answer = await client.post(MINE, json={"name": "k", "scopes": ["user:read"]} | wrong)
        assert answer.status_code == 422, wrong
    assert await query("SELECT id FROM api_keys") == []
    assert await told(query) == []


async def test_an_old_session_makes_no_key_and_widens_none(user: User, auth: "AuthFeed") -> None:
    """A key outlives the session; whoever finds an open screen shall not leave with one, nor free one that he has."""
    ada = await auth.register()
    issued = await made(user.person(ada), allowed_cidrs=["192.0.2.0/24"])
    client = user.person(ada, auth_time=int(user.clock().timestamp()) - 16 * 60)
    for answer in (
        await client.post(MINE, json={"name": "k", "scopes": ["user:read"]}),
        await client.patch(f"{MINE}/{issued['id']}", json={"allowed_cidrs": []}, headers={"If-Match": "*"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, "reauthentication_required")


async def test_an_owner_has_so_many_good_keys_and_no_more(user: User, auth: "AuthFeed", query: "Query") -> None:
    """Also when they are asked for at the same moment."""
    client = user.person(await auth.register())
    first = await made(client)
    wanted = {"name": "k", "scopes": ["user:read"]}
    answers = await asyncio.gather(*(client.post(MINE, json=wanted) for _ in range(MOST_KEYS + 5)))
    assert sorted(answer.status_code for answer in answers) == [201] * (MOST_KEYS - 1) + [409] * 6
    assert await query("SELECT count(*) FROM api_keys") == [(MOST_KEYS,)]
    await client.delete(f"{MINE}/{first['id']}")
    assert (await client.post(MINE, json=wanted)).status_code == 201
    pages = [(await client.get(MINE, params={"limit": 40})).json()]
    pages.append((await client.get(MINE, params={"limit": 40, "cursor": pages[0]["next"]})).json())
    found = [item["id"] for page in pages for item in page["items"]]
    assert (len(found), found, pages[1]["next"]) == (MOST_KEYS + 1, sorted(found, reverse=True), None)


async def test_what_a_key_opens_is_fixed_and_the_rest_is_changed_by_who_has_seen_it(
    user: User, auth: "AuthFeed", query: "Query"
) -> None:
    client = user.person(await auth.register())
    issued = await made(client)
    path = f"{MINE}/{issued['id']}"
    assert (await client.patch(path, json={"name": "n"})).status_code == 428
    tag = {"If-Match": (await client.get(path)).headers["ETag"]}
    assert (await client.patch(path, json={"scopes": ["user:read"]}, headers=tag)).status_code == 422
    changed = await client.patch(path, json={"name": "n", "allowed_cidrs": ["192.0.2.0/24"]}, headers=tag)
    assert (changed.status_code, changed.json()["name"]) == (200, "n")
    assert (await client.patch(path, json={"name": "m"}, headers=tag)).status_code == 412
    event = (await told(query))[-1]
    assert (event.change, [str(cidr) for cidr in event.allowed_cidrs]) == ("CHANGED", ["192.0.2.0/24"])


async def test_a_rotated_key_is_good_until_its_overlap_is_over(user: User, auth: "AuthFeed") -> None:
    ada = await auth.register()
    old = await made(user.person(ada), rate_limit=5, allowed_cidrs=["192.0.2.0/24"])
    await user.later(days=80)
    answer = await user.person(ada).post(f"{MINE}/{old['id']}/rotation", json={"overlap_hours": 1})
    new = answer.json()
    assert answer.status_code == 201
    assert new["key"] != old["key"]
    same = ("name", "scopes", "allowed_cidrs", "rate_limit", "user_id")
    assert [new[each] for each in same] == [old[each] for each in same]
    assert (new["rotated_from_id"], new["status"]) == (old["id"], "ACTIVE")
    assert (await user.person(ada).get(f"{MINE}/{old['id']}")).json()["status"] == "ROTATED"
    for key in (old, new):
        assert (await user.program(key).get("/user/v1/api-keys")).status_code == 403
    await user.later(hours=1)
    assert (await user.program(old).get("/user/v1/api-keys")).status_code == 401
    assert (await user.program(new).get("/user/v1/api-keys")).status_code == 403
    again = await user.person(ada).post(f"{MINE}/{old['id']}/rotation")
    assert (again.status_code, again.json()["code"]) == (409, "already_rotated")


async def test_of_many_rotations_at_once_one_makes_the_successor(user: User, auth: "AuthFeed", query: "Query") -> None:
    client = user.person(await auth.register())
    old = await made(client)
    rotations = (client.post(f"{MINE}/{old['id']}/rotation", json={}) for _ in range(20))
    answers = await asyncio.gather(*rotations)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert await query("SELECT count(*) FROM api_keys WHERE rotated_from_id IS NOT NULL") == [(1,)]


async def test_rotation_and_revocation_at_once_leave_no_key_that_nobody_knows_of(
    user: User, auth: "AuthFeed", query: "Query"
) -> None:
    client = user.person(await auth.register())
    for _ in range(10):
        old = await made(client)
        path = f"{MINE}/{old['id']}"
        rotated, revoked = await asyncio.gather(client.post(f"{path}/rotation", json={}), client.delete(path))
        assert revoked.status_code == 204
        assert (await client.get(path)).json()["status"] == "REVOKED"
        successors = await query("SELECT id FROM api_keys WHERE rotated_from_id = :id", id=old["id"])
        assert len(successors) == (rotated.status_code == 201)


async def test_a_revoked_key_is_refused_at_once_and_stays_revoked(user: User, auth: "AuthFeed", query: "Query") -> None:
    client = user.person(await auth.register())
    issued = await made(client)
    program, path = user.program(issued), f"{MINE}/{issued['id']}"
    assert (await program.get("/user/v1/api-keys")).status_code == 403
    assert [(await client.delete(path)).status_code for _ in range(2)] == [204, 204]
    assert (await program.get("/user/v1/api-keys")).json()["code"] == "invalid_token"
    tag = {"If-Match": (await client.get(path)).headers["ETag"]}
    assert (await client.patch(path, json={"name": "n"}, headers=tag)).json()["code"] == "api_key_ended"
    assert (await client.post(f"{path}/rotation", json={})).json()["code"] == "api_key_ended"
    assert [event.change for event in await told(query)] == ["ISSUED", "REVOKED"]
    written = await query(
        "SELECT action, actor_type::text, user_id, resource_id, new_values FROM audit_logs"
        " WHERE action LIKE 'api_key.%' ORDER BY id"
    )
    owner = issued["user_id"]
    assert [row[:2] for row in written] == [("api_key.create", "USER"), ("api_key.revoke", "USER")]
    assert {(str(row[2]), row[3]) for row in written} == {(owner, issued["id"])}
    assert issued["key"][-49:-6] not in str(written)


async def test_nobody_reaches_the_keys_of_others(user: User, auth: "AuthFeed", query: "Query") -> None:
    issued = await made(user.person(await auth.register()))
    eve = user.person(await auth.register("eve@example.com"))
    path, tag = f"{MINE}/{issued['id']}", {"If-Match": "*"}
    answers = [
        await eve.get(path),
        await eve.patch(path, json={"name": "mine"}, headers=tag),
        await eve.delete(path),
        await eve.post(f"{path}/rotation", json={}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert (await eve.get(MINE)).json()["items"] == []
    assert [event.change for event in await told(query)] == ["ISSUED"]


async def test_whoever_shows_a_key_has_it_revoked(user: User, auth: "AuthFeed", query: "Query") -> None:
    issued = await made(user.person(await auth.register()))
    answer = await user.client().post(LEAKS, json={"key": issued["key"], "url": "https://example.com/gist/1"})
    assert (answer.status_code, answer.content) == (202, b"")
    shown = (await user.person(issued["user_id"]).get(f"{MINE}/{issued['id']}")).json()
    assert (shown["status"], shown["revoked_reason"]) == ("REVOKED", "LEAKED https://example.com/gist/1")
    assert (await told(query))[-1].change == "LEAKED"
    assert (await user.client().post(LEAKS, json={"key": issued["key"]})).status_code == 202
    assert len(await told(query)) == 2


async def test_a_report_tells_nothing_and_the_public_part_alone_revokes_nothing(
    user: User, auth: "AuthFeed", query: "Query"
) -> None:
    issued = await made(user.person(await auth.register()))
    key = ApiKeyText.parse(issued["key"])
    assert key is not None
    forged = ApiKeyText(key.stage, key.prefix, ApiKeyText.new("test").secret)
    for text in (forged.text, ApiKeyText.new("test").text):
        answer = await user.client().post(LEAKS, json={"key": text})
        assert (answer.status_code, answer.content) == (202, b"")
    for text in ("", "x", issued["client_id"], issued["key"][:-1] + "!", "orn_test_" + "0" * 71):
        refused = await user.client().post(LEAKS, json={"key": text})
        assert refused.status_code == 422
        assert key.secret not in refused.text
    assert [event.change for event in await told(query)] == ["ISSUED"]


async def test_one_network_reports_so_many_keys_a_minute_and_what_is_beyond_revokes_nothing(
    user: User, auth: "AuthFeed", test_database: "TestDatabase", clock: MovableClock, query: "Query"
) -> None:
    issued = await made(user.person(await auth.register()))
    body = {"key": ApiKeyText.new("test").text}
    async with running(test_database, clock) as another:
        clients = [each.client(address=f"2001:db8:1::{n}") for n, each in enumerate((user, another), 1)]
        answers = await asyncio.gather(*(clients[n % 2].post(LEAKS, json=body) for n in range(MOST_REPORTS + 10)))
    assert sorted(answer.status_code for answer in answers) == [202] * MOST_REPORTS + [429] * 10
    client = user.client(address="2001:db8:1::9")
    refused = await client.post(LEAKS, json={"key": issued["key"]})
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert refused.headers["RateLimit-Policy"] == f'"leak_report";q={MOST_REPORTS};w=60'
    assert [event.change for event in await told(query)] == ["ISSUED"]
    assert (await user.client(address="2001:db8:2::1").post(LEAKS, json=body)).status_code == 202
    await user.later(seconds=int(refused.headers["Retry-After"]))
    assert (await client.post(LEAKS, json={"key": issued["key"]})).status_code == 202
    assert [event.change for event in await told(query)] == ["ISSUED", "LEAKED"]

"""The routes of `me`, through ASGI, with auth reduced to its keys, its token and a feed that says nothing new."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import TypeAdapter

from orion_contracts.events import SessionStarted
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_core.testing.proofs import ProofKey
from orion_user.texts import Label

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Caller, Query, Sign


async def test_me(auth: "AuthFeed", caller: "Caller") -> None:
    user_id = await auth.register("ada@example.com", name="Ada")
    answer = await caller(user_id, uuid7()).get("/user/v1/me")
    me = answer.json()
    assert answer.status_code == 200
    assert (me["id"], me["email"], me["name"], me["status"]) == (str(user_id), "ada@example.com", "Ada", "PENDING")
    assert (me["locale"], me["timezone"]) == ("de", "Europe/Berlin")
    assert [(role["name"], role["through"]) for role in me["roles"]] == [("user", None), ("guest", "user")]
    assert [each["name"] for each in me["permissions"]] == ["content:read", "permission:read", "role:read", "user:read"]


async def test_a_token_that_is_bound_to_a_key_needs_its_proof(
    auth: "AuthFeed", service: httpx.ASGITransport, clock: MovableClock, sign: "Sign"
) -> None:
    user_id, key, url = await auth.register("ada@example.com"), ProofKey(clock), "http://user/user/v1/me"
    token = sign(str(user_id), uuid7(), cnf={"jkt": key.jkt})
    async with httpx.AsyncClient(transport=service) as client:
        proved = key.headers("GET", url, token)
        assert [(await client.get(url, headers=proved)).status_code for _ in range(2)] == [200, 401]
        bearer = await client.get(url, headers={"Authorization": f"Bearer {token}"})
        assert (bearer.status_code, bearer.json()["code"]) == (401, "invalid_token")
        assert bearer.headers["WWW-Authenticate"].startswith("DPoP ")
        stolen = await client.get(url, headers=ProofKey(clock).headers("GET", url, token))
        assert (stolen.status_code, stolen.json()["code"]) == (401, "invalid_dpop_proof")


@pytest.mark.parametrize(
    ("audience", "status"),
    [
        ("urn:orion:user", 200),
        (["urn:orion:auth", "urn:orion:user"], 200),
        ("urn:orion:auth", 401),
        (["urn:orion:auth", "urn:orion:notifications"], 401),
    ],
    ids=str,
)
async def test_a_token_for_other_services_is_refused(
    auth: "AuthFeed", service: httpx.ASGITransport, clock: MovableClock, audience: Any, status: int, sign: "Sign"
) -> None:
    user_id = await auth.register("ada@example.com")
    headers = {"Authorization": f"Bearer {sign(str(user_id), uuid7(), aud=audience)}"}
    async with httpx.AsyncClient(transport=service, base_url="http://user") as client:
        assert (await client.get("/user/v1/me", headers=headers)).status_code == status


async def test_who_is_asking(
    service: httpx.ASGITransport, caller: "Caller", clock: MovableClock, sign: "Sign", query: "Query"
) -> None:
    async with httpx.AsyncClient(transport=service, base_url="http://user") as anybody:
        assert (await anybody.get("/user/v1/me")).status_code == 401
        headers = {"Authorization": f"Bearer {sign('notifications', None, 'events:read')}"}
        assert (await anybody.get("/user/v1/me", headers=headers)).json()["code"] == "user_required"
        assert (await anybody.get("/user/v1/events", headers=headers)).status_code == 200
    early = await caller(uuid7(), uuid7()).get("/user/v1/me")
    assert (early.status_code, early.json()["code"]) == (503, "profile_not_ready")
    assert early.headers["Retry-After"] == "1"
    eve = uuid7()
    for _ in range(2):
        feed = await caller(eve, uuid7()).get("/user/v1/events")
        assert (feed.status_code, feed.json()["code"]) == (403, "insufficient_scope")
    denied = await query("SELECT actor_id, resource_id, status::text FROM audit_logs WHERE action = 'access.denied'")
    assert denied == [(eve, "events:read", "DENIED")]


async def test_nobody_overwrites_what_they_have_not_seen(auth: "AuthFeed", caller: "Caller", query: "Query") -> None:
    client = caller(await auth.register(), uuid7())
    tag = (await client.get("/user/v1/me")).headers["ETag"]
    assert (await client.get("/user/v1/me", headers={"If-None-Match": tag})).status_code == 304
    assert (await client.patch("/user/v1/me", json={"name": "Ada"})).status_code == 428
    changes = {"name": " Ada ", "timezone": "Asia/Tokyo", "website": "https://ada.example", "bio": None}
    changed = await client.patch("/user/v1/me", json=changes, headers={"If-Match": tag})
    me = changed.json()
    assert (me["name"], me["timezone"], me["locale"], me["website"]) == (
        "Ada",
        "Asia/Tokyo",
        "de",
        "https://ada.example/",
    )
    tag_now = changed.headers["ETag"]
    assert (await client.patch("/user/v1/me", json={"name": "Ada"}, headers={"If-Match": tag_now})).is_success
    told = "SELECT data ->> 'locale', data ->> 'timezone' FROM outbox WHERE type = 'orion.user.locale.changed.v1'"
    assert await query(told) == [("de", "Asia/Tokyo")], "once, when it has changed"
    late = await client.patch("/user/v1/me", json={"name": "Bob"}, headers={"If-Match": tag})
    assert (late.status_code, late.headers["ETag"]) == (412, changed.headers["ETag"])
    assert (await client.get("/user/v1/me")).headers["ETag"] == changed.headers["ETag"]


async def test_of_many_changes_from_one_state_one_is_made(auth: "AuthFeed", caller: "Caller") -> None:
    client = caller(await auth.register(), uuid7())
    tag = (await client.get("/user/v1/me")).headers["ETag"]
    changes = [client.patch("/user/v1/me", json={"name": f"N{n}"}, headers={"If-Match": tag}) for n in range(8)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*changes)) == [200] + [412] * 7


async def test_a_wrong_method_is_told_the_right_ones(service: httpx.ASGITransport) -> None:
    async with httpx.AsyncClient(transport=service, base_url="http://user.test") as client:
        answer = await client.put("/user/v1/me")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, PATCH")
        answer = await client.delete("/user/v1/me/sessions")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


REFUSED: list[dict[str, Any]] = [
    {"timezone": "Mars/Olympus"},
    {"timezone": None},
    {"locale": "not a locale"},
    {"name": ""},
    {"name": "x" * 101},
    {"name": "a\0b"},
    {"name": "Ada\r\nBcc: everybody@example.com"},
    {"location": "Vienna\x85Austria"},
    {"name": "Ada\u202emoc.elgoog"},
    {"name": "\u200bOrion support"},
    {"name": "\u3164"},  # a letter that is not there
    {"name": "\u200d\ufe0f \u0301"},  # what joins and marks letters, and no letter
    {"location": "Oslo\u061c"},
    {"location": "Vienna\u2028Austria"},
    {"website": "javascript:alert(1)"},
    {"website": "https://github.com@evil.example/"},
    {"avatar_url": "https://:secret@cdn.example/a.png"},
    {"avatar_url": "data:text/html,<script>alert(1)</script>"},
    {"social_links": {"github": "javascript:alert(1)//github.com"}},
    {"email": "eve@example.com"},
    {"status": "ACTIVE"},
]


NAMES = (
    "Conan O'Neil",
    "\u0645\u0647\u062f\u06cc\u200c\u067e\u0648\u0631",  # Persian, with a joiner
    "\u05d3\u05b8\u05bc\u05d5\u05b4\u05d3",  # Hebrew, with points
    "\uae40\ubbfc\uc900",
    "\u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f",  # Arabic, with vowels
    "Ada \u2764\ufe0f",
    "\U0001f469\u200d\U0001f4bb",
    "Jose\u0301",
)


async def test_names_as_people_write_them_are_taken(auth: "AuthFeed", caller: "Caller") -> None:
    client = caller(await auth.register(), uuid7())
    label = TypeAdapter[str](Label)
    for name in NAMES:
        tag = (await client.get("/user/v1/me")).headers["ETag"]
        answer = await client.patch("/user/v1/me", json={"name": name}, headers={"If-Match": tag})
        assert (answer.status_code, answer.json()["name"]) == (200, name)
        assert label.validate_python(name) == name


async def test_what_cannot_be_changed_to(auth: "AuthFeed", caller: "Caller") -> None:
    client = caller(await auth.register(), uuid7())
    tag = (await client.get("/user/v1/me")).headers["ETag"]
    for changes in REFUSED:
        answer = await client.patch("/user/v1/me", json=changes, headers={"If-Match": tag})
        assert answer.status_code == 422, changes
    assert (await client.get("/user/v1/me")).headers["ETag"] == tag


async def test_my_sessions_page_by_page(auth: "AuthFeed", caller: "Caller", clock: MovableClock) -> None:
    user_id, sessions = await auth.register(), [uuid7() for _ in range(5)]
    now = clock()
    for minute, session_id in enumerate([*sessions, uuid7()]):
        started_at = now - timedelta(hours=1) + timedelta(minutes=minute // 2)  # two of each moment
        owner = user_id if session_id in sessions else await auth.register("eve@example.com")
        await auth.bring(
            SessionStarted(
                session_id=session_id, user_id=owner, started_at=started_at, expires_at=now + timedelta(days=1)
            )
        )
    client = caller(user_id, sessions[2])
    seen: list[dict[str, Any]] = []
    url: str | None = "/user/v1/me/sessions?limit=2"
    while url is not None:
        answer = await client.get(url)
        seen += answer.json()["items"]
        url = answer.links["next"]["url"] if answer.json()["next"] else None
    assert {each["id"] for each in seen} == {str(session_id) for session_id in sessions}
    assert len(seen) == 5
    assert [each["started_at"] for each in seen] == sorted((each["started_at"] for each in seen), reverse=True)
    assert [each["id"] for each in seen if each["is_current"]] == [str(sessions[2])]


async def test_a_cursor_is_good_for_its_own_list_only(auth: "AuthFeed", caller: "Caller", clock: MovableClock) -> None:
    ada, eve = await auth.register("ada@example.com"), await auth.register("eve@example.com")
    for _ in range(2):
        at = clock()
        await auth.bring(
            SessionStarted(session_id=uuid7(), user_id=ada, started_at=at, expires_at=at + timedelta(days=1))
        )
    cursor = (await caller(ada, uuid7()).get("/user/v1/me/sessions?limit=1")).json()["next"]
    for stolen in (cursor, "x", cursor[:-2]):
        answer = await caller(eve, uuid7()).get("/user/v1/me/sessions", params={"cursor": stolen})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_the_feed_tells_of_new_users(
    auth: "AuthFeed", service: httpx.ASGITransport, clock: MovableClock, query: "Query", sign: "Sign"
) -> None:
    user_id = await auth.register()
    headers = {"Authorization": f"Bearer {sign('notifications', None, 'events:read')}"}
    async with httpx.AsyncClient(transport=service, base_url="http://user", headers=headers) as client:
        (event,) = (await client.get("/user/v1/events")).json()
    assert (event["type"], event["subject"], event["source"]) == ("orion.user.user.created.v1", str(user_id), "user")
    assert await query("SELECT count(*) FROM outbox WHERE position IS NULL") == [(0,)]


async def test_a_change_of_the_profile_stands_in_the_audit_trail(
    auth: "AuthFeed", caller: "Caller", query: "Query"
) -> None:
    user_id, session_id = await auth.register("ada@example.com", name="Ada"), uuid7()
    client = caller(user_id, session_id)
    etag = (await client.get("/user/v1/me")).headers["ETag"]
    headers = {"If-Match": etag, "X-Request-Id": "r-1"}
    assert (await client.patch("/user/v1/me", json={"name": "Ada L", "bio": None}, headers=headers)).status_code == 200
    fields = "action, actor_id, user_id, session_id, request_id, changed_fields, old_values, new_values, status"
    assert await query(f"SELECT {fields} FROM audit_logs WHERE action = 'user.update'") == [
        (
            "user.update",
            user_id,
            user_id,
            session_id,
            "r-1",
            ["name"],
            {"name": "Ada"},
            {"name": "Ada L"},
            "SUCCESS",
        )
    ]

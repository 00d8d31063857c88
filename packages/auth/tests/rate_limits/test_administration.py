"""Administrators change policies, see who is limited, and lift a limit."""

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

LOGIN = "/auth/v1/rate-limit-policies/login/EMAIL"
MINE = {"limit": 2, "window_seconds": 30, "block_seconds": 0}


async def ask(auth: "Auth", method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    bearer = auth.as_bearer(await auth.operator_token())
    return await auth.http.request(method, path, json=body, headers=bearer | named)


async def etag_of(auth: "Auth", path: str = LOGIN) -> str:
    return (await ask(auth, "GET", path)).headers["ETag"]


async def test_only_administrators_may(auth: "Auth") -> None:
    bearer = auth.as_bearer(await auth.service_token())
    for method, path in [
        ("GET", "/auth/v1/rate-limit-policies"),
        ("GET", LOGIN),
        ("PUT", LOGIN),
        ("DELETE", LOGIN),
        ("GET", "/auth/v1/rate-limits"),
        ("DELETE", f"/auth/v1/rate-limits/{'0' * 32}"),
    ]:
        body = MINE if method == "PUT" else None
        assert (await auth.http.request(method, path, json=body, headers=bearer)).status_code == 403
        assert (await auth.http.request(method, path, json=body)).status_code == 401


async def test_every_policy_is_listed_with_its_etag(auth: "Auth") -> None:
    items = (await ask(auth, "GET", "/auth/v1/rate-limit-policies")).json()["items"]
    [login] = [item for item in items if (item["endpoint"], item["key_type"]) == ("login", "EMAIL")]
    assert login == {
        "endpoint": "login",
        "key_type": "EMAIL",
        "limit": 5,
        "window_seconds": 60,
        "block_seconds": 0,
        "etag": await etag_of(auth),
    }


async def test_a_change_holds_from_the_next_try_and_is_remembered(auth: "Auth") -> None:
    assert [(await auth.sign_in()).status_code for _ in range(3)] == [401] * 3
    changed = await ask(auth, "PUT", LOGIN, MINE, If_Match=await etag_of(auth))
    assert (changed.status_code, changed.headers["ETag"]) == (200, await etag_of(auth))
    assert (await auth.sign_in()).status_code == 429
    [event] = await auth.rows("SELECT event_type, user_id, details FROM security_events")
    assert event["event_type"] == "rate_limit.policy_changed"
    assert event["details"]["actor"] == "operator"
    assert (event["details"]["before"]["limit"], event["details"]["after"]["limit"]) == (5, 2)


async def test_nobody_overwrites_what_he_has_not_seen(auth: "Auth") -> None:
    seen = await etag_of(auth)
    assert (await ask(auth, "PUT", LOGIN, MINE)).status_code == 428
    answers = await asyncio.gather(*(ask(auth, "PUT", LOGIN, MINE | {"limit": n}, If_Match=seen) for n in (7, 8, 9)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412]
    assert (await ask(auth, "DELETE", LOGIN, If_Match=seen)).status_code == 412


async def test_a_policy_is_removed_and_made_again(auth: "Auth") -> None:
    assert (await ask(auth, "DELETE", LOGIN, If_Match=await etag_of(auth))).status_code == 204
    assert (await ask(auth, "GET", LOGIN)).status_code == 404
    assert (await ask(auth, "DELETE", LOGIN, If_Match="*")).status_code == 404
    answers = await asyncio.gather(*(ask(auth, "PUT", LOGIN, MINE) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) in ([201, 412, 412], [201, 412, 428], [201, 428, 428])
    kinds = await auth.rows("SELECT count(*) FROM security_events WHERE event_type = 'rate_limit.policy_changed'")
    assert kinds == [{"count": 2}]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("login/EMAIL", MINE | {"limit": 0}, 422),
        ("login/EMAIL", MINE | {"limit": 10_001}, 422),
        ("login/EMAIL", MINE | {"window_seconds": 0}, 422),
        ("login/EMAIL", MINE | {"block_seconds": -1}, 422),
        ("login/EMAIL", MINE | {"burst": 3}, 422),
        ("login/API_KEY", MINE, 422),
        ("nothing/EMAIL", MINE, 422),
        ("login/NOBODY", MINE, 422),
    ],
)
async def test_what_would_limit_nothing_is_refused(auth: "Auth", path: str, body: Any, status: int) -> None:
    before = await auth.rows("SELECT * FROM rate_limit_policies ORDER BY id")
    assert (await ask(auth, "PUT", f"/auth/v1/rate-limit-policies/{path}", body, If_Match="*")).status_code == status
    assert await auth.rows("SELECT * FROM rate_limit_policies ORDER BY id") == before


async def test_who_is_limited_now_is_listed_and_let_go(auth: "Auth") -> None:
    for _ in range(6):
        await auth.sign_in()
        await auth.sign_in("bob@example.com")
    await auth.sign_in("eve@example.com")
    page = (await ask(auth, "GET", "/auth/v1/rate-limits?limit=1")).json()
    following = (await ask(auth, "GET", f"/auth/v1/rate-limits?limit=1&cursor={page['next']}")).json()
    assert following["next"] is None
    [ada, bob] = sorted(page["items"] + following["items"], key=lambda item: item["whose"])
    assert (ada["whose"], ada["endpoint"], ada["limit"]) == ("ada@example.com@192.0.2.1", "login", 5)
    assert bob["whose"] == "bob@example.com@192.0.2.1"
    [found] = (await ask(auth, "GET", "/auth/v1/rate-limits?whose=bob@")).json()["items"]
    assert found == bob
    assert (await ask(auth, "DELETE", f"/auth/v1/rate-limits/{ada['id']}")).status_code == 204
    assert (await ask(auth, "DELETE", f"/auth/v1/rate-limits/{ada['id']}")).status_code == 404
    assert (await auth.sign_in()).status_code == 401
    assert (await auth.sign_in("bob@example.com")).status_code == 429
    [event] = await auth.rows("SELECT event_type, details->>'key' AS key FROM security_events")
    assert event == {"event_type": "rate_limit.lifted", "key": "login EMAIL ada@example.com@192.0.2.1"}
    auth.clock.advance(seconds=60)
    assert (await ask(auth, "GET", "/auth/v1/rate-limits")).json() == {"items": [], "next": None}

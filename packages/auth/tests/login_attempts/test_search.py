"""Administrators look through attempts to sign in."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

PATH = "/auth/v1/login-attempts"


async def search(auth: "Auth", **filters: Any) -> dict[str, Any]:
    answer = await auth.http.get(PATH, params=filters, headers=auth.as_bearer(await auth.operator_token()))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def reasons(auth: "Auth", **filters: Any) -> list[str | None]:
    return [item["failure_reason"] for item in (await search(auth, **filters))["items"]]


async def test_only_administrators_look(auth: "Auth") -> None:
    assert (await auth.http.get(PATH)).status_code == 401
    assert (await auth.http.get(PATH, headers=auth.as_bearer(await auth.service_token()))).status_code == 403


async def test_attempts_are_found_by_whom_from_where_when_and_what_came_of_them(auth: "Auth") -> None:
    user_id = await auth.verified()
    began = auth.clock()
    await auth.sign_in(password="wrong password")
    auth.clock.advance(minutes=1)
    await auth.sign_in("nobody@example.com")
    auth.clock.advance(minutes=1)
    await auth.sign_in()
    await auth.execute(
        "INSERT INTO login_attempts (email, status, method, is_suspicious, ip_address, attempted_at)"
        " VALUES ('eve@example.com', 'BLOCKED', 'PASSWORD', true, '198.51.100.7', :moment)",
        moment=auth.clock(),
    )
    [_, success, unknown, wrong] = (await search(auth))["items"]
    assert (success["status"], success["email"], success["user_id"]) == ("SUCCESS", "ada@example.com", str(user_id))
    assert (success["ip_address"], success["method"], success["risk_score"]) == ("192.0.2.1", "PASSWORD", 0)
    assert unknown["failure_reason"] == "UNKNOWN_IDENTITY"
    assert wrong["failure_reason"] == "WRONG_PASSWORD"
    assert await reasons(auth, user_id=user_id) == [None, "WRONG_PASSWORD"]
    assert await reasons(auth, email="ADA@example.com", status="FAILED") == ["WRONG_PASSWORD"]
    assert len(await reasons(auth, ip="192.0.2.1")) == 3
    assert len(await reasons(auth, ip="198.51.100.0/24")) == 1
    assert len(await reasons(auth, suspicious=True)) == 1
    assert len(await reasons(auth, suspicious=False)) == 3
    later = (began + timedelta(seconds=30)).isoformat()
    assert await reasons(auth, status="FAILED", since=later) == ["UNKNOWN_IDENTITY"]
    assert await reasons(auth, until=later) == ["WRONG_PASSWORD"]
    assert await reasons(auth, until=later, user_id=user_id, status="SUCCESS") == []


@pytest.mark.parametrize("path", [PATH, "/auth/v1/security-events"])
async def test_a_moment_before_or_after_everything_is_a_bound_like_any_other(auth: "Auth", path: str) -> None:
    headers = auth.as_bearer(await auth.operator_token())
    for moment in ("1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"):
        for bound in ("since", "until"):
            answer = await auth.http.get(path, params={bound: moment}, headers=headers)
            assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("filters", [{}, {"email": "ada@example.com"}, {"ip": "192.0.2.1", "status": "BLOCKED"}])
async def test_pages_follow_each_other_while_attempts_go_on(auth: "Auth", filters: dict[str, str]) -> None:
    for n in range(7):
        await auth.execute(
            "INSERT INTO login_attempts (email, status, method, ip_address, attempted_at)"
            " VALUES ('ada@example.com', 'BLOCKED', 'PASSWORD', '192.0.2.1', :moment)",
            moment=auth.clock() + timedelta(seconds=n // 3),
        )
    auth.clock.advance(minutes=1)
    seen: list[str] = []
    page = await search(auth, limit=3, **filters)
    while True:
        seen += [item["id"] for item in page["items"]]
        await auth.sign_in(password="wrong password")
        if page["next"] is None:
            break
        page = await search(auth, limit=3, cursor=page["next"], **filters)
    expected = await auth.rows(
        "SELECT id FROM login_attempts WHERE status = 'BLOCKED' ORDER BY attempted_at DESC, id DESC"
    )
    assert seen == [str(row["id"]) for row in expected]


@pytest.mark.parametrize(
    ("filters", "status"),
    [
        ({"ip": "nowhere"}, 422),
        ({"status": "MAYBE"}, 422),
        ({"since": "2026-01-01T00:00:00"}, 422),
        ({"color": "red"}, 422),
        ({"cursor": "AAAA"}, 400),
    ],
)
async def test_what_cannot_be_asked_is_refused(auth: "Auth", filters: dict[str, str], status: int) -> None:
    headers = auth.as_bearer(await auth.operator_token())
    assert (await auth.http.get(PATH, params=filters, headers=headers)).status_code == status

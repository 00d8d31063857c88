"""Refresh tokens that are shown at the same time share a round trip, and none of them notices."""

from ipaddress import ip_address
from typing import TYPE_CHECKING

from orion_auth.base import AnyRow
from orion_auth.refresh_tokens import store
from orion_auth.refresh_tokens.store import Asked
from orion_auth.tokens.rules import parse
from orion_core.ids import uuid7
from orion_core.secrets import hash_secret, new_secret, new_selector

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

SPENT = "UPDATE rate_limits SET passes = array_fill(passes[1], ARRAY[10]), count = 10 WHERE key = :key"
STATUSES = (
    "SELECT status::text FROM auth_tokens WHERE token = ANY(:selectors) ORDER BY array_position(:selectors, token)"
)


async def sessions(auth: "Auth", *emails: str) -> list[str]:
    """A refresh token of each; the same address twice is one user with two sessions."""
    for email in dict.fromkeys(emails):
        await auth.verified(email)
    return [(await auth.sign_in(email)).json()["refresh_token"] for email in emails]


def showing(text: str) -> Asked:
    shown = parse(text)
    assert shown is not None
    return Asked(
        selector=shown.selector,
        token_hash=hash_secret(shown.secret),
        client=hash_secret("laptop"),
        key=None,
        scopes="",
        address=ip_address("192.0.2.1"),
        agent=None,
        new_id=uuid7(),
        new_selector=new_selector(),
        new_hash=hash_secret(new_secret()),
    )


async def rotate(auth: "Auth", asked: list[Asked]) -> list[AnyRow | None]:
    async with auth.application.state.components.database.autocommit() as connection:
        return await store.rotate(connection, asked, auth.clock())


async def owners(auth: "Auth", *emails: str) -> list[object]:
    query = "SELECT id FROM identities WHERE email = ANY(:emails) ORDER BY array_position(:emails, email)"
    return [row["id"] for row in await auth.rows(query, emails=list(emails))]


async def test_each_gets_the_successor_of_what_it_has_shown(auth: "Auth") -> None:
    emails = [f"user{n}@example.com" for n in range(4)]
    asked = [showing(token) for token in await sessions(auth, *emails)]
    rows = await rotate(auth, asked)
    assert [row and row.user_id for row in rows] == await owners(auth, *emails)
    assert [row and row.count for row in rows] == [1] * 4
    selectors = [each.selector for each in asked] + [each.new_selector for each in asked]
    assert [row["status"] for row in await auth.rows(STATUSES, selectors=selectors)] == ["USED"] * 4 + ["ACTIVE"] * 4


async def test_what_is_no_token_is_nobodys_hindrance(auth: "Auth") -> None:
    [token] = await sessions(auth, "ada@example.com")
    unknown = f"{new_selector()}.{new_secret()}"
    guessed = f"{token.partition('.')[0]}.{new_secret()}"
    rows = await rotate(auth, [showing(unknown), showing(token), showing(guessed)])
    assert [row is not None for row in rows] == [False, True, False]


async def test_sessions_of_one_user_take_turns_and_are_counted_each(auth: "Auth") -> None:
    tokens = await sessions(auth, "ada@example.com", "grace@example.com", "ada@example.com")
    rows = await rotate(auth, [showing(token) for token in tokens])
    assert [row and row.user_id for row in rows] == await owners(auth, "ada@example.com", "grace@example.com") + [
        rows[0] and rows[0].user_id
    ]
    assert [row and row.count for row in rows] == [1, 1, 2]


async def test_a_token_that_is_shown_twice_has_one_successor(auth: "Auth") -> None:
    [token] = await sessions(auth, "ada@example.com")
    first, second = await rotate(auth, [showing(token), showing(token)])
    assert first is not None and first.user_id is not None
    assert second is not None and second.user_id is None, "to be judged as what was shown again"


async def test_who_refreshes_too_often_is_refused_alone(auth: "Auth") -> None:
    tokens = await sessions(auth, "ada@example.com", "grace@example.com")
    asked = [showing((await auth.refresh(token)).json()["refresh_token"]) for token in tokens]
    [ada, _] = await owners(auth, "ada@example.com", "grace@example.com")
    await auth.execute(SPENT, key=f"refresh USER {ada}")
    refused, rotated = await rotate(auth, asked)
    assert refused is not None and refused.count > refused.limit and refused.user_id is None
    assert rotated is not None and rotated.user_id is not None
    kept = await auth.rows(STATUSES, selectors=[each.selector for each in asked])
    assert [row["status"] for row in kept] == ["ACTIVE", "USED"]

"""Finding users: what a search finds is what the same words find in a plain list, in the order asked for, by pages."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_core.testing import MovableClock
from orion_user.users.rules import pattern

if TYPE_CHECKING:
    from packages.user.tests.conftest import People, Query

USERS = "/user/v1/users"


async def pages(client: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        query = {**params, **({"cursor": cursor} if cursor else {})}
        answer = await client.get(USERS, params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if (cursor := page["next"]) is None:
            return found


@pytest.fixture
async def moderator(people: "People", clock: MovableClock, query: "Query") -> httpx.AsyncClient:
    """Seven users beside the one who looks."""
    for number, name in enumerate(("Ada", "Adele", "Grace", "Hedy", "Mary 100%", "Rosa_L", "Emmy")):
        at = clock() - timedelta(hours=10 - number)
        user_id = await people.add(f"{name.lower()[:4].strip()}{number}@example.com", name=name)
        await query("UPDATE users SET created_at = :now WHERE id = :id", now=at, id=user_id)
        if number % 2:
            await query("UPDATE users SET last_login_at = :now WHERE id = :id", now=at, id=user_id)
    return await people.moderator()


async def test_every_order_gives_every_user_once(moderator: httpx.AsyncClient) -> None:
    for field in ("created_at", "email", "last_login_at"):
        for sort in (field, f"-{field}"):
            values = [user[field] for user in await pages(moderator, sort=sort, limit=2)]
            assert len(values) == (3 if field == "last_login_at" else 8)
            assert values == sorted(values, reverse=sort.startswith("-"))


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"q": "ada"}, {"Ada"}),
        ({"q": "ade", "is_prefix": True}, {"Adele"}),
        ({"q": "dele", "is_prefix": True}, set[str]()),
        ({"q": "100%"}, {"Mary 100%"}),
        ({"q": "%%%"}, set[str]()),
        ({"q": "a_l"}, {"Rosa_L"}),
        ({"q": "grac2@"}, {"Grace"}),
        ({"status": "SUSPENDED"}, set[str]()),
        ({"status": ["ACTIVE", "PENDING"], "q": "hedy", "is_verified": True}, {"Hedy"}),
        ({"is_verified": False}, set[str]()),
    ],
)
async def test_what_is_found(moderator: httpx.AsyncClient, params: dict[str, Any], names: set[str]) -> None:
    assert {user["name"] for user in await pages(moderator, **params)} == names


async def test_a_span_of_time(moderator: httpx.AsyncClient) -> None:
    everybody = await pages(moderator, sort="created_at")
    since, before = everybody[2]["created_at"], everybody[4]["created_at"]
    found = await pages(moderator, created_from=since, created_before=before, sort="created_at")
    assert found == everybody[2:4]


@pytest.mark.parametrize(
    "params",
    [
        {"q": "ab"},
        {"q": "x" * 101},
        {"status": "GONE"},
        {"sort": "password"},
        {"limit": 0},
        {"limit": 201},
        {"created_from": "yesterday"},
    ],
)
async def test_what_cannot_be_asked(moderator: httpx.AsyncClient, params: dict[str, Any]) -> None:
    assert (await moderator.get(USERS, params=params)).status_code == 422


async def test_a_cursor_is_good_for_its_filters_only(moderator: httpx.AsyncClient) -> None:
    cursor = (await moderator.get(USERS, params={"limit": 1})).json()["next"]
    answer = await moderator.get(USERS, params={"limit": 1, "q": "ada", "cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


@given(st.text(alphabet="a%_\\b", max_size=8))
def test_what_means_something_to_like_stands_for_itself(text: str) -> None:
    escaped = pattern(text, is_prefix=True).removesuffix("%")
    undone, rest = "", escaped
    while rest:
        step = 2 if rest[0] == "\\" else 1
        undone, rest = undone + rest[step - 1], rest[step:]
    assert undone == text

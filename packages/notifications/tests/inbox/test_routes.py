"""My messages over HTTP: mine alone, newest first, page by page."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.errors import unauthenticated
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_notifications.app import build

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import MakeSettings, Query

ADA, BOB = uuid7(), uuid7()
PATH = "/notifications/v1/me/notifications"


async def as_named(request: Request) -> AccessClaims:
    """In these tests the token is the user's id."""
    user = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not user:
        raise unauthenticated("no token")
    return AccessClaims(iss="i", aud="orion", sub=user, client_id="c", sid="s", exp=2, iat=1, jti="j")


Client = Callable[[UUID], httpx.AsyncClient]


@pytest.fixture
async def client(make_settings: "MakeSettings", clock: MovableClock) -> AsyncGenerator[Client]:
    application = build(make_settings(), httpx.AsyncClient(), clock)
    components = application.state.components
    application.state.components = replace(components, authenticate=as_named)

    def of(user: UUID) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(application)
        return httpx.AsyncClient(transport=transport, base_url="http://n", headers={"Authorization": f"Bearer {user}"})

    yield of
    await components.database.close()


async def add(query: "Query", user: UUID, channel: str = "IN_APP", status: str = "DELIVERED") -> str:
    notification_id = uuid7()
    await query(
        "INSERT INTO notifications (id, user_id, type, category, channel, status, content, delivered_at, sent_at) "
        "VALUES (:id, :user, 't', 'SYSTEM', CAST(:channel AS channel), CAST(:status AS notification_status), 'c', "
        "now(), now())",
        id=notification_id,
        user=user,
        channel=channel,
        status=status,
    )
    return str(notification_id)


async def test_pages_follow_each_other_without_gap_or_repetition(client: Client, query: "Query") -> None:
    added = [await add(query, ADA) for _ in range(7)]
    await add(query, BOB)
    found: list[str] = []
    async with client(ADA) as http:
        url: str | None = f"{PATH}?limit=3"
        while url:
            answer = await http.get(url)
            page = answer.raise_for_status().json()
            found += [item["id"] for item in page["items"]]
            assert bool(page["next"]) == ("next" in answer.links)
            url = answer.links["next"]["url"] if answer.links else None
    assert found == added[::-1]


async def test_a_cursor_is_good_for_its_own_listing_only(client: Client, query: "Query") -> None:
    for user in (ADA, ADA, BOB, BOB):
        await add(query, user)
    async with client(ADA) as ada, client(BOB) as bob:
        cursor = (await ada.get(PATH, params={"limit": 1})).json()["next"]
        assert (await bob.get(PATH, params={"limit": 1, "cursor": cursor})).status_code == 400
        assert (await ada.get(PATH, params={"unread": True, "cursor": cursor})).status_code == 400


async def test_filters(client: Client, query: "Query") -> None:
    in_app, mail = await add(query, ADA), await add(query, ADA, "EMAIL", "SENT")
    await add(query, ADA, "EMAIL", "QUEUED")
    async with client(ADA) as http:
        assert [item["id"] for item in (await http.get(PATH)).json()["items"]] == [mail, in_app]
        assert [item["id"] for item in (await http.get(PATH, params={"channel": "EMAIL"})).json()["items"]] == [mail]
        assert [item["id"] for item in (await http.get(PATH, params={"unread": True})).json()["items"]] == [in_app]
        assert (await http.get(PATH, params={"channel": "PIGEON"})).status_code == 422


async def test_reading_takes_a_message_off_the_unread(client: Client, query: "Query", clock: MovableClock) -> None:
    notification_id = await add(query, ADA)
    async with client(ADA) as http:
        before = await http.get(f"{PATH}/{notification_id}")
        marked = await http.patch(f"{PATH}/{notification_id}", json={"read": True})
        assert marked.json()["read_at"] is not None
        assert marked.json()["seen_at"] is not None
        assert marked.headers["etag"] != before.headers["etag"]
        assert (await http.get(PATH, params={"unread": True})).json()["items"] == []
        first = marked.json()["read_at"]
        clock.advance(minutes=1)
        assert (await http.patch(f"{PATH}/{notification_id}", json={"read": True})).json()["read_at"] == first
        unread = await http.patch(f"{PATH}/{notification_id}", json={"read": False})
        assert unread.json()["read_at"] is None
        assert unread.json()["seen_at"] is not None


async def test_messages_of_others_do_not_exist(client: Client, query: "Query") -> None:
    notification_id = await add(query, ADA)
    async with client(BOB) as http:
        for answer in (
            await http.get(f"{PATH}/{notification_id}"),
            await http.patch(f"{PATH}/{notification_id}", json={"read": True}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert (await http.get(PATH)).json()["items"] == []


async def test_bad_changes_are_refused(client: Client, query: "Query") -> None:
    notification_id = await add(query, ADA)
    async with client(ADA) as http:
        for body in ({}, {"read": "perhaps"}, {"read": True, "subject": "x"}):
            assert (await http.patch(f"{PATH}/{notification_id}", json=body)).status_code == 422
        assert (await http.get(f"{PATH}/not-a-uuid")).status_code == 422


async def test_readiness_tells_what_is_wrong_and_serves_on(client: Client) -> None:
    async with client(ADA) as http:
        answer = await http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert "auth revocations" in answer.json()["faults"]

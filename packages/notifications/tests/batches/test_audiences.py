"""Batches to a role, an organization or a tag: whoever user names gets it, once, whoever dies and whatever is away."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from packages.notifications.tests.batches.test_batches import NDJSON, OWN, SCOPES, become, people
from packages.notifications.tests.batches.test_batches import WANTED as UPLOADED
from packages.notifications.tests.test_guard import Tokens

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_notifications import audience_pages
from orion_notifications.audience_pages import AudiencePages
from orion_notifications.batches.feeding import look
from orion_notifications.batches.gathering import gather
from orion_notifications.batches.rules import ASK_AGAIN, COUNT_EVERY, GATHERING

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Callers, Query

    from orion_notifications.desk import Desk

WANTED = UPLOADED | {"audience": {"role": "admin"}, "variables": UPLOADED["variables"] | OWN}


class User:
    """User, as far as it names audiences: two users a page."""

    def __init__(self, *named: UUID) -> None:
        self.named = sorted(named)
        self.is_away = False
        self.refusal: dict[str, str] | None = None
        self.asked: list[Any] = []
        self.came = asyncio.Semaphore(0)
        """Counts the questions that nobody has waited for."""
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(json.loads(request.content))
        self.came.release()
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.is_away:
            raise httpx.ReadTimeout("away")
        if self.refusal is not None:
            return httpx.Response(404, json=self.refusal)
        after = UUID(self.asked[-1]["after"] or str(UUID(int=0)))
        rest = [each for each in self.named if each > after]
        page = [str(each) for each in rest[:2]]
        return httpx.Response(200, json={"user_ids": page, "next": page[-1] if len(rest) > 2 else None})


@pytest.fixture
def user() -> User:
    return User(*(uuid7() for _ in range(4)))


@pytest.fixture
def pages(user: User, monkeypatch: pytest.MonkeyPatch) -> AudiencePages:
    monkeypatch.setattr(audience_pages, "PAUSES", ())
    http = httpx.AsyncClient(transport=httpx.MockTransport(user.answer))
    return AudiencePages(http, "http://user", Tokens())


Gather = Callable[[], Coroutine[Any, Any, bool]]


@pytest.fixture
def page(database: Database, pages: AudiencePages, clock: MovableClock) -> Gather:
    """`await page()`: what a worker does for one page."""

    async def run() -> bool:
        return await gather(database, pages, clock)

    return run


async def begin(http: httpx.AsyncClient, **more: Any) -> str:
    made = await http.post("/batches", json=WANTED | more)
    assert made.status_code == 201, made.text
    path = made.headers["Location"].removeprefix("/notifications/v1")
    await become(http, path, "RUNNING")
    return path


async def test_whoever_user_names_gets_it_once_though_workers_die(
    caller: "Callers",
    auth: "AuthFeed",
    user: User,
    page: Gather,
    query: "Query",
    database: Database,
    desk: "Desk",
    clock: MovableClock,
) -> None:
    ada = await auth.register()
    user.named = sorted([*user.named, ada])
    async with caller(SCOPES) as http:
        path = await begin(http, audience={"role": "admin", "scope": "GLOBAL"})
        assert not await look(database, desk, clock()), "nothing is made before all are known"
        assert await page()
        await user.came.acquire()
        killed = asyncio.create_task(page())
        await user.came.acquire()
        killed.cancel()  # before the page was kept
        await asyncio.gather(killed, return_exceptions=True)
        assert not await page(), "it is the other one's for a minute"
        clock.advance(seconds=GATHERING.total_seconds())
        user.meanwhile = asyncio.Barrier(2).wait
        late = asyncio.create_task(page())
        await user.came.acquire()
        clock.advance(seconds=GATHERING.total_seconds())
        assert await asyncio.gather(late, page()) == [True, True]  # both have the same page
        user.meanwhile = None
        assert (await http.get(path)).json()["recipient_count"] == 4
        assert await page()
        assert not await page()
        assert [each["after"] for each in user.asked] == [None, *[str(user.named[1])] * 3, str(user.named[3])]
        assert {json.dumps(each["audience"]) for each in user.asked} == {'{"role": "admin", "scope": "GLOBAL"}'}
        for _ in range(2):
            while await look(database, desk, clock()):
                pass
            clock.advance(seconds=COUNT_EVERY.total_seconds())
        shown = (await http.get(path)).json()
    assert (shown["recipient_count"], shown["fed_count"], shown["audience"]["scope"]) == (5, 5, "GLOBAL")
    written = await query("SELECT user_id FROM notifications WHERE batch_id IS NOT NULL ORDER BY user_id")
    assert [user_id for (user_id,) in written] == user.named


async def test_it_waits_for_user_and_says_so_and_heeds_a_pause(
    caller: "Callers", user: User, page: Gather, clock: MovableClock
) -> None:
    async with caller(SCOPES) as http:
        path = await begin(http)
        assert await page()
        user.is_away = True
        assert await page()
        assert not await page(), "it is not asked at once"
        shown = (await http.get(path)).json()
        assert (shown["status"], shown["recipient_count"]) == ("RUNNING", 2)
        assert shown["reason"] == "It waits: user could not be asked who is meant (ReadTimeout)."
        user.is_away = False
        clock.advance(seconds=ASK_AGAIN.total_seconds())
        user.meanwhile = lambda: become(http, path, "PAUSED")
        assert await page()
        user.meanwhile = None
        assert not await page()
        assert (await http.get(path)).json()["recipient_count"] == 2
        await become(http, path, "RUNNING")
        assert await page()
        shown = (await http.get(path)).json()
    assert (shown["recipient_count"], shown["reason"]) == (4, None)


async def test_what_does_not_exist_fails_and_nobody_is_nobody(
    caller: "Callers", user: User, page: Gather, database: Database, desk: "Desk", clock: MovableClock
) -> None:
    async with caller(SCOPES) as http:
        path = await begin(http, audience={"organization_id": str(uuid7())})
        user.refusal = {"code": "organization_not_found", "detail": "There is no such organization."}
        assert await page()
        shown = (await http.get(path)).json()
        assert (shown["status"], shown["reason"]) == (
            "FAILED",
            "Nobody is sent anything: There is no such organization.",
        )
        user.refusal, user.named = None, []
        path = await begin(http, audience={"tag": "beta"})
        assert await page()
        while await look(database, desk, clock() + timedelta(seconds=1)):
            pass
        shown = (await http.get(path)).json()
    assert (shown["status"], shown["reason"], shown["total_sent"]) == ("COMPLETED", "The audience is empty.", 0)


async def test_what_can_be_known_without_asking_is_said_at_once(caller: "Callers", user: User) -> None:
    without = {name: value for name, value in WANTED["variables"].items() if name != "name"}
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("/audience", {"audience": {}}),
        ("/audience", {"audience": {"role": "admin", "tag": "beta"}}),
        ("/audience", {"audience": {"tag": "beta", "scope": "GLOBAL"}}),
        ("/audience/plan", {"audience": {"plan": "gold"}}),
        ("/variables", {"variables": without}),
    ]
    async with caller(SCOPES) as http:
        for field, more in wrong:
            refused = await http.post("/batches", json=WANTED | more)
            assert refused.status_code == 422, refused.text
            assert field in {each["field"] for each in refused.json()["errors"]}, refused.text
        key = {"Idempotency-Key": "june"}
        made, again = [await http.post("/batches", json=WANTED, headers=key) for _ in range(2)]
        assert made.json() == again.json()
        assert made.json()["audience"]["role"] == "admin"
        path = made.headers["Location"].removeprefix("/notifications/v1")
        sent = await http.put(f"{path}/recipients/1", content=people(1), headers=NDJSON)
        assert (sent.status_code, sent.json()["code"]) == (409, "has_audience")
    assert user.asked == []

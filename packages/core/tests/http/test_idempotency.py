"""A POST that is sent again under its key takes effect once and gets the same answer, whatever happened between."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Annotated

import asyncpg
import httpx
import pytest
from fastapi import APIRouter, FastAPI, Header
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orion_core.database import Database
from orion_core.errors import Problem
from orion_core.http.idempotency import LIFETIME, Claim, IdempotencyKeys
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock

MakeApplication = Callable[..., FastAPI]

EFFECT = text("""
    INSERT INTO inbox_cursors (source, position) VALUES ('effect', 1)
    ON CONFLICT (source) DO UPDATE SET position = inbox_cursors.position + 1 RETURNING position
""")


class Shop:
    """A service whose one action counts how often it took effect."""

    def __init__(self, database: Database, keyring: Keyring, clock: MovableClock) -> None:
        self.database = database
        self.clock = clock
        self.keys = IdempotencyKeys(database, keyring, clock)
        self.slow = asyncio.Event()
        self.slow.set()
        self.stock = 100
        self.dies = False
        self.recalls = False
        self.may = True

    def routes(self) -> APIRouter:
        router = APIRouter()

        @router.post("/orders")
        async def order(request: Request, who: Annotated[str, Header()] = "me") -> Response:
            return await self.keys.once(request, who, self.order, self.answer, work_recalls=self.recalls)

        return router

    async def order(self, claim: Claim[int]) -> int:
        """Take effect in one transaction, and settle it there."""
        async with self.database.transaction() as transaction:
            if not self.may:
                raise Problem(403, "permission_denied", "Not allowed", "Not you.")
            if self.recalls:
                await claim.recall(transaction.connection)
            number = (await transaction.connection.execute(EFFECT)).scalar_one()
            await self.slow.wait()
            if number > self.stock:
                raise Problem(409, "sold_out", "Sold out", "There are none left.")
            await claim.settle(transaction, number)
            if self.dies:
                raise InterruptedError
        return number

    @staticmethod
    def answer(number: int) -> Response:
        """The answer to an order, with a secret in it."""
        return JSONResponse({"number": number, "token": "only-once"}, 201, headers={"Location": f"/orders/{number}"})


@pytest.fixture
def shop(database: Database, keyring: Keyring, clock: MovableClock) -> Shop:
    return Shop(database, keyring, clock)


@pytest.fixture
async def http(shop: Shop, make_application: MakeApplication) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_application(None, shop.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://sample") as client:
        yield client


async def post(
    http: httpx.AsyncClient, key: str | None = "k", *, query: str = "", json: object = None, who: str = "me"
) -> httpx.Response:
    headers = {**({"Idempotency-Key": key} if key is not None else {}), "Who": who}
    return await http.post(f"/orders{query}", headers=headers, json=json)


async def effects(owner: asyncpg.Connection) -> int:
    return await owner.fetchval("SELECT coalesce(max(position), 0) FROM inbox_cursors WHERE source = 'effect'")


async def test_without_a_key_each_request_takes_effect(http: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    assert [(await post(http, None)).json()["number"] for _ in range(2)] == [1, 2]
    assert await effects(owner) == 2


async def test_a_repeated_request_gets_the_same_answer(http: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    first, second = await post(http, json={"a": 1}), await post(http, json={"a": 1})
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["location"] == first.headers["location"] == "/orders/1"
    assert second.headers["content-type"] == first.headers["content-type"]
    assert (first.headers.get("idempotency-replayed"), second.headers["idempotency-replayed"]) == (None, "true")
    assert await effects(owner) == 1


async def test_a_key_belongs_to_one_request(http: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    await post(http, json={"a": 1})
    for answer in (await post(http, json={"a": 2}), await post(http, json={"a": 1}, query="?b=1")):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await effects(owner) == 1


async def test_a_key_belongs_to_one_caller(http: httpx.AsyncClient) -> None:
    assert [(await post(http, who=who)).json()["number"] for who in ("me", "you", "me")] == [1, 2, 1]


@pytest.mark.parametrize("stock", [100, 1], ids=["enough for both", "enough for one"])
async def test_of_requests_in_parallel_one_takes_effect_and_both_get_its_answer(
    stock: int, shop: Shop, http: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    """Also when what the one has done is what refuses the other."""
    shop.stock = stock
    shop.slow.clear()
    requests = [asyncio.create_task(post(http)) for _ in range(2)]  # both find no answer, and both begin
    await asyncio.sleep(0.2)
    shop.slow.set()
    one, other = await asyncio.gather(*requests)
    assert (one.status_code, one.content) == (other.status_code, other.content) == (201, one.content)
    assert {one.headers.get("idempotency-replayed"), other.headers.get("idempotency-replayed")} == {None, "true"}
    assert await effects(owner) == 1


async def test_when_the_first_of_two_fails_the_second_takes_effect(
    shop: Shop, http: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    shop.slow.clear()
    first = asyncio.create_task(post(http))
    await asyncio.sleep(0.1)
    second = asyncio.create_task(post(http))
    await asyncio.sleep(0.1)
    first.cancel()
    shop.slow.set()
    assert (await second).status_code == 201 and await effects(owner) == 1


async def test_a_refusal_leaves_the_key_free(shop: Shop, http: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    shop.stock = 0
    assert (await post(http)).json()["code"] == "sold_out"
    shop.stock = 1
    assert (await post(http)).status_code == 201 and await effects(owner) == 1


async def test_a_crash_before_the_commit_leaves_neither_effect_nor_answer(
    shop: Shop, http: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    shop.dies = True
    assert (await post(http)).status_code == 500
    assert (await effects(owner), await owner.fetchval("SELECT count(*) FROM idempotency_keys")) == (0, 0)
    shop.dies = False
    assert (await post(http)).json()["number"] == 1


async def test_a_crash_after_the_commit_leaves_both(
    shop: Shop, http: httpx.AsyncClient, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shop.order

    async def order_and_die(claim: Claim[int]) -> int:
        await order(claim)
        raise InterruptedError

    monkeypatch.setattr(shop, "order", order_and_die)
    assert (await post(http)).status_code == 500
    monkeypatch.undo()
    answer = await post(http)
    assert (answer.json()["number"], answer.headers["idempotency-replayed"]) == (1, "true")
    assert await effects(owner) == 1


async def test_a_key_is_free_again_when_its_time_is_over(
    shop: Shop, http: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    """Also before anybody has cleared the old row away."""
    await post(http, json={"a": 1})
    shop.clock.advance(seconds=LIFETIME.total_seconds() - 1)
    assert (await post(http, json={"a": 1})).headers["idempotency-replayed"] == "true"
    shop.clock.advance(seconds=1)
    assert (await post(http, json={"a": 2})).json()["number"] == 2
    assert (await post(http, json={"a": 2})).headers["idempotency-replayed"] == "true"
    assert await effects(owner) == 2


async def test_whoever_may_no_more_is_not_told_what_was_answered(
    shop: Shop, http: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    """Where the work itself finds out whether the caller may, and recalls then."""
    shop.recalls = True
    first = await post(http)
    shop.may = False
    refused = await post(http)
    assert (refused.status_code, "only-once" in refused.text) == (403, False)
    shop.may = True
    again = await post(http)
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert (await post(http, json={"a": 2})).json()["code"] == "idempotency_key_reused"
    assert await effects(owner) == 1


async def test_a_rotation_of_keys_changes_nothing_for_those_who_repeat(
    shop: Shop, http: httpx.AsyncClient, keyring: Keyring, owner: asyncpg.Connection
) -> None:
    first = await post(http)
    new = Keyring.parse(Keyring.new_key("new"))
    shop.keys = IdempotencyKeys(shop.database, Keyring({**new.keys, **keyring.keys}), shop.clock)
    assert (await post(http)).content == first.content
    shop.keys = IdempotencyKeys(shop.database, new, shop.clock)  # the old key is gone too soon
    assert (await post(http)).status_code in {409, 422} and await effects(owner) == 1


async def test_kept_answers_are_sealed(http: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    await post(http, json={"password": "hunter2"})
    row = await owner.fetchrow("SELECT * FROM idempotency_keys")
    assert row is not None
    assert not any(secret in str(dict(row.items())) for secret in ("only-once", "hunter2"))
    assert row["response_body"] is not None and b"only-once" not in row["response_body"]


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_that_is_none_is_refused(key: str, http: httpx.AsyncClient) -> None:
    answer = await post(http, key)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")

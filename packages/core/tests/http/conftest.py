"""A tiny service made with the HTTP kit, and a way to send it what no decent client would."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message

from orion_core.database import Database
from orion_core.errors import not_found
from orion_core.http.application import create_application
from orion_core.http.context import Context
from orion_core.http.shapes import RequestShape
from orion_core.settings import ServiceSettings

BODY_LIMIT = 2048


class Part(RequestShape):
    """A nested body."""

    size: int


class Thing(RequestShape):
    """A body."""

    name: str
    part: Part | None = None
    notes: dict[str, Any] | None = None


def routes(database: Database) -> APIRouter:
    router = APIRouter(prefix="/sample/v1")

    @router.post("/things")
    async def add_thing(thing: Thing) -> dict[str, Any]:
        return thing.model_dump()

    @router.get("/things/{thing_id}")
    async def one_thing(thing_id: UUID, limit: int = 1) -> dict[str, Any]:
        if limit == 0:
            raise not_found("thing")
        return {"id": str(thing_id), "limit": limit}

    @router.post("/forms")
    async def form(request: Request) -> dict[str, Any]:
        (name,) = parse_qs((await request.body()).decode())["name"]
        async with database.autocommit() as connection:
            return {"name": (await connection.execute(text("SELECT CAST(:name AS text)"), {"name": name})).scalar_one()}

    @router.post("/raw")
    async def raw(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @router.get("/context")
    async def context(known: Context) -> dict[str, Any]:
        return {"id": known.request_id, "ip": str(known.ip_address), "agent": known.user_agent}

    @router.get("/bug/{secret}")
    async def bug(secret: str) -> None:
        raise RuntimeError(f"something private: {secret}")

    @router.get("/bad-statement")
    async def bad_statement() -> None:
        async with database.autocommit() as connection:
            await connection.execute(text("SELECT 1 / 0"))

    @router.get("/collision/{sqlstate}")
    async def collision(sqlstate: str) -> None:
        async with database.autocommit() as connection:
            collide = f"DO $$ BEGIN RAISE EXCEPTION 'who collided' USING ERRCODE = '{sqlstate}'; END $$"
            await connection.execute(text(collide))

    @router.get("/row")
    async def row() -> int:
        async with database.transaction() as transaction:
            return (await transaction.connection.execute(text("SELECT 1"))).scalar_one()

    @router.post("/row")
    async def write() -> None:
        async with database.transaction() as transaction:
            await transaction.connection.execute(text("DELETE FROM inbox_cursors WHERE false"))

    @router.get("/page", response_class=Response)
    async def page() -> Response:
        return JSONResponse({}, headers={"Cache-Control": "max-age=60"})

    return router


def sample_settings(**changes: Any) -> ServiceSettings:
    return ServiceSettings.load().model_copy(update={"body_limit": BODY_LIMIT, **changes})


MakeApplication = Callable[..., FastAPI]


@pytest.fixture
def make_application(database: Database) -> MakeApplication:
    """`make_application(database=…, trusted_proxies=…, more=router)`."""

    def make(own: Database | None = None, *more: APIRouter, **changes: Any) -> FastAPI:
        used = own or database
        return create_application(
            name="sample",
            title="Sample",
            settings=sample_settings(**changes),
            database=used,
            components=None,
            routers=[routes(used), *more],
        )

    return make


@pytest.fixture
async def http(make_application: MakeApplication) -> AsyncGenerator[httpx.AsyncClient]:
    """HTTP to the tiny service."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_application()), base_url="http://sample") as client:
        yield client


@dataclass(frozen=True)
class Answer:
    """What an ASGI application sent."""

    status: int
    headers: dict[str, str]
    body: bytes


Send = Callable[..., Any]


@pytest.fixture
def send(make_application: MakeApplication) -> Send:
    """`await send(path, body=[b"…"], headers={…}, …)`: one request, past every client's own checks."""
    application = make_application()

    async def exchange(
        path: str,
        method: str = "GET",
        body: tuple[bytes, ...] = (),
        headers: dict[str, str] | None = None,
        **scope: Any,
    ) -> Answer:
        chunks = list(body) or [b""]
        sent: list[Message] = []

        async def receive() -> Message:
            chunk = chunks.pop(0) if chunks else b""
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

        async def take(message: Message) -> None:
            sent.append(message)

        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        whole: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": b"", "headers": raw, "client": ("192.0.2.1", 5000),
            "server": ("sample", 80),
        } | scope  # fmt: skip
        await application(whole, receive, take)
        start = sent[0]
        answered = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]))

    return exchange

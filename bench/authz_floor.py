"""The least that a check over HTTP can cost here: the server and the driver alone, and with FastAPI between them.

Served by `authz_http.py` as the services are. Both paths take the body of a check, ask PostgreSQL for one row by its
key, and answer as the service does: without a token, a log, metrics, request ids, or a look at what was asked.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from fastapi import FastAPI

from orion_core.database import asyncpg_arguments
from orion_core.service import service_role
from orion_user.decisions.shapes import DecisionShape, EvaluationShape

STATEMENT = "SELECT status::text FROM users WHERE id = $1::uuid"  # pk_users


@asynccontextmanager
async def lifespan(served: FastAPI) -> AsyncGenerator[None]:
    """A pool for each worker."""
    url, options = asyncpg_arguments(os.environ["USER_DATABASE_URL"])
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    settings = {"role": service_role("user")}
    driver: Any = asyncpg
    async with driver.create_pool(plain, min_size=1, max_size=10, server_settings=settings, **options) as pool:
        served.state.pool = pool
        yield


framework = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)


async def ask(user_id: str) -> DecisionShape:
    """The round trip."""
    pool: Any = framework.state.pool
    return DecisionShape(decision=await pool.fetchval(STATEMENT, user_id) == "ACTIVE", context={"reason": "allowed"})


@framework.post("/framework")
async def evaluate(asked: EvaluationShape) -> DecisionShape:
    """The question read by pydantic, the answer written by it."""
    return await ask(asked.subject.id)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """`/bare` is answered here, everything else by the framework."""
    if scope["type"] != "http" or scope["path"] != "/bare":
        await framework(scope, receive, send)
        return
    asked = orjson.loads((await receive())["body"])
    decided = await ask(asked["subject"]["id"])
    body = orjson.dumps({"decision": decided.decision, "context": decided.context})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""A refresh without anything around it, to measure `auth_refresh` against: what this server and Python can do at most.

An ASGI function that reads the form, sends the statement of a refresh by the driver, signs a token of three claims and
answers. It has no framework and no log, no metrics, names no request and proves nothing of who asks: not a service.
"""

import os
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
import orjson
from starlette.types import Receive, Scope, Send

from orion_auth.refresh_tokens import store
from orion_auth.refresh_tokens.store import Asked
from orion_core.ids import uuid7
from orion_core.secrets import hash_secret, new_secret, new_selector
from orion_core.service import service_role
from orion_core.signatures import encode, new_jwk, private_key

KEY = private_key(new_jwk("ES256").as_dict(private=True), "ES256")
HEADERS = [(b"content-type", b"application/json")]

pool: "asyncpg.Pool[Any]"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request, or begin and end with the server."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    else:
        body = await _refresh(receive) if scope["method"] == "POST" else b"{}"
        headers = [*HEADERS, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    global pool
    while (message := await receive())["type"] == "lifespan.startup":
        settings = {"role": service_role("auth")}
        pool = await asyncpg.create_pool(os.environ["FLOOR_DATABASE_URL"], server_settings=settings)
        await send({"type": "lifespan.startup.complete"})
    await pool.close()
    await send({"type": message["type"] + ".complete"})


async def _refresh(receive: Receive) -> bytes:
    form = dict(parse_qsl((await receive())["body"].decode()))
    selector, _, secret = form["refresh_token"].partition(".")
    following = new_selector(), new_secret()
    asked = Asked(
        selector=selector,
        token_hash=hash_secret(secret),
        client=hash_secret("bench"),
        key=None,
        scopes="",
        address=ip_address("127.0.0.1"),
        agent="bench",
        new_id=uuid7(),
        new_selector=following[0],
        new_hash=hash_secret(following[1]),
    )
    values = {name: [value] for name, value in vars(asked).items()} | {"now": datetime.now(UTC)}
    async with pool.acquire() as connection:
        [row] = await connection.fetch(store.ROTATE.sql, *store.ROTATE.arguments(values))
    claims = encode(orjson.dumps({"sub": str(row["user_id"]), "sid": str(row["session_id"]), "jti": str(uuid7())}))
    token = f"{claims}.{encode(KEY.sign(claims.encode()))}"
    return orjson.dumps({"access_token": token, "refresh_token": ".".join(following)})

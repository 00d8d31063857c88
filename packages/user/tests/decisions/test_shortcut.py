"""Checks and explanations are answered alike by the documented routes and past them."""

import json
from typing import TYPE_CHECKING

import httpx
import pytest
import structlog

if TYPE_CHECKING:
    from packages.user.tests.decisions.conftest import AskAs, Bearer

PATHS = [f"/user/v1/access/{name}" for name in ("evaluation", "explanation")]
USUAL, OTHER = "application/json", "application/json; charset=utf-8"
"""The second is taken by the route alone."""

QUESTION = {"subject": {"type": "user", "id": "x"}, "action": {"name": "read"}, "resource": {"type": "t", "id": "1"}}
BODIES = [
    json.dumps(QUESTION).encode(),
    json.dumps(QUESTION | {"unknown": 1}).encode(),
    json.dumps(QUESTION | {"subject": {"type": "user"}}).encode(),
    json.dumps(QUESTION | {"resource": {"type": "t", "id": "1", "properties": {"team_id": "x"}}}).encode(),
    json.dumps(QUESTION | {"context": {"text": "a\0b"}}).encode(),
    json.dumps(QUESTION | {"context": {"number": float("nan")}}).encode(),
    json.dumps(QUESTION | {"context": {"text": "\ud800"}}).encode(),
    b'{"subject": ',
    b'"\xff"',
    b"[" * 100_000,
    b'{"number": ' + b"1" * 5000 + b"}",
    b"null",
    b"[]",
    b"",
]


async def answer(
    http: httpx.AsyncClient, path: str, headers: dict[str, str], body: bytes, kind: str
) -> tuple[int, object]:
    answered = await http.post(path, content=body, headers={**headers, "Content-Type": kind})
    told = answered.json()
    told.pop("instance", None)
    return answered.status_code, told


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("path", PATHS)
async def test_both_say_the_same(
    http: httpx.AsyncClient, ask_as: "AskAs", bearer: "Bearer", path: str, body: bytes
) -> None:
    asker = await ask_as("ada@example.com")
    headers = bearer(asker.user_id)
    body = body.replace(b'"id": "x"', b'"id": "%s"' % str(asker.user_id).encode())
    assert await answer(http, path, headers, body, USUAL) == await answer(http, path, headers, body, OTHER)


async def test_what_is_answered_is_not_logged_and_what_is_refused_is(
    http: httpx.AsyncClient, ask_as: "AskAs", bearer: "Bearer"
) -> None:
    asker = await ask_as("ada@example.com")
    body = BODIES[0].replace(b'"id": "x"', b'"id": "%s"' % str(asker.user_id).encode())
    with structlog.testing.capture_logs() as lines:
        await answer(http, PATHS[0], bearer(asker.user_id), body, USUAL)
        await answer(http, PATHS[0], bearer(asker.user_id), b"null", USUAL)
    assert [line["status_code"] for line in lines if line["event"] == "request"] == [422]


@pytest.mark.parametrize("path", PATHS)
async def test_another_method_is_refused_with_the_one_that_is_meant(http: httpx.AsyncClient, path: str) -> None:
    answered = await http.get(path, headers={"Content-Type": USUAL})
    assert (answered.status_code, answered.headers["Allow"]) == (405, "POST")

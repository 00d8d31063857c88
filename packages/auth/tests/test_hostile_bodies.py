"""Bodies that are sent to do harm: by the byte, or with a thousand faults."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from orion_core.http import edge

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth


async def test_a_body_that_never_ends_is_given_up(auth: "Auth", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "BODY_SECONDS", 0.05)
    sent: list[dict[str, Any]] = []
    pieces = iter([{"type": "http.request", "body": b"{", "more_body": True}])

    async def receive() -> dict[str, Any]:
        return next(pieces, None) or await asyncio.Future()

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", b"100")]
    scope = {"type": "http", "method": "POST", "path": "/auth/v1/sessions", "query_string": b"", "headers": headers}
    async with asyncio.timeout(5):
        await auth.application(scope, receive, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_the_answer_to_a_thousand_faults_is_small(auth: "Auth") -> None:
    answer = await auth.http.post("/auth/v1/sessions", json={f"field{n}": n for n in range(1000)})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("1002 fields are wrong")
    assert len(answer.json()["errors"]) == 20

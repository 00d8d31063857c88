"""Uploads of recipients: all lines or none, and no value of theirs is told."""

import asyncio
import gzip
import io
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from packages.notifications.tests.batches.test_batches import (
    NDJSON,
    OWN,
    PATH,
    SCOPES,
    WANTED,
    become,
    begin,
    lines,
    people,
)

from orion_notifications.batches.reading import Demands, read_file
from orion_notifications.batches.rules import LARGEST_FILE
from orion_notifications.kinds import Channel

if TYPE_CHECKING:
    from fastapi import FastAPI
    from packages.notifications.tests.conftest import Callers, Query

CSV = {"Content-Type": "text/csv"}


@pytest.mark.parametrize(
    ("headers", "body", "status", "told"),
    [
        (NDJSON, people(1) + b'\n{"email": 1}\n{', 422, ["/2", "/3"]),
        (NDJSON, lines({"email": "a@b.example", "user_id": str(UUID(int=7))}), 422, ["/1"]),
        (NDJSON, lines({"phone": "+4930123456"}), 422, ["/1"]),
        (NDJSON, lines({"email": "a@b.example", "variables": {"unknown": 1}}), 422, ["/1"]),
        (NDJSON, lines({"email": "a@b.example", "variables": OWN | {"starts_at": "a\0b"}}), 422, ["/1"]),
        (NDJSON, lines({"email": "a\r\nBcc: c@d.example"}), 422, ["/1"]),
        (NDJSON, b'"ada@b.example"\n["c@d.example"]\n"a\\u0000"', 422, ["/1", "/2", "/3"]),
        (NDJSON, b"", 422, []),
        (NDJSON, people(1001), 422, []),
        (CSV, b"email,email\na@b.example,c@d.example\n", 422, []),
        (CSV, b"email,starts_at\na@b.example\n", 422, ["/1"]),
        (CSV, b"\xff\xfe", 422, []),
        ({"Content-Type": "application/json"}, b"{}", 415, []),
        (NDJSON | {"Content-Encoding": "gzip"}, gzip.compress(people(1)), 415, []),
    ],
)
async def test_a_chunk_with_a_fault_is_not_taken_and_no_value_is_told(
    caller: "Callers", query: "Query", headers: dict[str, str], body: bytes, status: int, told: list[str]
) -> None:
    async with caller(SCOPES) as http:
        made = await http.post(PATH, json=WANTED)
        path = made.headers["Location"].removeprefix("/notifications/v1")
        answer = await http.put(f"{path}/recipients/1", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert [each["field"] for each in answer.json().get("errors", [])] == told
    assert not any(value in answer.text for value in ("b.example", "d.example", "+49", "2026-12"))
    assert await query("SELECT count(*) FROM batch_recipients") == [(0,)]


async def test_csv_has_its_header_in_each_chunk_and_other_columns_are_variables(
    caller: "Callers", query: "Query"
) -> None:
    async with caller(SCOPES) as http:
        path = await begin(http, people(1))
        record = b'"c@example.com",de,"x, y",2026-12-01T02:00:00Z,2026-12-01T03:00:00Z'
        body = b"email,locale,name,starts_at,ends_at\n" + record
        assert (await http.put(f"{path}/recipients/2", content=body, headers=CSV)).status_code == 200
    found = await query("SELECT recipient, locale, variables FROM batch_recipients WHERE position = 2")
    assert found == [("c@example.com", "de", OWN | {"name": "x, y"})]


async def test_a_file_is_all_that_a_draft_has_or_changes_nothing(caller: "Callers", query: "Query") -> None:
    whole = people(2100) + b"\n" + people(1)
    assert len(whole) > 262_144  # more than other routes take
    count = "SELECT count(*), min(position), max(position) FROM batch_recipients"
    async with caller(SCOPES) as http:
        path = await begin(http, people(3, 9000))
        sent = await http.put(f"{path}/recipients", content=whole, headers=NDJSON)
        assert sent.json() == {"recipient_count": 2100, "added": 2100, "repeated": 1}
        assert await query(count) == [(2100, 1, 2100)]
        for body, headers, told in (
            (people(1200) + b"\n{\n" + b'"' + b"x" * 70_000 + b'"\n' + people(1), NDJSON, ["/1201", "/1202"]),
            (b"{\n" * 300, NDJSON, [f"/{n}" for n in range(1, 101)]),
            (b"", NDJSON, []),
            (b"email,locale\n" + b"x" * 70_000, CSV, []),
            (b"email,locale\n\xff,de\n", CSV, []),
        ):
            refused = await http.put(f"{path}/recipients", content=body, headers=headers)
            assert (refused.status_code, [each["field"] for each in refused.json().get("errors", [])]) == (422, told)
        assert "300 of 300 lines" in (await http.put(f"{path}/recipients", content=b"{\n" * 300, headers=NDJSON)).text
        assert await query(count) == [(2100, 1, 2100)]
        assert (await http.get(path)).json()["recipient_count"] == 2100
        declared = {"Content-Length": str(LARGEST_FILE + 1), **NDJSON}
        assert (await http.put(f"{path}/recipients", content=b"", headers=declared)).status_code == 413
        await become(http, path, "RUNNING")
        assert (await http.put(f"{path}/recipients", content=people(1), headers=NDJSON)).status_code == 409
    async with caller("key:notification:read") as reader:
        assert (await reader.put(f"{path}/recipients", content=people(1), headers=NDJSON)).status_code == 403


async def test_a_file_that_breaks_off_changes_nothing_and_is_no_failure_of_ours(
    caller: "Callers", application: "FastAPI", query: "Query"
) -> None:
    """Its bytes stop amid a line, or between two; what has come so far would be a whole file."""
    async with caller(SCOPES) as http:
        path = await begin(http, people(3))
    for come in (people(1) + b'\n{"email"', people(2)):
        parts: list[dict[str, Any]] = [{"type": "http.request", "body": come, "more_body": True}]
        answered: list[Any] = []

        async def receive(parts: list[dict[str, Any]] = parts) -> dict[str, Any]:
            return parts.pop() if parts else {"type": "http.disconnect"}

        async def send(part: Any, answered: list[Any] = answered) -> None:
            answered.append(part)

        headers = [(b"authorization", f"Bearer {SCOPES}".encode()), (b"content-type", NDJSON["Content-Type"].encode())]
        target = f"/notifications/v1{path}/recipients"
        scope = {"type": "http", "method": "PUT", "path": target, "raw_path": target.encode(), "headers": headers}
        scope |= {"query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1", "client": ("::1", 1)}
        await application(scope, receive, send)
        assert answered[0]["status"] == 400
    assert await query("SELECT count(*) FROM batch_recipients") == [(3,)]


async def test_while_a_file_is_read_others_have_their_turn() -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in OWN}}
    reading = asyncio.create_task(
        read_file("application/x-ndjson", io.BytesIO(people(2_000)), Demands(Channel.EMAIL, schema, {}), io.BytesIO())
    )
    turns = 0
    while not reading.done():
        turns += 1
        await asyncio.sleep(0)
    assert (await reading).lines == 2_000
    assert turns > 10  # one every two milliseconds

"""Auditors search and export the trail; who may not is told so, and that stands in the trail."""

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from packages.user.tests.audit_logs.desk import KEYRING, Desk

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_user.audit.actions import Actor, Change, record
from orion_user.audit.checkpoints import extend
from orion_user.audit.rules import ActorType

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query

ADA, BOB = uuid7(), uuid7()


@pytest.fixture
async def ids(database: Database, clock: MovableClock) -> list[str]:
    """Ten entries, the earliest first: by Ada and Bob in turn, about roles and users."""
    async with database.transaction() as transaction:
        for n in range(10):
            clock.advance(seconds=1)
            actor = Actor(ActorType.USER, (ADA, BOB)[n % 2], request_id=f"r-{n}", user_agent="\n=1+1")
            resource = ("role", "user")[n // 5]
            old, new = {"name": f"{n}"}, {"name": f"{n + 1}"}
            change = Change(f"{resource}.update", resource, str(n), ADA if n > 7 else None, old, new)
            await record(transaction, actor, change, clock())
        rows = await transaction.connection.exec_driver_sql("SELECT id FROM audit_logs ORDER BY id")
        found = [str(row.id) for row in rows]
    clock.advance(seconds=1)
    return found


async def all_pages(desk: Desk, **filters: Any) -> list[str]:
    seen: list[str] = []
    client, url = desk.operator(), "/audit-logs"
    params: dict[str, Any] | None = {"limit": 3, **filters}
    while url:
        answer = await client.get(url, params=params)
        assert answer.status_code == 200, answer.text
        seen += [item["id"] for item in answer.json()["items"]]
        url, params = answer.links.get("next", {}).get("url", ""), None
        url = f"http://user{url}" if url else ""
    return seen


async def test_pages_the_latest_first(desk: Desk, ids: list[str]) -> None:
    assert await all_pages(desk) == ids[::-1]


async def test_filters(desk: Desk, ids: list[str], clock: MovableClock) -> None:
    assert await all_pages(desk, actor_id=str(ADA)) == ids[::2][::-1]
    assert await all_pages(desk, user_id=str(ADA)) == ids[:7:-1]
    assert await all_pages(desk, action="role.update", actor_id=str(BOB)) == [ids[3], ids[1]]
    assert await all_pages(desk, resource_type="user", resource_id="6") == [ids[6]]
    assert await all_pages(desk, request_id="r-4") == [ids[4]]
    assert await all_pages(desk, changed_field="name", resource_type="role") == ids[4::-1]
    assert await all_pages(desk, status="DENIED") == []
    since = clock().replace(microsecond=0)
    assert await all_pages(desk, since=since.isoformat(), service="user", resource_type="role") == []


@pytest.mark.parametrize("wrong", [{"status": "GOOD"}, {"colour": "red"}, {"since": "yesterday"}, {"limit": 0}])
async def test_wrong_filters_are_refused(desk: Desk, wrong: dict[str, Any]) -> None:
    assert (await desk.operator().get("/audit-logs", params=wrong)).status_code == 422


async def test_a_cursor_is_good_for_its_own_search_alone(desk: Desk, ids: list[str]) -> None:
    page = await desk.operator().get("/audit-logs", params={"limit": 2})
    params = {"limit": 2, "cursor": page.json()["next"], "service": "auth"}
    assert (await desk.operator().get("/audit-logs", params=params)).status_code == 400


async def test_one_entry(desk: Desk, ids: list[str]) -> None:
    entry = (await desk.operator().get(f"/audit-logs/{ids[3]}")).json()
    assert (entry["old_values"], entry["new_values"], entry["changed_fields"]) == (
        {"name": "3"},
        {"name": "4"},
        ["name"],
    )
    assert (entry["actor_type"], entry["status"]) == ("USER", "SUCCESS")
    assert (await desk.operator().get(f"/audit-logs/{uuid7()}")).status_code == 404


async def test_exports_hold_all_in_the_order_of_time(desk: Desk, ids: list[str]) -> None:
    answer = await desk.operator().get("/audit-logs/export", params={"resource_type": "role"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["id"] for line in answer.text.splitlines()] == ids[:5]
    answer = await desk.operator().get("/audit-logs/export", params={"resource_type": "role", "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == ids[:5]
    assert json.loads(rows[0]["new_values"]) == {"name": "1"}
    assert rows[0]["user_agent"] == "'\n=1+1", "no formula for a spreadsheet"


async def test_who_reads_the_trail_stands_in_it(desk: Desk, ids: list[str], query: "Query") -> None:
    await all_pages(desk, service="user")
    await desk.operator().get("/audit-logs/export", params={"format": "csv"})
    rows = await query("SELECT action, actor_name, new_values FROM audit_logs WHERE action LIKE 'audit.%' ORDER BY id")
    assert rows == [
        ("audit.search", "operator", {"filters": {"service": "user"}}),
        ("audit.export", "operator", {"filters": {"format": "csv"}}),
    ]


PATHS = [
    "/audit-logs",
    "/audit-logs/export",
    "/audit-logs/01a21954-2f2a-7692-a25d-2faa9da0bbcb",
    "/audit-checkpoints/latest",
    "/audit-streams",
]


@pytest.mark.parametrize("path", PATHS)
async def test_who_may_not_is_refused_and_that_is_written_down(
    desk: Desk, auth: "AuthFeed", query: "Query", path: str
) -> None:
    user_id = await auth.register("eve@example.com")
    answers = [await desk.user(user_id).get(path) for _ in range(3)]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "permission_denied")}
    rows = await query("SELECT actor_id, status::text, action FROM audit_logs WHERE action = 'access.denied'")
    assert rows == [(user_id, "DENIED", "access.denied")], "once a minute"


async def test_the_latest_checkpoint(desk: Desk, ids: list[str], database: Database, clock: MovableClock) -> None:
    while not (await desk.operator().get("/audit-checkpoints/latest")).is_success:
        await extend(database, KEYRING, clock())
    shown = (await desk.operator().get("/audit-checkpoints/latest")).json()
    assert shown["head"] == f"{shown['number']}:{shown['hash']}"
    assert shown["entries"] >= len(ids)

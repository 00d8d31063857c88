"""Every error is a problem document with a stable code and what to do, and tells nothing that is not the caller's."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import structlog
from fastapi import FastAPI

from orion_core.database import Database
from orion_core.database_faults import REASONS
from orion_core.http.edge import TurnedAway
from orion_core.testing import TestDatabase

if TYPE_CHECKING:
    from packages.core.tests.http.conftest import Send

MakeApplication = Callable[..., FastAPI]

THINGS = "/sample/v1/things"


def problem_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["type"] == f"urn:orion:problem:{code}" and body["title"] and body["detail"]
    assert body["instance"] == answer.headers["x-request-id"]
    return body


async def test_wrong_fields_are_named_each_by_its_place(http: httpx.AsyncClient) -> None:
    body = {"part": {"size": "big", "a/b~c": 1}, "misspelt": 1}
    problem = problem_of(await http.post(THINGS, json=body), 422, "invalid_fields")
    assert {(error["field"], error["code"]) for error in problem["errors"]} == {
        ("/name", "missing"),
        ("/part/size", "wrong_type"),
        ("/part/a~1b~0c", "unknown_field"),
        ("/misspelt", "unknown_field"),
    }


async def test_values_are_not_repeated(http: httpx.AsyncClient) -> None:
    answer = await http.post(THINGS, json={"name": ["hunter2"], "part": {"size": "hunter2"}})
    problem_of(answer, 422, "invalid_fields")
    assert "hunter2" not in answer.text


async def test_wrong_parameters_are_named(http: httpx.AsyncClient) -> None:
    problem = problem_of(await http.get(f"{THINGS}/no-uuid?limit=x"), 422, "invalid_fields")
    assert {error["field"] for error in problem["errors"]} == {"thing_id", "limit"}


@pytest.mark.parametrize("body", [b"{", b"", b"[" * 2000, b'{"name": }', b"{'name': 1}"])
async def test_a_body_that_is_no_json_is_a_400_or_422(body: bytes, http: httpx.AsyncClient) -> None:
    answer = await http.post(THINGS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422} and answer.json()["code"] in {
        "invalid_json",
        "invalid_fields",
        "bad_request",
    }


@pytest.mark.parametrize("body", [b'{"name": "\xff"}', b"\xfe\xff", b'{"n": ' + b"9" * 2000 + b"}"])
async def test_a_body_of_strange_bytes_or_numbers_is_the_callers_fault(body: bytes, http: httpx.AsyncClient) -> None:
    answer = await http.post(THINGS, content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500 and answer.json()["instance"]


@pytest.mark.parametrize(
    "body",
    [
        '{"name": "a\\u0000b"}',
        '{"name": "\\ud800"}',
        '{"name": "a", "notes": {"deep": [{"\\u0000": 1}]}}',
        '{"name": "a", "notes": {"n": NaN}}',
        '{"name": "a", "notes": {"n": [-Infinity]}}',
        '{"name": "a", "notes": {"n": 1e999}}',
    ],
)
async def test_what_postgresql_cannot_hold_is_refused_before_it(body: str, http: httpx.AsyncClient) -> None:
    answer = await http.post(THINGS, content=body, headers={"content-type": "application/json"})
    problem_of(answer, 422, "invalid_fields")


@pytest.mark.parametrize(
    ("depth", "works"), [(10, True), (60, True), (70, False), (300, False), (500, False), (900, False)]
)
async def test_nesting_that_no_reader_could_follow_is_refused(depth: int, works: bool, http: httpx.AsyncClient) -> None:
    body = '{"name": "a", "notes": {"n": ' + "[" * depth + "]" * depth + "}}"
    answer = await http.post(THINGS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200 if works else answer.status_code in {400, 422}


async def test_a_form_with_a_nul_is_the_callers_fault(http: httpx.AsyncClient) -> None:
    assert (await http.post("/sample/v1/forms", data={"name": "ok"})).json() == {"name": "ok"}
    problem_of(await http.post("/sample/v1/forms", data={"name": "a\0b"}), 400, "invalid_request")


@pytest.mark.parametrize("path", ["/", "/nowhere", "/sample/v1/things/", "/sample/v1//things"])
async def test_nothing_there_is_a_404_and_no_redirect(path: str, http: httpx.AsyncClient) -> None:
    """A redirect to the path with or without its slash would name whatever host the caller put into `Host`."""
    problem_of(await http.post(path, headers={"Host": "evil.test"}), 404, "not_found")


async def test_a_wrong_method_is_told_the_right_ones(http: httpx.AsyncClient) -> None:
    answer = await http.delete(THINGS)
    problem_of(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


async def test_a_refusal_from_below_a_route_is_its_answer(http: httpx.AsyncClient) -> None:
    problem_of(await http.get(f"{THINGS}/{uuid4()}?limit=0"), 404, "not_found")


@pytest.mark.parametrize("path", ["/sample/v1/bug/hunter2", "/sample/v1/bad-statement"])
async def test_a_bug_tells_the_caller_nothing_and_the_logs_where(path: str, http: httpx.AsyncClient) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        answer = await http.get(path, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    problem = problem_of(answer, 500, "internal_error")
    for told in ("hunter2", "private", "RuntimeError", "Traceback", "division", "SELECT"):
        assert told not in answer.text
    failed = next(entry for entry in logs if entry["event"] == "request.failed")
    assert (failed["request_id"], failed["trace"]) == (problem["instance"], trace)
    assert isinstance(failed["exc_info"], Exception), "with the traceback"
    assert "hunter2" not in str({name: value for name, value in failed.items() if name != "exc_info"}), (
        "a link's secret stands in its path, so the pattern is logged and not the path"
    )


async def test_of_a_crowd_that_is_turned_away_the_logs_tell_by_number(http: httpx.AsyncClient) -> None:
    began = time.monotonic()
    with structlog.testing.capture_logs() as logs:
        for _ in range(50):
            problem_of(await http.get("/sample/v1/collision/40001"), 503, "changed_at_once")
        problem_of(await http.get(f"{THINGS}/{uuid4()}?limit=0"), 404, "not_found")
    *told, other = [entry for entry in logs if entry["event"] == "request"]
    assert len(told) <= time.monotonic() - began + 2 and all(entry["status_code"] == 503 for entry in told)
    assert sum(entry["requests"] for entry in told) <= 50 and "requests" not in other
    turned_away = TurnedAway()
    assert [turned_away.of_this(now) for now in (7.0, 7.1, 7.9, 8.0, 9.5, 9.6)] == [1, None, None, 3, 1, None]


async def test_a_database_that_is_away_is_a_503_that_says_when_to_come_back(make_application: MakeApplication) -> None:
    for url, why in (
        ("postgresql://u:p@127.0.0.1:1/db", "ConnectionRefusedError"),
        ("postgresql:///db?host=/no/such/folder", "FileNotFoundError"),
    ):
        away = Database.connect(url, role=None, application="orion test")
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(make_application(away)), base_url="http://s"
        ) as http:
            answer = await http.get("/sample/v1/row")
            problem_of(answer, 503, "database_unreachable")
            assert answer.headers["retry-after"] == "2"
            assert (await http.get("/livez")).status_code == 200
            ready = await http.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
            assert ready.json()["faults"]["database"] == f"the database does not answer: {why}"
        await away.close()


async def test_a_database_that_goes_and_comes_back_is_a_503_at_most(
    http: httpx.AsyncClient, own_database: TestDatabase, owner: asyncpg.Connection
) -> None:
    name = own_database.url.rpartition("/")[2]
    assert (await http.get("/sample/v1/row")).status_code == 200
    await owner.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
    await owner.execute("""
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
    """)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            problem_of(await http.get("/sample/v1/row"), 503, "database_unreachable")
    reasons = [entry["reason"] for entry in logs if entry["event"] == "database.unreachable"]
    # The first may still be sent on the connection that was ended, before its end is heard of.
    assert reasons[0] in {REASONS["08"], REASONS["53300"]}
    assert reasons[1:] == [REASONS["53300"]] * 2
    await owner.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
    assert (await http.get("/sample/v1/row")).status_code == 200


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_who_collides_with_another_change_is_asked_to_try_again(http: httpx.AsyncClient, sqlstate: str) -> None:
    answer = await http.get(f"/sample/v1/collision/{sqlstate}")
    problem_of(answer, 503, "changed_at_once")
    assert answer.headers["retry-after"] == "1" and "who collided" not in answer.text


async def test_a_statement_that_waits_too_long_is_a_503_and_no_bug(
    http: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    for sqlstate in ("57014", "55P03"):
        with structlog.testing.capture_logs() as logs:
            answer = await http.get(f"/sample/v1/collision/{sqlstate}")
        problem_of(answer, 503, "database_busy")
        assert answer.headers["retry-after"] == "5" and "who collided" not in answer.text
        assert [entry["reason"] for entry in logs if entry["event"] == "database.busy"] == [REASONS[sqlstate]]


async def test_a_database_that_takes_no_changes_says_so_and_is_written_to_as_soon_as_it_does(
    http: httpx.AsyncClient, own_database: TestDatabase, owner: asyncpg.Connection
) -> None:
    """Sessions that began meanwhile stay read-only: they are not kept."""
    name = own_database.url.rpartition("/")[2]
    await owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await owner.execute("""
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
    """)
    problem_of(await http.post("/sample/v1/row"), 503, "database_read_only")
    ready = await http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "degraded", "faults": {"database": REASONS["25006"]}})
    assert (await http.get("/sample/v1/row")).status_code == 200, "what only reads goes on, on a session that is kept"
    await owner.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    ready = await http.get("/readyz")
    assert ready.json()["status"] == "degraded", "this session is one of then, and is closed"
    assert (await http.get("/readyz")).json()["status"] == "ready"
    assert (await http.post("/sample/v1/row")).status_code == 200


async def test_a_login_that_the_database_refuses_is_a_503(
    make_application: MakeApplication, own_database: TestDatabase
) -> None:
    stranger = Database.connect(own_database.url.replace("orion_test_auth", "nobody"), role=None, application="t")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(make_application(stranger)), base_url="http://s"
    ) as http:
        problem_of(await http.get("/sample/v1/row"), 503, "database_unreachable")
    await stranger.close()


# ---------------------------------------------------------------------------------------------------- what is too large

LIMIT = 2048


async def test_a_body_that_is_declared_too_large_is_not_read(send: "Send") -> None:
    answer = await send("/sample/v1/raw", "POST", headers={"Content-Length": str(LIMIT + 1)})
    assert (answer.status, json.loads(answer.body)["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/sample/v1/raw", "/sample/v1/things", "/sample/v1/forms"])
async def test_a_body_that_grows_too_large_is_cut_off(path: str, send: "Send") -> None:
    """Chunked, with no length said beforehand; whether the route, a shape or a form reads it."""
    kind = "application/x-www-form-urlencoded" if path.endswith("forms") else "application/json"
    chunks = tuple(b"x" * 500 for _ in range(100))
    answer = await send(path, "POST", chunks, {"Transfer-Encoding": "chunked", "Content-Type": kind})
    assert (answer.status, json.loads(answer.body)["code"]) == (413, "body_too_large")


async def test_a_body_that_lies_about_its_length_is_cut_off(send: "Send") -> None:
    answer = await send("/sample/v1/raw", "POST", (b"x" * (LIMIT + 1),), {"Content-Length": "10"})
    assert answer.status == 413


async def test_a_body_of_exactly_the_limit_passes(send: "Send") -> None:
    answer = await send("/sample/v1/raw", "POST", (b"x" * LIMIT,), {"Content-Length": str(LIMIT)})
    assert (answer.status, json.loads(answer.body)) == (200, {"bytes": LIMIT})


@pytest.mark.parametrize(("length", "status"), [("ten", 400), ("-1", 400), ("²", 400), ("1" * 5000, 413), ("", 400)])
async def test_a_length_that_is_none_is_refused(length: str, status: int, send: "Send") -> None:
    answer = await send("/sample/v1/raw", "POST", headers={"Content-Length": length})
    assert answer.status == status


@pytest.mark.parametrize(
    "scope",
    [{"path": "/sample/v1/bug/a\0b"}, {"query_string": b"limit=%00"}, {"query_string": b"limit=\0"}],
)
async def test_a_url_with_a_nul_is_refused(scope: dict[str, Any], send: "Send") -> None:
    answer = await send("/sample/v1/context", **scope) if "path" not in scope else await send(scope["path"])
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "invalid_request")


async def test_a_caller_who_leaves_is_no_error(http: httpx.AsyncClient) -> None:
    task = asyncio.create_task(http.get("/sample/v1/row"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await http.get("/sample/v1/row")).status_code == 200

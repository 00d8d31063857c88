"""A stream hands on every entry in the order of checkpoints, goes on where it was, and is set up by administrators."""

import asyncio
import contextlib
import json
from base64 import b64decode
from collections.abc import AsyncGenerator
from hashlib import sha256
from hmac import digest
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from packages.user.tests.audit_logs.desk import KEYRING, Desk

from orion_core import outbound
from orion_core.database import Database
from orion_core.outbound import ForbiddenAddressError, GuardedTransport
from orion_core.testing import MovableClock
from orion_user.audit.actions import SYSTEM, Change, record
from orion_user.audit.checkpoints import extend
from orion_user.audit_streams import delivery, rules
from orion_user.audit_streams.delivery import Courier, send_to_syslog

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query

URL = "https://siem.example.com/orion"


class Receiver:
    """A webhook: what it got, and what it answers."""

    def __init__(self) -> None:
        self.status = 204
        self.got: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.got.append(request)
        return httpx.Response(self.status)

    @property
    def entries(self) -> list[str]:
        """Names of what was done, in the order of arrival."""
        return [entry["resource_id"] for request in self.got for entry in json.loads(request.content)["entries"]]


@pytest.fixture
def receiver(desk: Desk) -> Receiver:
    made = Receiver()
    desk.outside.receivers["siem.example.com"] = made
    return made


@pytest.fixture
def courier(desk: Desk, database: Database, clock: MovableClock) -> Courier:
    http = httpx.AsyncClient(transport=httpx.MockTransport(desk.outside))
    return Courier(database, http, KEYRING, clock, local=True)


async def happened(database: Database, clock: MovableClock, *names: str) -> None:
    """Entries of these names, covered."""
    for name in names:
        async with database.transaction() as transaction:
            await record(transaction, SYSTEM, Change("a.b", "x", name), clock())
    while True:
        await extend(database, KEYRING, clock())
        async with database.autocommit() as connection:
            head = await connection.exec_driver_sql(
                "SELECT coalesce(max(horizon), 0) > (SELECT max(transaction_id) FROM audit_logs) FROM audit_checkpoints"
            )
            if head.scalar_one():
                return
        await asyncio.sleep(0.01)


async def deliver(courier: Courier) -> None:
    while await courier.deliver_one():
        pass


async def begin(desk: Desk, url: str = URL, **more: Any) -> dict[str, Any]:
    answer = await desk.operator().post("/audit-streams", json={"name": "siem", "url": url} | more)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_webhook_gets_every_entry_signed_and_with_its_checkpoint(
    desk: Desk, receiver: Receiver, courier: Courier, database: Database, clock: MovableClock
) -> None:
    await happened(database, clock, "before")
    stream = await begin(desk)
    await happened(database, clock, "1", "2")
    await happened(database, clock, "3")
    await deliver(courier)
    assert [name for name in receiver.entries if name in {"before", "1", "2", "3"}] == ["1", "2", "3"]
    request = receiver.got[0]
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.content
    secret = b64decode(stream["secret"].removeprefix("whsec_"))
    assert b64decode(request.headers["webhook-signature"].removeprefix("v1,")) == digest(secret, signed, sha256)
    told = json.loads(request.content)
    assert told["stream"] == "siem"
    assert {entry["id"] for entry in told["entries"]} <= set(told["checkpoint"]["leaf_ids"])
    shown = (await desk.operator().get(f"/audit-streams/{stream['id']}")).json()
    assert "secret" not in shown
    assert shown["error"] is None


async def test_a_stream_can_begin_at_the_beginning(
    desk: Desk, receiver: Receiver, courier: Courier, database: Database, clock: MovableClock
) -> None:
    await happened(database, clock, "before")
    await begin(desk, from_beginning=True)
    await deliver(courier)
    assert receiver.entries[0] == "before"


async def test_what_is_refused_is_sent_again_later_under_the_same_id_and_nothing_is_passed_over(
    desk: Desk, receiver: Receiver, courier: Courier, database: Database, clock: MovableClock, monkeypatch: Any
) -> None:
    monkeypatch.setattr(rules, "AT_ONCE", 2)
    stream = await begin(desk, from_beginning=True)
    await happened(database, clock, *"abcde")
    receiver.status = 500
    await deliver(courier)
    refused = len(receiver.got)
    shown = (await desk.operator().get(f"/audit-streams/{stream['id']}")).json()
    assert (shown["failures"], shown["error"]) == (1, "RefusedError: the receiver answered 500")
    await deliver(courier)
    assert len(receiver.got) == refused == 1, "not before its time"
    receiver.status = 200
    clock.advance(seconds=6)
    await deliver(courier)
    assert receiver.got[0].headers["webhook-id"] == receiver.got[1].headers["webhook-id"]
    del receiver.got[0]
    assert [name for name in receiver.entries if name in set("abcde")] == list("abcde")
    assert all(len(json.loads(request.content)["entries"]) <= 2 for request in receiver.got)


async def test_a_process_that_dies_in_between_is_followed_by_another(
    desk: Desk, receiver: Receiver, courier: Courier, database: Database, clock: MovableClock, query: "Query"
) -> None:
    """The lease of the dead one runs out; what it had sent and not written down is sent once more."""
    await begin(desk, from_beginning=True)
    await happened(database, clock, "a", "b")

    def die(request: httpx.Request) -> httpx.Response:
        receiver.got.append(request)
        raise SystemExit

    desk.outside.receivers["siem.example.com"] = die
    with contextlib.suppress(BaseException):
        await courier.deliver_one()
    desk.outside.receivers["siem.example.com"] = receiver
    assert not await courier.deliver_one(), "it might still be at it"
    clock.advance(minutes=3)
    await deliver(courier)
    assert [name for name in receiver.entries if name in {"a", "b"}] == ["a", "b", "a", "b"]
    assert receiver.got[0].headers["webhook-id"] == receiver.got[1].headers["webhook-id"]


async def test_many_processes_deliver_each_entry_once(
    desk: Desk, receiver: Receiver, courier: Courier, database: Database, clock: MovableClock
) -> None:
    await begin(desk, from_beginning=True)
    for n in range(5):
        await happened(database, clock, str(n))
    await asyncio.gather(*(deliver(courier) for _ in range(5)))
    assert sorted(name for name in receiver.entries if name in set("01234")) == list("01234")


@pytest.fixture
async def syslog() -> AsyncGenerator[tuple[int, list[bytes]]]:
    """A syslog server: its port, and what it got."""
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while length := (await reader.readuntil(b" ") if not reader.at_eof() else b""):
            got.append(await reader.readexactly(int(length)))
        writer.close()

    async def tolerant(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await serve(reader, writer)

    server = await asyncio.start_server(tolerant, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], got


async def test_a_syslog_server_gets_a_message_for_each_entry(
    desk: Desk, courier: Courier, database: Database, clock: MovableClock, syslog: tuple[int, list[bytes]]
) -> None:
    port, got = syslog
    stream = await begin(desk, f"syslog+tcp://127.0.0.1:{port}", from_beginning=True)
    assert stream["secret"] is None
    await happened(database, clock, "a", "b")
    await deliver(courier)
    messages = [message for message in got if b" a.b " in message]
    assert len(messages) == 2
    assert messages[0].startswith(b"<110>1 ")
    assert json.loads(messages[0].partition(b"\xef\xbb\xbf")[2])["resource_id"] == "a"


class Near:
    """A webhook on this machine: the requests that it got, and how it answers."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        self.got.append(head + await reader.readexactly(length))
        writer.write(self.answer)
        writer.close()


@pytest.fixture
async def near() -> AsyncGenerator[Near]:
    made = Near()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    async with server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
async def test_what_is_near_gets_nothing_unless_that_is_allowed_however_its_address_is_written(
    host: str, desk: Desk, database: Database, clock: MovableClock, near: Near
) -> None:
    stream = await begin(desk, f"http://{host}:{near.port}/orion", from_beginning=True)
    await happened(database, clock, "a")
    for local in (False, True):
        async with httpx.AsyncClient(transport=GuardedTransport(local=local), trust_env=False) as http:
            await deliver(Courier(database, http, KEYRING, clock, local=local))
        shown = (await desk.operator().get(f"/audit-streams/{stream['id']}")).json()
        assert bool(near.got) is local, shown
        assert (shown["error"] is None) is local
        if not local:
            assert "has an address that is not public" in shown["error"]
        clock.advance(seconds=6)


async def test_nobody_is_led_elsewhere(desk: Desk, database: Database, clock: MovableClock, near: Near) -> None:
    near.answer = f"HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:{near.port}/x\r\n\r\n".encode()
    stream = await begin(desk, f"http://127.0.0.1:{near.port}/orion", from_beginning=True)
    await happened(database, clock, "a")
    async with httpx.AsyncClient(transport=GuardedTransport(local=True), trust_env=False) as http:
        await deliver(Courier(database, http, KEYRING, clock, local=True))
    assert len(near.got) == 1
    shown = (await desk.operator().get(f"/audit-streams/{stream['id']}")).json()
    assert shown["error"] == "RefusedError: the receiver answered 307"


async def test_a_syslog_server_that_is_near_gets_nothing_unless_that_is_allowed(
    syslog: tuple[int, list[bytes]],
) -> None:
    port, got = syslog
    with pytest.raises(ForbiddenAddressError):
        await send_to_syslog(f"syslog+tcp://localhost:{port}", [b"2 hi"], local=False)
    assert got == []
    await send_to_syslog(f"syslog+tcp://localhost:{port}", [b"2 hi"], local=True)


async def test_a_syslog_server_on_the_internet_gets_nothing_unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(_: str, __: int) -> list[str]:
        return ["127.0.0.1", "93.184.216.34"]

    async def connect(address: str, *_: Any, **__: Any) -> Any:
        raise ConnectionError(address)

    monkeypatch.setattr(outbound, "look_up", look)
    monkeypatch.setattr(asyncio, "open_connection", connect)
    with pytest.raises(ForbiddenAddressError, match="unencrypted"):
        await send_to_syslog("syslog+tcp://siem.example.com:9", [b"2 hi"], local=True)


async def test_a_syslog_server_is_reached_although_nobody_answers_at_one_of_its_addresses(
    syslog: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, got = syslog
    connect = asyncio.open_connection

    async def look(_: str, __: int) -> list[str]:
        return ["10.0.0.1", "127.0.0.1"]

    async def silent(address: str, *arguments: Any, **more: Any) -> Any:
        if address == "10.0.0.1":
            await asyncio.Event().wait()
        return await connect(address, *arguments, **more)

    monkeypatch.setattr(outbound, "look_up", look)
    monkeypatch.setattr(asyncio, "open_connection", silent)
    monkeypatch.setattr(delivery, "PATIENCE_SECONDS", 0.6)
    await send_to_syslog(f"syslog+tcp://siem.example.com:{port}", [b"2 hi"], local=True)
    async with asyncio.timeout(10):
        while got != [b"hi"]:  # noqa: ASYNC110 -- the server brings it about
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("url", ["https://a..b/x", "https://ü..b/x", "syslog+tls://a..b", "syslog+tls://" + "x" * 64])
async def test_a_host_that_can_be_none_is_a_failure_of_its_stream_and_of_no_other(
    url: str, desk: Desk, database: Database, clock: MovableClock
) -> None:
    stream = await begin(desk, url, from_beginning=True)
    await happened(database, clock, "a")
    async with httpx.AsyncClient(transport=GuardedTransport(local=False), trust_env=False) as http:
        await deliver(Courier(database, http, KEYRING, clock, local=False))
    shown = (await desk.operator().get(f"/audit-streams/{stream['id']}")).json()
    assert shown["failures"] == 1, shown
    assert shown["error"]


async def test_setting_up(desk: Desk, receiver: Receiver, query: "Query") -> None:
    stream = await begin(desk)
    client, path = desk.operator(), f"/audit-streams/{stream['id']}"
    for name in ("siem", "s1em", "siern"):
        taken = await client.post("/audit-streams", json={"name": name, "url": URL})
        assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    wrong = await client.post("/audit-streams", json={"name": "b", "url": "ftp://x"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "/url")
    assert (await client.patch(path, json={"is_enabled": False})).status_code == 428
    tag = (await client.get(path)).headers["ETag"]
    off = await client.patch(path, json={"is_enabled": False}, headers={"If-Match": tag})
    assert off.json()["is_enabled"] is False
    assert (await client.patch(path, json={"url": URL}, headers={"If-Match": tag})).status_code == 412
    other = {"If-Match": off.headers["ETag"]}
    assert (await client.patch(path, json={"url": "syslog+tcp://x:1"}, headers=other)).status_code == 422
    assert [each["name"] for each in (await client.get("/audit-streams")).json()["items"]] == ["siem"]
    assert (await client.delete(path, headers=other)).status_code == 204
    assert (await client.get(path)).status_code == 404
    rows = await query("SELECT action, new_values FROM audit_logs WHERE resource_type = 'audit_stream' ORDER BY id")
    assert [action for action, _ in rows] == ["audit_stream.create", "audit_stream.update", "audit_stream.delete"]
    assert rows[1][1] == {"is_enabled": False}


async def test_a_token_in_the_address_of_a_receiver_is_told_to_no_other(desk: Desk, query: "Query") -> None:
    """Entries go to all streams, and to whoever reads the trail."""
    client, url = desk.operator(), "https://siem.example.com/one?token=one"
    made = await client.post("/audit-streams", json={"name": "siem", "url": url})
    path = f"/audit-streams/{made.json()['id']}"
    tag = {"If-Match": (await client.get(path)).headers["ETag"]}
    changed = await client.patch(path, json={"url": url.replace("one", "two")}, headers=tag)
    assert (changed.status_code, changed.json()["url"]) == (200, "https://siem.example.com/two?token=two")
    assert (await client.delete(path, headers={"If-Match": changed.headers["ETag"]})).status_code == 204
    rows = await query("SELECT old_values, new_values FROM audit_logs WHERE resource_type = 'audit_stream' ORDER BY id")
    told = [[values["url"] for values in row if values and "url" in values] for row in rows]
    assert told == [["https://siem.example.com/•••"], [], ["https://siem.example.com/•••"]]
    hashes = [values["url_hash"] for row in rows for values in row if values]
    assert (len(set(hashes)), hashes[0] == hashes[1], hashes[2] == hashes[3]) == (2, True, True), "that it was changed"


async def test_an_auditor_may_not_set_up_streams(desk: Desk, auth: "AuthFeed") -> None:
    user_id = await auth.register("eve@example.com")
    answer = await desk.user(user_id).post("/audit-streams", json={"name": "siem", "url": URL})
    assert answer.status_code == 403

"""Bringing users over: each line is told of, nobody comes twice, and what was cut off is gone on with."""

import asyncio
import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from orion_contracts.imports import IdentitiesImported, ImportedIdentity
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_user.audit.actions import Actor
from orion_user.imports import actions
from orion_user.imports.reading import read_all, read_csv, read_ndjson
from orion_user.imports.rules import ImportFormat, id_of_line
from orion_user.imports.running import Runner
from orion_user.imports.shapes import ChunkShape
from orion_user.other_services import OtherServices, TakenIn

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, FakeImports, People, Query

IMPORTS = "/user/v1/imports"


def line(email: str, **more: Any) -> str:
    return json.dumps({"email": email, "email_verified": True, **more})


async def begun(client: httpx.AsyncClient, **body: Any) -> str:
    answer = await client.post(IMPORTS, json=body)
    assert answer.status_code == 201, answer.text
    return f"{IMPORTS}/{answer.json()['id']}"


async def test_each_line_is_told_of_and_a_repeated_chunk_answers_the_same(
    people: "People", query: "Query", taken_in: "FakeImports"
) -> None:
    moderator = await people.moderator()
    taken_in.owners["here@example.com"] = owner = uuid7()
    url = await begun(moderator)
    body = "\n".join(
        [
            line("ada@example.com", username="ada", name="Ada", bio="first", metadata={"legacy": 7}),
            line("here@example.com"),
            line("eve@example.com", nmae="Eve"),
            "no json",
            line(
                "eve@example.com", email_verified=False, username="eve", social_links={"github": "https://github.com/e"}
            ),
        ]
    )
    answers = [await moderator.put(f"{url}/lines/1", content=body) for _ in range(2)]
    assert answers[0].status_code == 200, answers[0].text
    assert answers[0].json() == answers[1].json()
    told = [(each["line"], each["outcome"], each["reason"]) for each in answers[0].json()["lines"]]
    assert told[:2] == [(1, "CREATED", None), (2, "EXISTS", None)]
    assert [each[1] for each in told[2:]] == ["REFUSED", "REFUSED", "CREATED"]
    assert (told[2][2] or "").startswith("nmae: ")
    assert answers[0].json()["lines"][1]["user_id"] == str(owner)
    found = await query(
        "SELECT email, username, name, bio, status::text, metadata FROM users WHERE email ~ '^(ada|eve)' ORDER BY email"
    )
    assert found == [
        ("ada@example.com", "ada", "Ada", "first", "ACTIVE", {"legacy": 7}),
        ("eve@example.com", None, None, None, "PENDING", {}),
    ]
    assert await query("SELECT count(*) FROM user_roles WHERE reason = 'import'") == [(2,)]
    state = (await moderator.get(url)).json()
    assert [state[name] for name in ("next_line", "created", "existing", "refused")] == [6, 2, 1, 2]
    report = [json.loads(each) for each in (await moderator.get(f"{url}/report")).text.splitlines()]
    assert report == answers[0].json()["lines"]
    other = await moderator.put(f"{url}/lines/1", content=line("x@example.com"))
    assert other.json()["lines"] == report[:1], "what a line came to stays, whatever is sent for it"
    assert await query("SELECT count(*) FROM users WHERE email LIKE 'x@%'") == [(0,)]


async def test_lines_of_chunks_that_overlap_are_told_of_and_counted_once(people: "People") -> None:
    moderator = await people.moderator()
    url = await begun(moderator)
    lines = [line(f"user{number}@example.com") for number in range(1, 8)]
    inner = (await moderator.put(f"{url}/lines/3", content="\n".join([lines[2], "no json"]))).json()["lines"]
    assert [each["outcome"] for each in inner] == ["CREATED", "REFUSED"]
    whole = (await moderator.put(f"{url}/lines/1", content="\n".join(lines[:6]))).json()["lines"]
    assert whole[2:4] == inner, "the second outcome of a line is the first's"
    tail = (await moderator.put(f"{url}/lines/5", content="\n".join(lines[4:]))).json()["lines"]
    assert tail[:2] == whole[4:]
    assert (await moderator.put(f"{url}/lines/3", content="\n".join(lines[2:4]))).json()["lines"] == inner
    state = (await moderator.get(url)).json()
    assert [state[name] for name in ("next_line", "created", "existing", "refused")] == [8, 6, 0, 1]
    report = [json.loads(each) for each in (await moderator.get(f"{url}/report")).text.splitlines()]
    assert report == [*whole, tail[2]]


async def test_a_csv_file_says_the_same(people: "People", query: "Query") -> None:
    moderator = await people.moderator()
    columns = ["email", "email_verified", "name", "metadata"]
    url = await begun(moderator, format="CSV", columns=columns)
    out = io.StringIO(newline="")
    csv.writer(out).writerows(
        [["ada@example.com", "true", 'Ada "the first",\nLovelace', '{"n": 1}'], ["eve@example.com", "", "", ""], ["x"]]
    )
    answer = await moderator.put(f"{url}/lines/1", content=out.getvalue(), headers={"Content-Type": "text/csv"})
    assert [each["outcome"] for each in answer.json()["lines"]] == ["REFUSED", "CREATED", "REFUSED"]
    assert await query("SELECT status::text FROM users WHERE email LIKE 'eve%'") == [("PENDING",)]


@pytest.mark.parametrize(
    "body",
    [
        {"format": "CSV"},
        {"columns": ["email"]},
        {"format": "CSV", "columns": ["email", "password"]},
        {"format": "CSV", "columns": ["email", "email"]},
        {"format": "CSV", "columns": ["name"]},
        {"format": "XML"},
    ],
)
async def test_imports_that_cannot_begin(people: "People", body: dict[str, Any]) -> None:
    assert (await (await people.moderator()).post(IMPORTS, json=body)).status_code == 422


async def test_what_cannot_be_kept_is_a_line_that_is_refused_and_spoils_no_other(
    people: "People", query: "Query", taken_in: "FakeImports"
) -> None:
    """Half a character in the JSON of a cell, a number that no JSON library reads, nesting without end."""
    moderator = await people.moderator()
    url = await begun(moderator, format="CSV", columns=["email", "metadata"])
    cells = [
        '{"a": "\\ud800"}',
        '{"a": "\\u0000"}',
        '{"a": 1000000000000000000000}',
        "[" * 30_000,
        '{"a": "😀 \\ud83d\\ude00"}',
    ]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([f"user{number}@example.com", cell] for number, cell in enumerate(cells))
    answer = await moderator.put(f"{url}/lines/1", content=out.getvalue())
    assert [each["outcome"] for each in answer.json()["lines"]] == ["REFUSED"] * 4 + ["CREATED"], answer.text
    assert list(taken_in.owners) == ["user4@example.com"]
    whole = (
        await moderator.put(f"{await begun(moderator)}/lines/1", content=line("ada@example.com", name="Ada 😀"))
    ).json()
    assert whole["lines"][0]["outcome"] == "CREATED", "whoever writes ASCII writes a pair of halves"
    found = await query("SELECT name, metadata ->> 'a' FROM users WHERE email ~ '^(ada|user)' ORDER BY email")
    assert found == [("Ada 😀", None), (None, "😀 😀")]


async def test_who_may_not(people: "People") -> None:
    ada, moderator = people.client(await people.add("ada@example.com")), await people.moderator()
    url = await begun(moderator)
    for answer in (
        await ada.post(IMPORTS, json={}),
        await ada.get(url),
        await ada.put(f"{url}/lines/1", content=line("x@example.com")),
        await ada.get("/user/v1/user-export"),
    ):
        assert answer.status_code == 403
    assert (await moderator.put(f"{IMPORTS}/{uuid7()}/lines/1", content=line("x@example.com"))).status_code == 404
    for content in (b"", b"\n".join([b"{}"] * 1001)):
        assert (await moderator.put(f"{url}/lines/1", content=content)).status_code == 422
    assert (await moderator.put(f"{url}/lines/0", content=b"{}")).status_code == 422


async def test_what_auth_tells_first_is_filled_in_and_what_it_tells_last_changes_nothing(
    people: "People", auth: "AuthFeed", query: "Query"
) -> None:
    moderator = await people.moderator()
    url = await begun(moderator)
    import_id = UUID(url.rpartition("/")[2])

    def told(number: int) -> IdentitiesImported:
        identity = ImportedIdentity(
            user_id=id_of_line(import_id, number),
            email=f"user{number}@example.com",
            is_verified=True,
            name="Known",
            locale="en",
            timezone="UTC",
        )
        return IdentitiesImported(import_id=import_id, identities=[identity], imported_at=auth.clock())

    await auth.bring(told(1))
    body = "\n".join(line(f"user{number}@example.com", bio="from the file") for number in (1, 2))
    assert (await moderator.put(f"{url}/lines/1", content=body)).status_code == 200
    await auth.bring(told(2))
    assert await query("SELECT name, bio FROM users WHERE email LIKE 'user%' ORDER BY email") == [
        ("Known", "from the file"),
        (None, "from the file"),
    ]
    assert await query("SELECT count(*) FROM user_roles WHERE reason = 'import'") == [(2,)]
    assert await query("SELECT count(*) FROM user_preferences") == [(3,)]


WAITS = """
    SELECT DISTINCT locktype
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE datname = current_database() AND NOT granted
"""


async def test_who_hears_of_people_waits_for_whoever_writes_them_and_writes_nobody_again(
    auth: "AuthFeed", database: Database, query: "Query"
) -> None:
    identities = [
        ImportedIdentity(user_id=uuid7(), email=f"user{n}@example.com", is_verified=True, locale="en", timezone="UTC")
        for n in range(2)
    ]
    event = IdentitiesImported(import_id=uuid7(), identities=identities, imported_at=auth.clock())
    async with database.transaction() as importing:
        await actions.arrive(importing, event, auth.clock())
        hearing = asyncio.create_task(auth.bring(event))
        while not (waits := await query(WAITS)):
            assert not hearing.done()
        assert waits == [("advisory",)]
        written = (await importing.connection.execute(text("SELECT max(xmin::text) FROM users"))).scalar_one()
    await hearing
    assert await query("SELECT DISTINCT xmin::text FROM users WHERE email LIKE 'user%'") == [(written,)]


class Killed(BaseException):
    """The process is gone."""


async def test_cut_off_anywhere_and_gone_on_with_nobody_comes_twice(
    auth: "AuthFeed", database: Database, clock: MovableClock, query: "Query", taken_in: "FakeImports"
) -> None:
    await auth.register("first@example.com")
    content = "\n".join(line(f"user{number}@example.com") for number in range(3500)).encode()
    others = OtherServices(httpx.AsyncClient(transport=taken_in.transport()), "http://auth", "", "key", clock)
    done: list[int] = []

    def runner(most: int) -> Runner:
        def tell(chunk: Any) -> None:
            done.append(chunk.first_line)
            if len(done) >= most:
                raise Killed

        return Runner(database, others, clock, "operator", tell)

    import_id = await runner(99).begin(io.BytesIO(content), ImportFormat.NDJSON)
    with pytest.raises(BaseException) as cut_off:  # noqa: PT011 - it is a group of one
        await runner(2).go_on(import_id, io.BytesIO(content), ImportFormat.NDJSON)
    assert not isinstance(cut_off.value, Exception)
    finished = await runner(99).go_on(import_id, io.BytesIO(content), ImportFormat.NDJSON)
    assert (finished.created, finished.existing, finished.refused, finished.next_line) == (3500, 0, 0, 3501)
    assert await query("SELECT count(*), count(DISTINCT email) FROM users") == [(3501, 3501)]
    assert await query("SELECT count(*) FROM user_roles") == [(3501,)]


async def test_two_at_once_bring_everybody_over_once(
    auth: "AuthFeed", database: Database, clock: MovableClock, query: "Query", taken_in: "FakeImports"
) -> None:
    await auth.register("first@example.com")
    content = "\n".join(line(f"user{number}@example.com") for number in range(2500)).encode()
    others = OtherServices(httpx.AsyncClient(transport=taken_in.transport()), "http://auth", "", "key", clock)
    runner = Runner(database, others, clock, "operator", lambda _: None)
    import_id = await runner.begin(io.BytesIO(content), ImportFormat.NDJSON)
    await asyncio.gather(*(runner.go_on(import_id, io.BytesIO(content), ImportFormat.NDJSON) for _ in range(2)))
    assert await query("SELECT count(*) FROM users") == [(2501,)]
    assert await query("SELECT count(*) FROM user_roles") == [(2501,)]
    assert await query("SELECT sum(lines) FROM user_import_chunks") == [(2500,)]


class Meeting(OtherServices):
    """Hands on what auth answers once two have their answer: so both write down at once."""

    meeting = asyncio.Barrier(2)

    async def take_in(self, import_id: UUID, identities: Sequence[dict[str, Any]]) -> list[TakenIn]:
        answer = await super().take_in(import_id, identities)
        await self.meeting.wait()
        return answer


async def test_two_chunks_that_overlap_at_once_count_each_line_once(
    database: Database, clock: MovableClock, query: "Query", taken_in: "FakeImports"
) -> None:
    """Of people whom auth has already: so no row of theirs has one chunk wait for the other."""
    taken_in.owners = {f"user{number}@example.com": uuid7() for number in range(1, 151)}
    others = Meeting(httpx.AsyncClient(transport=taken_in.transport()), "http://auth", "", "key", clock)
    operator = Actor.service("operator")

    async def send(import_id: UUID, first: int, last: int) -> ChunkShape:
        lines = [read_ndjson(n, line(f"user{n}@example.com").encode()) for n in range(first, last + 1)]
        return await actions.take_in(database, others, import_id, lines, actor=operator, now=clock())

    for _ in range(10):
        begun = await actions.begin(database, ImportFormat.NDJSON, [], by="operator", actor=operator, now=clock())
        one, two = await asyncio.gather(send(begun.id, 1, 100), send(begun.id, 50, 150))
        assert one.lines[49:] == two.lines[:51]
        async with database.autocommit() as connection:
            state = await actions.read(connection, begun.id)
        assert (state.existing, state.next_line) == (150, 151)
    told = await query("SELECT new_values FROM audit_logs WHERE action = 'user.import' AND new_values ? 'EXISTS'")
    assert sum(values["EXISTS"] for (values,) in told) == 1500


async def test_all_users_are_given_out_and_gone_on_with(people: "People", query: "Query") -> None:
    moderator = await people.moderator()
    for number, name in enumerate(("=cmd()", "＝cmd()", "＠cmd()")):
        await people.add(f"user{number}@example.com", name=name)
    url = "/user/v1/user-export"
    whole = [json.loads(each) for each in (await moderator.get(url)).text.splitlines()]
    assert len(whole) == 4
    rest = (await moderator.get(url, params={"after": whole[1]["id"]})).text.splitlines()
    assert [json.loads(each) for each in rest] == whole[2:]
    records = list(csv.DictReader(io.StringIO((await moderator.get(url, params={"format": "CSV"})).text)))
    assert [record["id"] for record in records] == [user["id"] for user in whole]
    assert {record["name"] for record in records} == {"", "'=cmd()", "'＝cmd()", "'＠cmd()"}
    told = await query("SELECT new_values FROM audit_logs WHERE action = 'user.export_all' ORDER BY id")
    assert [values["format"] for (values,) in told] == ["NDJSON", "NDJSON", "CSV"]


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_ids_of_lines_are_version_7_in_order_and_their_own(first: int, second: int) -> None:
    import_id = UUID("01990000-0000-7abc-8def-0123456789ab")
    one, two = id_of_line(import_id, first), id_of_line(import_id, second)
    assert (one.version, one.variant) == (7, "specified in RFC 4122")
    assert (one < two) == (first < second)
    assert (one == two) == (first == second)
    assert one.hex[:12] == two.hex[:12] == import_id.hex[:12], "by which the trail tells who was brought over by what"


@given(st.binary(max_size=80))
def test_no_bytes_make_reading_fail(line_of_file: bytes) -> None:
    assert read_ndjson(1, line_of_file).fault is not None


@given(st.lists(st.text(max_size=8), max_size=3))
def test_no_cells_make_reading_fail(cells: list[str]) -> None:
    assert read_csv(1, ["email", "metadata"], cells).number == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"email": "a@b.example", "bio": "\\u0000"}', "NUL"),
        ('{"email": "a@b.example", "bio": "\\ud800"}', "line: "),
        ('{"email": "a@b.example", "metadata": {"n": 1000000000000000000000}}', "64 bits"),
        ('{"email": "a@b.example", "metadata": {"n": NaN}}', "NaN"),
        ('{"email": "a@b.example", "timezone": "Mars/Base"}', "timezone: "),
        ('{"email": "a@b.example", "username": "a b"}', "username: "),
        *(
            (f'{{"email": "a@b.example", "username": "{name}"}}', "username: ")
            for name in ("\u0430da", "\uff41da", "\ufb01n", "\u212aen")  # of other alphabets, wide, joined
        ),
        ('{"email": "a@b.example", "social_links": {"github": "http://x"}}', "social_links: "),
        ('{"email": 7}', "email: "),
        ("[]", "line: "),
        ("{" + " " * 70_000 + "}", "longer"),
    ],
)
def test_what_is_wrong_is_said_without_what_it_holds(text: str, fault: str) -> None:
    [found] = read_all(ImportFormat.NDJSON, [], 1, text.encode())
    assert fault in (found.fault or "")
    assert "Mars" not in (found.fault or "")

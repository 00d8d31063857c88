"""Users of another system, taken in line by line: once each, with their passwords, and no secret is repeated."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha1
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_auth.imports.actions import LONGEST_LINE, Report, read_line, take_in
from orion_contracts.events import EmailVerified, IdentityRegistered

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

PASSWORD = "correct horse battery staple"
DIGEST = sha1(b"salt" + PASSWORD.encode()).hexdigest()
ADA: dict[str, Any] = {
    "email": "Ada@Example.com",
    "email_verified": True,
    "username": "ada",
    "name": "Ada Lovelace",
    "locale": "de",
    "timezone": "Europe/Vienna",
    "password_hash": f"sha1$salt${DIGEST}",
}
BOB: dict[str, Any] = {"email": "bob@example.com"}


async def bring(auth: "Auth", users: Sequence[Any], *, dry_run: bool = False) -> list[Report]:
    lines = [read_line(number, json.dumps(user).encode()) for number, user in enumerate(users, start=1)]
    wired = auth.application.state.components
    return await take_in(wired.database, wired.outbox, lines, operator="olga", now=datetime.now(UTC), dry_run=dry_run)


async def test_a_user_signs_in_with_the_password_he_had(auth: "Auth") -> None:
    reports = await bring(auth, [ADA, BOB])
    assert [(report.line, report.outcome) for report in reports] == [(1, "CREATED"), (2, "CREATED")]
    [ada] = await auth.rows("SELECT id, password_hash, status::text FROM identities WHERE email = 'ada@example.com'")
    assert ada["id"] == reports[0].user_id
    assert ada["password_hash"].startswith("$wrapped$sha1$prefix$")
    assert DIGEST not in ada["password_hash"]
    assert (await auth.sign_in()).status_code == 201
    [ada] = await auth.rows("SELECT password_hash FROM identities WHERE email = 'ada@example.com'")
    assert ada["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await auth.sign_in("bob@example.com")).status_code == 401, "he has no password yet"


async def test_the_others_are_told_and_nobody_is_welcomed_anew(auth: "Auth") -> None:
    [report, _] = await bring(auth, [ADA, BOB])
    rows = await auth.rows("SELECT type, data FROM outbox WHERE type NOT LIKE '%.audit.%' ORDER BY sequence")
    types = [row["type"] for row in rows]
    assert types == [IdentityRegistered.type, EmailVerified.type, IdentityRegistered.type]
    registered = IdentityRegistered.read(rows[0]["data"])
    assert (registered.user_id, registered.name, registered.is_imported) == (report.user_id, "Ada Lovelace", True)
    assert EmailVerified.read(rows[1]["data"]).is_imported
    events = await auth.rows("SELECT event_type, category::text, details FROM security_events")
    assert {(event["event_type"], event["category"], event["details"]["operator"]) for event in events} == {
        ("account.imported", "ADMINISTRATION", "olga")
    }


async def test_twice_is_once_and_what_is_there_is_left_alone(auth: "Auth") -> None:
    first = await bring(auth, [ADA])
    before = await auth.counts()
    again = await bring(auth, [ADA | {"password_hash": None, "locale": "fr"}])
    assert [(report.outcome, report.user_id) for report in again] == [("EXISTS", first[0].user_id)]
    assert await auth.counts() == before
    assert [report.outcome for report in await bring(auth, [BOB, BOB])] == ["CREATED", "EXISTS"], "also in one batch"


async def test_an_address_that_somebody_else_may_have_registered_is_told_of(auth: "Auth") -> None:
    """Its owner would be there already, as far as the operator knows, and not come in with the password he had."""
    await auth.register()
    before = await auth.rows("SELECT * FROM identities")
    [report] = await bring(auth, [ADA])
    assert (report.outcome, report.user_id) == ("REFUSED", None)
    assert report.reason is not None and report.reason.startswith("email: ")
    assert await auth.rows("SELECT * FROM identities") == before
    [unverified] = await bring(auth, [ADA | {"email_verified": False}])
    assert unverified.outcome == "EXISTS", "nobody says whose it is"


async def test_a_dry_run_says_the_same_and_changes_nothing(auth: "Auth") -> None:
    users = [ADA, BOB, {"email": "no address"}]
    before = await auth.counts()
    said = await bring(auth, users, dry_run=True)
    assert await auth.counts() == before
    done = await bring(auth, users)
    assert [report.outcome for report in said] == [report.outcome for report in done]


async def test_names_and_ids_that_somebody_has_are_refused(auth: "Auth") -> None:
    user_id = await auth.verified("first@example.com", username="ada")
    reports = await bring(auth, [ADA, BOB | {"id": str(user_id)}])
    assert [(report.outcome, report.reason) for report in reports] == [
        ("REFUSED", "username: somebody has it"),
        ("REFUSED", "id: somebody has it"),
    ]


async def test_an_id_is_kept(auth: "Auth") -> None:
    user_id = UUID("0198c0de-0000-7000-8000-000000000001")
    [report] = await bring(auth, [BOB | {"id": str(user_id)}])
    assert report.user_id == user_id


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'"hunter2"', "not a JSON object"),
        (b"\xff\xfe", "not a JSON object"),
        (b"[" * 60_000, "not a JSON object"),
        (b'{"email": "a@b.de", "password": "hunter2"}', "password: no password is taken in clear"),
        (b'{"email": "hunter2"}', "email: not an e-mail address"),
        (b'{"email": "a@b.de", "locale": "hunter2/"}', "locale: "),
        (b'{"email": "a@b.de", "hunter": "hunter2"}', "hunter: "),
        *(
            (f'{{"email": "a@b.de", "username": "{name}"}}'.encode(), "username: ")
            for name in ("\u0430da", "\uff41da", "\ufb01n", "\u212aen")  # of other alphabets, wide, joined
        ),
        (b'{"email": "a@b.de", "password_hash": {"algorithm": "hunter2"}}', "password_hash: "),
        (b'{"email": "' + b"a" * LONGEST_LINE + b'"}', "longer than"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_and_not_repeated(text: bytes, fault: str) -> None:
    line = read_line(7, text)
    assert line.user is None
    assert line.fault is not None
    assert line.fault.startswith(fault)
    assert "hunter2" not in line.fault


async def test_a_hash_that_cannot_be_kept_is_refused_and_not_repeated(auth: "Auth") -> None:
    [report] = await bring(auth, [ADA | {"password_hash": "hunter2hunter2"}])
    assert (report.outcome, report.reason) == ("REFUSED", "password_hash: its algorithm is not known here")
    assert await auth.rows("SELECT id FROM identities") == []


@given(st.binary(max_size=300))
def test_no_line_breaks_the_import(text: bytes) -> None:
    line = read_line(1, text)
    assert (line.user is None) == (line.fault is not None)

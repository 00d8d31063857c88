"""Mails that come back: real servers' reports, forged ones, and noise."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock, TestDatabase
from orion_notifications.amazon_certificates import Certificates
from orion_notifications.callbacks import actions
from orion_notifications.callbacks.actions import Clerk
from orion_notifications.callbacks.returned import Returned, Verdict, read
from orion_notifications.commands import commands
from orion_notifications.return_paths import return_path

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query

KEYS = Keyring.new_key("test")
KEYRING = Keyring.parse(KEYS)
REPORTS = Path(__file__).parent / "reports"

POSTFIX = """\
Return-Path: <>
Delivered-To: {to}
From: MAILER-DAEMON@mx.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B/mx.example"

--B/mx.example
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.

--B/mx.example
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
X-Postfix-Queue-ID: 4F1B2C
Arrival-Date: Sun,  1 Mar 2026 12:00:00 +0000 (UTC)

Final-Recipient: rfc822; ada@example.com
Original-Recipient: rfc822;ada@example.com
Action: {action}
Status: {status}
Remote-MTA: dns; example.com
Diagnostic-Code: {diagnosis}

--B/mx.example
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

Return-Path: <{of}>
Subject: Ihr Code

--B/mx.example--
"""

COMPLAINT = """\
From: <abusedesk@example.com>
To: {to}
Subject: FW: Earn money
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="part1"

--part1
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report.

--part1
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <{of}>
Arrival-Date: Thu, 8 Mar 2026 14:00:00 EDT

--part1
Content-Type: message/rfc822

From: <no-reply@orion.example>
Subject: Earn money

Spam
--part1--
"""


def dsn(to: str, action: str = "failed", status: str = "5.1.1", diagnosis: str = "", of: str = "") -> bytes:
    words = diagnosis or "smtp; 550 5.1.1 <ada@example.com>: Recipient address rejected: User unknown"
    return POSTFIX.format(to=to, action=action, status=status, diagnosis=words, of=of).encode()


@pytest.mark.parametrize(
    ("action", "status", "diagnosis", "verdict"),
    [
        ("failed", "5.1.1", "", Verdict.BOUNCED),
        ("failed", "5.1.10", "", Verdict.BOUNCED),
        ("failed", "5.2.1", "", Verdict.BOUNCED),
        ("failed", "5.0.0", "smtp; 550 No such user", Verdict.BOUNCED),
        ("failed", "5.0.0", "smtp; 554 rejected", Verdict.FAILED),
        ("failed", "5.2.2", "", Verdict.FAILED),  # full
        ("failed", "5.7.1", "", Verdict.FAILED),  # what it said
        ("failed", "5.1.8", "", Verdict.FAILED),  # ours
        ("failed", "4.4.7", "", Verdict.FAILED),  # tried for days
        ("delayed", "4.4.1", "", Verdict.DELAYED),
        ("delivered", "2.0.0", "", Verdict.DELIVERED),
        ("Failed (bad destination)", "5.1.1 (x)", "", Verdict.BOUNCED),
    ],
)
def test_a_report_of_delivery(action: str, status: str, diagnosis: str, verdict: Verdict) -> None:
    id = uuid7()
    returned = read(dsn(return_path(id, KEYRING, "b.example"), action, status, diagnosis), KEYRING)
    assert returned is not None
    assert (returned.notification_id, returned.verdict) == (id, verdict)
    assert returned.status == status.split(" ", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("name", "verdict", "status"),
    [
        ("gone", Verdict.BOUNCED, "5.1.1"),
        ("full", Verdict.FAILED, "5.2.2"),
        ("busy", Verdict.DELAYED, "4.3.2"),
    ],
)
def test_a_report_as_postfix_has_written_it(name: str, verdict: Verdict, status: str) -> None:
    """As `python bench/mail.py packages/notifications/tests/callbacks/reports` left them."""
    id = uuid7()
    path = return_path(id, KEYRING, "bounces.orion.example")
    source = (REPORTS / f"postfix_{name}.eml").read_bytes().replace(b"RETURN_PATH", path.encode())
    assert read(source, KEYRING) == Returned(id, verdict, status)


def test_it_may_name_the_message_in_several_places() -> None:
    id = uuid7()
    path = return_path(id, KEYRING, "b.example")
    for source, recipient in (
        (dsn("postmaster@b.example", of=path), ""),
        (dsn("postmaster@b.example"), path),
        (COMPLAINT.format(to="fbl@b.example", kind="abuse", of=path).encode(), ""),
    ):
        returned = read(source, KEYRING, recipient)
        assert returned is not None
        assert returned.notification_id == id
    nobodys = read(dsn("postmaster@b.example"), KEYRING)
    assert nobodys is not None
    assert nobodys.notification_id is None


@pytest.mark.parametrize(("kind", "verdict"), [("abuse", Verdict.COMPLAINED), ("fraud", Verdict.COMPLAINED)])
def test_a_complaint(kind: str, verdict: Verdict) -> None:
    source = COMPLAINT.format(to="fbl@b.example", kind=kind, of="").encode()
    returned = read(source, KEYRING)
    assert returned is not None
    assert returned.verdict is verdict
    assert read(COMPLAINT.format(to="x@b.example", kind="not-spam", of="").encode(), KEYRING) is None


def test_a_holiday_reply_is_no_report() -> None:
    path = return_path(uuid7(), KEYRING, "b.example")
    assert (
        read(f"To: {path}\r\nSubject: Out of office\r\n\r\nAction: failed\r\nStatus: 5.1.1".encode(), KEYRING) is None
    )


@given(st.binary(max_size=400), st.integers(0, 1500), st.binary(max_size=20))
def test_noise_is_read_without_harm(noise: bytes, cut: int, put: bytes) -> None:
    read(noise, KEYRING)
    source = dsn(return_path(uuid7(), KEYRING, "b.example"))
    read(source[:cut] + put + source[cut:], KEYRING, noise.decode("latin-1"))


@pytest.fixture
def clerk(database: Database, clock: MovableClock) -> Clerk:
    return Clerk(database, KEYRING, Certificates(httpx.AsyncClient()), clock())


async def sent(query: "Query") -> str:
    id = uuid7()
    await query(
        "INSERT INTO notifications (id, type, category, channel, status, content, sent_at, recipient, provider,"
        " provider_message_id)"
        " VALUES (:id, 't', 'SYSTEM', 'EMAIL', 'SENT', 'c', now(), 'ada@example.com', 'smtp', :name)",
        id=id,
        name=f"<{id}@orion.example>",
    )
    return return_path(id, KEYRING, "b.example")


async def test_a_bounce_ends_the_message_and_the_address(clerk: Clerk, query: "Query") -> None:
    path = await sent(query)
    results = await asyncio.gather(*(actions.take_mail(clerk, dsn("x@b.example"), path) for _ in range(5)))
    assert {result and result.verdict for result in results} == {Verdict.BOUNCED}
    assert await query("SELECT status::text, error_code FROM notifications") == [("BOUNCED", "bounced")]
    assert await query("SELECT channel::text, reason::text FROM suppressions") == [("EMAIL", "BOUNCE")]


async def test_a_forged_bounce_changes_nothing(clerk: Clerk, query: "Query") -> None:
    path = await sent(query)
    forged = path.replace(path.partition(".")[2][:4], "0000", 1)
    assert await actions.take_mail(clerk, dsn(forged), forged) is None
    assert await actions.take_mail(clerk, dsn("postmaster@b.example"), "") is None
    assert await query("SELECT status::text FROM notifications") == [("SENT",)]
    assert await query("SELECT count(*) FROM suppressions") == [(0,)]


async def test_a_full_mailbox_ends_the_message_and_a_delay_nothing(clerk: Clerk, query: "Query") -> None:
    path = await sent(query)
    await actions.take_mail(clerk, dsn(path, "delayed", "4.4.1"), path)
    assert await query("SELECT status::text FROM notifications") == [("SENT",)]
    await actions.take_mail(clerk, dsn(path, status="5.2.2"), path)
    assert await query("SELECT status::text FROM notifications") == [("FAILED",)]
    await actions.take_mail(clerk, dsn(path, "delivered", "2.0.0"), path)
    assert await query("SELECT status::text FROM notifications") == [("FAILED",)]
    assert await query("SELECT count(*) FROM suppressions") == [(0,)]


async def test_a_complaint_silences_and_takes_back_nothing(clerk: Clerk, query: "Query") -> None:
    path = await sent(query)
    await actions.take_mail(clerk, dsn(path, "delivered", "2.0.0"), path)
    await actions.take_mail(clerk, COMPLAINT.format(to=path, kind="abuse", of="").encode(), path)
    assert await query("SELECT status::text FROM notifications") == [("DELIVERED",)]
    assert await query("SELECT reason::text FROM suppressions") == [("COMPLAINT",)]


@pytest.mark.usefixtures("no_settings")
async def test_a_mail_servers_pipe_has_the_database_and_the_key_of_return_paths_and_nothing_else(
    test_database: TestDatabase, query: "Query", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await sent(query)

    async def bounce() -> Result:
        return await asyncio.to_thread(CliRunner().invoke, commands, ["bounce", path], input=dsn(path))

    refused = await bounce()
    assert refused.exit_code == 3
    told = {line.partition(" ")[0] for line in refused.output.splitlines()}
    assert told == {"NOTIFICATION_DATABASE_URL", "NOTIFICATION_SEALING_KEYS"}

    monkeypatch.setenv("NOTIFICATION_DATABASE_URL", test_database.url)
    monkeypatch.setenv("NOTIFICATION_SEALING_KEYS", KEYS)
    taken = await bounce()
    assert (taken.exit_code, taken.output.split()[0]) == (0, "BOUNCED"), taken.output
    assert await query("SELECT status::text FROM notifications") == [("BOUNCED",)]

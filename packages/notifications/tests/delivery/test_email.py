"""Mails as they leave, and what a server's answers mean."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.headerregistry import Address
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import aiosmtplib
import pytest
from aiosmtpd.smtp import SMTP
from hypothesis import given
from hypothesis import strategies as st

from orion_core import outbound
from orion_core.ids import uuid7
from orion_core.local.mailbox import Mailbox
from orion_notifications.delivery import email
from orion_notifications.delivery.email import Server, SmtpChannel, explain
from orion_notifications.delivery.mail import compose
from orion_notifications.delivery.messages import Message, NotDeliveredError
from orion_notifications.delivery.rules import AttemptStatus, Fault, Next
from orion_notifications.kinds import Category
from orion_notifications.templates.rules import Content

SENDER = Address("Orion", addr_spec="no-reply@orion.example")
DATE = "Sun, 01 Mar 2026 12:00:00 +0000"


def clock() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


def message(recipient: str = "ada@example.com", **other: Any) -> Message:
    content = Content("Grüße", "Guten Tag\n", "<p>Guten Tag</p>")
    fields: dict[str, Any] = {
        "category": Category.ACCOUNT,
        "recipient_name": "Ada, née B.",
        "locale": "de",
        "content": content,
    }
    return Message(id=uuid7(), recipient=recipient, **(fields | other))


def channel(port: int, **other: Any) -> SmtpChannel:
    there: dict[str, Any] = {"host": "127.0.0.1", "port": port}
    return SmtpChannel(Server(**there | other), SENDER, clock)


class Refusing:
    """An SMTP server's behaviour: answers RCPT and DATA as told."""

    def __init__(self, rcpt: str = "250 OK", data: str = "250 OK") -> None:
        self.rcpt, self.data, self.sessions, self.names = rcpt, data, set[int](), set[str]()

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.names.add(hostname)
        return responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        self.sessions.add(id(session))
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        return self.data


@asynccontextmanager
async def refusing(handler: Refusing) -> AsyncGenerator[int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, hostname="test", loop=loop), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_a_mail_arrives_with_text_html_and_headers(mailbox: Mailbox) -> None:
    sent = message()
    receipt = await channel(mailbox.smtp_port).send(sent)
    (mail,) = await mailbox.wait_for("ada@example.com")
    assert (receipt.next, receipt.status_code) == (Next.SENT, 250)
    assert (mail.subject, mail.text.strip(), mail.html.strip()) == ("Grüße", "Guten Tag", "<p>Guten Tag</p>")
    assert mail.header("Message-ID") == receipt.provider_message_id == f"<{sent.id}@orion.example>"
    assert mail.header("To") == '"Ada, née B." <ada@example.com>'
    assert mail.header("Content-Language") == "de"
    assert mail.header("Auto-Submitted") == "auto-generated"
    assert mail.header("List-Unsubscribe") is None


async def test_connections_are_used_again_also_after_a_refusal() -> None:
    handler = Refusing(rcpt="550 5.1.1 no such user")
    async with refusing(handler) as port:
        smtp = channel(port)
        for _ in range(3):
            with pytest.raises(NotDeliveredError):
                await smtp.send(message())
        handler.rcpt = "250 OK"
        await smtp.send(message())
        await smtp.close()
    assert len(handler.sessions) == 1
    assert handler.names == {"orion.example"}


async def test_a_connection_is_closed_when_nobody_waits_for_it_any_more() -> None:
    connected, hung_up = asyncio.Event(), asyncio.Event()

    async def greet_never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        hung_up.set()
        writer.close()

    async with await asyncio.start_server(greet_never, "127.0.0.1", 0) as server:
        smtp = channel(server.sockets[0].getsockname()[1])
        sending = asyncio.create_task(smtp.send(message()))
        await connected.wait()
        await asyncio.sleep(0.1)  # until the client has noticed too, and waits to be greeted
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(hung_up.wait(), 2)


@pytest.mark.parametrize(
    ("rcpt", "data", "status", "code", "is_permanent", "is_bounce"),
    [
        ("550 5.1.1 no such user", "", AttemptStatus.FAILURE, "smtp_550", True, True),
        ("550 5.7.1 not you", "", AttemptStatus.FAILURE, "smtp_550", True, False),
        ("550 no", "", AttemptStatus.FAILURE, "smtp_550", True, False),
        ("552 5.2.2 mailbox full", "", AttemptStatus.FAILURE, "smtp_552", True, False),
        ("450 4.1.1 not now", "", AttemptStatus.FAILURE, "smtp_450", False, False),
        ("451 4.3.0 try later", "", AttemptStatus.FAILURE, "smtp_451", False, False),
        ("450 4.7.1 slow down", "", AttemptStatus.RATE_LIMITED, "smtp_450", False, False),
        ("250 OK", "554 5.7.1 spam", AttemptStatus.FAILURE, "smtp_554", True, False),
        ("250 OK", "550 5.1.0 spam", AttemptStatus.FAILURE, "smtp_550", True, False),
        ("250 OK", "452 4.2.2 mailbox full", AttemptStatus.FAILURE, "smtp_452", False, False),
    ],
)
async def test_a_servers_refusal_is_understood(
    rcpt: str, data: str, status: AttemptStatus, code: str, is_permanent: bool, is_bounce: bool
) -> None:
    async with refusing(Refusing(rcpt, data)) as port:
        with pytest.raises(NotDeliveredError) as refused:
            await channel(port).send(message())
    failure = refused.value.failure
    assert (failure.status, failure.code, failure.is_permanent) == (status, code, is_permanent)
    assert failure.is_bounce == is_bounce
    assert failure.status_code == int(code.removeprefix("smtp_"))


async def test_a_server_that_knows_nobody_any_more_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its directory is away: all bounce, but not all are written to no more."""
    monkeypatch.setattr(email, "MOST_UNKNOWN", 2)
    handler = Refusing("550 5.1.1 no such user")
    async with refusing(handler) as port:
        smtp = channel(port)

        async def suppresses() -> bool:
            with pytest.raises(NotDeliveredError) as refused:
                await smtp.send(message())
            assert refused.value.failure.is_bounce
            return refused.value.failure.suppresses

        assert [await suppresses() for _ in range(4)] == [True, True, False, False]
        handler.rcpt = "250 OK"
        await smtp.send(message())
        handler.rcpt = "550 5.1.1 no such user"
        assert await suppresses()
        await smtp.close()


async def test_no_server_is_no_fault_of_the_message() -> None:
    with pytest.raises(NotDeliveredError) as refused:
        await channel(1).send(message())
    assert (refused.value.failure.code, refused.value.failure.is_permanent) == ("smtp_unreachable", False)


async def test_a_server_that_an_administrator_names_is_reached_like_any_address_that_somebody_names(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Server-side request forgery: a private address, or a name that leads to one, is not so much as connected to."""
    asked: list[str] = []

    async def leads(host: str, port: int) -> list[str]:
        asked.append(host)
        return {"public.example": ["203.0.114.9"], "mixed.example": ["203.0.114.9", "10.0.0.1"]}.get(host, [host])

    monkeypatch.setattr(outbound, "look_up", leads)
    forbidden: list[dict[str, Any]] = [
        {"local": False},
        {"local": False, "host": "mixed.example"},
        {"local": True, "host": "169.254.169.254"},
        {"local": True, "host": "public.example", "starttls": False},
    ]
    for settings in forbidden:
        with pytest.raises(NotDeliveredError) as refused:
            await channel(mailbox.smtp_port, **settings).send(message())
        failure = refused.value.failure
        assert (failure.code, failure.is_permanent) == ("forbidden_address", False), settings
        assert failure.fault is Fault.ACCOUNT
    await channel(mailbox.smtp_port, local=True, starttls=False).send(message())
    assert len(asked) == 5


async def test_a_mail_waits_where_no_encryption_is_offered_but_on_this_machine(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stands between takes STARTTLS out of the answer (RFC 3207 §6), and would read codes and passwords."""
    await channel(mailbox.smtp_port).send(message())
    with pytest.raises(NotDeliveredError) as refused:
        await channel(mailbox.smtp_port, starttls=True).send(message())
    failure = refused.value.failure
    assert (failure.code, failure.is_permanent, failure.fault) == ("smtp_not_offered", False, Fault.ACCOUNT)

    def in_a_private_network(_address: str) -> IPv4Address | IPv6Address:
        return ip_address("10.0.0.1")

    monkeypatch.setattr(email, "ip_address", in_a_private_network)
    with pytest.raises(NotDeliveredError) as refused:
        await channel(mailbox.smtp_port).send(message())
    assert refused.value.failure.code == "smtp_not_offered"
    await channel(mailbox.smtp_port, starttls=False).send(message())


def test_our_own_login_is_no_fault_of_the_message() -> None:
    failure = explain(aiosmtplib.SMTPAuthenticationError(535, "no"))
    assert failure is not None
    assert not failure.is_permanent


def test_a_bug_is_not_taken_for_an_answer() -> None:
    assert explain(KeyError("x")) is None


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_value_becomes_a_header_of_its_own(name: str, subject: str) -> None:
    """Header injection: whatever comes in, the mail has the headers it should have, or is not made."""
    try:
        mail = compose(message(recipient_name=name, content=Content(subject, "t", None)), SENDER, DATE)
        source = mail.as_bytes()
    except ValueError:
        return
    names = [line.split(b":")[0] for line in source.split(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] not in b" \t"]
    assert sorted(names) == sorted(key.encode() for key in mail)
    assert {key.lower() for key in mail} <= {
        "from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type",
        "content-transfer-encoding", "content-language",
    }  # fmt: skip


@pytest.mark.parametrize("recipient", ["jörg@example.com", "ada@bücher.example"])
async def test_addresses_beyond_ascii_are_written_to(mailbox: Mailbox, recipient: str) -> None:
    """SMTPUTF8 (RFC 6531), which the server must offer."""
    await channel(mailbox.smtp_port).send(message(recipient))
    (mail,) = await mailbox.wait_for(recipient)
    assert mail.subject == "Grüße"

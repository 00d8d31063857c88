"""The mailbox, by real SMTP and real HTTP."""

import asyncio
from collections.abc import AsyncGenerator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import httpx
import pytest

from orion_core.local.mailbox import Channel, Mailbox
from orion_core.local.mailbox.box import Box
from orion_core.local.mailbox.messages import from_mail, from_request
from orion_core.local.ports import is_free


@pytest.fixture
async def mailbox() -> AsyncGenerator[Mailbox]:
    async with Mailbox.running() as running:
        yield running


@pytest.fixture
async def http(mailbox: Mailbox) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=mailbox.url) as client:
        yield client


def a_mail(to: str = "ada@example.com", subject: str = "Grüße", html: str = "<p>Hello</p>") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "orion@example.com", to, subject
    mail.set_content("Hello in text")
    mail.add_alternative(html, subtype="html")
    mail.add_attachment(b"1234", maintype="application", subtype="pdf", filename="bill.pdf")
    return mail


async def send(mailbox: Mailbox, mail: EmailMessage, username: str | None = None, password: str | None = None) -> None:
    await aiosmtplib.send(
        mail, hostname=mailbox.host, port=mailbox.smtp_port, start_tls=False, username=username, password=password
    )


async def test_a_mail_arrives_whole(mailbox: Mailbox) -> None:
    await send(mailbox, a_mail())
    (message,) = await mailbox.wait_for(to="ADA@example.com")
    assert message.channel is Channel.EMAIL
    assert (message.sender, message.to, message.subject) == ("orion@example.com", ("ada@example.com",), "Grüße")
    assert message.text.strip() == "Hello in text"
    assert message.html.strip() == "<p>Hello</p>"
    assert [(a.filename, a.size) for a in message.attachments] == [("bill.pdf", 4)]
    assert message.header("subject") == "Grüße"
    assert b"Subject: =?utf-8?" in message.source


async def test_any_login_is_accepted(mailbox: Mailbox) -> None:
    await send(mailbox, a_mail(), username="somebody", password="anything")
    assert await mailbox.wait_for(count=1)


async def test_waiting_in_vain_says_what_is_there(mailbox: Mailbox) -> None:
    await send(mailbox, a_mail())
    with pytest.raises(TimeoutError, match=r"1 message\(s\) to bob.* the mailbox holds EMAIL to ada@example.com"):
        await mailbox.wait_for(to="bob@example.com", timeout=0.05)


@pytest.mark.parametrize(
    ("path", "channel", "recipient"),
    [
        ("/sms", Channel.SMS, "+4930123"),
        ("/push", Channel.PUSH, "+4930123"),
        ("/slack", Channel.SLACK, "+4930123"),
        ("/discord", Channel.DISCORD, "+4930123"),
        ("/webhook/shop/orders", Channel.WEBHOOK, "+4930123"),
    ],
)
async def test_each_provider_has_a_sink(
    mailbox: Mailbox, http: httpx.AsyncClient, path: str, channel: Channel, recipient: str
) -> None:
    answer = await http.post(path, json={"to": recipient, "text": "code 1"}, headers={"X-Api-Key": "k"})
    assert answer.status_code == 200
    (message,) = await mailbox.wait_for(to=recipient, channel=channel)
    assert message.text == "code 1"
    assert message.header("x-api-key") == "k"
    assert message.data == {"to": recipient, "text": "code 1"}


async def test_what_is_no_sink_is_refused(http: httpx.AsyncClient) -> None:
    assert (await http.post("/pigeon", json={})).status_code == 404
    assert (await http.post("/email", json={})).status_code == 404
    assert (await http.post("/sms", content=b"x" * (4 * 1024 * 1024 + 1))).status_code == 413


async def test_the_json_interface_filters_waits_and_clears(mailbox: Mailbox, http: httpx.AsyncClient) -> None:
    await http.post("/sms", json={"to": "1"})
    await http.post("/push", json={"to": "2"})
    listed = (await http.get("/messages")).json()["messages"]
    assert [message["channel"] for message in listed] == ["SMS", "PUSH"]
    assert len((await http.get("/messages", params={"to": "1"})).json()["messages"]) == 1
    assert len((await http.get("/messages", params={"channel": "push"})).json()["messages"]) == 1
    assert (await http.get("/messages", params={"channel": "pigeon"})).status_code == 400

    last = listed[-1]["id"]
    assert (await http.get(f"/messages/{last}")).json()["to"] == ["2"]
    waiting = asyncio.create_task(http.get("/messages", params={"after": last, "wait": 5}))
    await asyncio.sleep(0.05)
    await send(mailbox, a_mail())
    assert [message["channel"] for message in (await waiting).json()["messages"]] == ["EMAIL"]

    assert (await http.delete("/messages")).status_code == 204
    assert (await http.get("/messages")).json() == {"messages": []}
    assert (await http.get(f"/messages/{last}")).status_code == 404


async def test_the_page_shows_mail_in_a_sandbox(mailbox: Mailbox, http: httpx.AsyncClient) -> None:
    await send(mailbox, a_mail(subject="<script>alert(1)</script>", html="<script>alert(2)</script>"))
    (message,) = await mailbox.wait_for()
    page = await http.get("/", params={"message": str(message.id)})
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert" not in page.text
    assert 'sandbox="allow-popups' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]

    frame = await http.get(f"/messages/{message.id}/html")
    assert frame.headers["content-security-policy"].startswith("sandbox ")
    assert "script-src" not in frame.headers["content-security-policy"]  # so default-src 'none' holds for scripts
    assert "http" not in page.text.replace(mailbox.url, "")  # nothing from elsewhere


@pytest.mark.parametrize("tab", ["text", "headers", "source"])
async def test_the_page_has_a_tab_for_each_view(mailbox: Mailbox, http: httpx.AsyncClient, tab: str) -> None:
    await send(mailbox, a_mail())
    (message,) = await mailbox.wait_for()
    page = (await http.get("/", params={"message": str(message.id), "tab": tab})).text
    assert {"text": "Hello in text", "headers": "<th>Subject</th>", "source": "MIME-Version: 1.0"}[tab] in page


async def test_the_list_is_newest_first_and_filtered(http: httpx.AsyncClient) -> None:
    await http.post("/sms", json={"to": "+491", "text": "first"})
    await http.post("/sms", json={"to": "+492", "text": "second"})
    page = (await http.get("/")).text
    assert page.index("second") < page.index("first")
    assert "second" not in (await http.get("/", params={"to": "491"})).text
    assert "Nothing has been sent" in (await http.get("/", params={"channel": "PUSH"})).text


async def test_the_page_needs_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    for asset in ("page.css", "page.js"):
        answer = await http.get(f"/assets/{asset}")
        assert answer.status_code == 200
        assert "//" not in answer.text.replace("// ", "")
    assert (await http.get("/assets/server.py")).status_code == 404


async def test_it_answers_to_local_names_only(http: httpx.AsyncClient) -> None:
    assert (await http.get("/messages", headers={"Host": "attacker.example"})).status_code == 400


async def test_it_gives_its_ports_back(mailbox: Mailbox) -> None:
    async with Mailbox.running() as second:
        assert second.http_port != mailbox.http_port
        with pytest.raises(OSError, match="in use"):
            async with Mailbox.running(http_port=second.http_port):
                pass
    assert is_free(second.http_port)
    assert is_free(second.smtp_port)


async def test_it_keeps_the_last_messages_only() -> None:
    box = Box(messages=3, size=100)
    for number in range(5):
        box.add(from_request(Channel.SMS, f"to {number}", [], b"x"))
    assert [message.to for message in box] == [("to 2",), ("to 3",), ("to 4",)]
    box.add(from_request(Channel.SMS, "long", [], b"x" * 99))
    assert [message.to for message in box] == [("to 4",), ("long",)]


def test_broken_mails_are_kept(tmp_path: Path) -> None:
    sources = [
        b"",
        b"no header at all",
        b"Content-Type: text/plain; charset=klingon\r\n\r\n\xff\xfe",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nnot closed",
        b"Content-Type: multipart/alternative\r\n\r\nno boundary",
        b"Subject: =?utf-8?b?%%%?=\r\nTo: <<>>\r\n\r\ntext",
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nbody",
    ]
    for source in sources:
        message = from_mail("a@example.com", ["b@example.com"], source)
        assert message.source == source
        assert message.as_json()

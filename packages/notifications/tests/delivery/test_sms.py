"""SMS as they leave, and what a provider's answers mean."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from orion_core.http.embedded import serving
from orion_core.ids import uuid7
from orion_core.local.mailbox import Channel, Mailbox
from orion_notifications.delivery import exchange
from orion_notifications.delivery.messages import Message, NotDeliveredError
from orion_notifications.delivery.rules import AttemptStatus, Failure, Next
from orion_notifications.delivery.sms import SmsChannel
from orion_notifications.kinds import Category
from orion_notifications.templates.rules import Content


def message(recipient: str = "+4915112345678") -> Message:
    content = Content("", "482913 is your code.\n\n@orion.example #482913\n", None)
    return Message(uuid7(), Category.SECURITY, recipient, "", "en", content)


async def refused(channel: SmsChannel, sent: Message) -> Failure:
    with pytest.raises(NotDeliveredError) as error:
        await channel.send(sent)
    await channel.close()
    assert error.value.provider == "http_sms"
    return error.value.failure


@asynccontextmanager
async def provider(status: int, seen: list[Request]) -> AsyncGenerator[str]:
    """A provider over HTTP that answers `status` to everything, and repeats what it was sent."""

    async def answer(request: Request) -> Response:
        seen.append(request)
        return PlainTextResponse(await request.body(), status, {"Location": "/elsewhere"})

    paths = [Route("/{path:path}", answer, methods=["GET", "POST"])]
    async with serving(Starlette(routes=paths), "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}/messages"


async def test_a_text_arrives_and_the_provider_names_it(mailbox: Mailbox) -> None:
    channel, sent = SmsChannel(f"{mailbox.url}/sms", "t0ken"), message()
    receipt = await channel.send(sent)
    await channel.close()
    (text,) = await mailbox.wait_for("+4915112345678", Channel.SMS)
    assert text.text.split("\n")[-1] == "@orion.example #482913"  # nothing may follow that line
    assert text.data == {"id": str(sent.id), "to": "+4915112345678", "text": text.text}
    assert text.header("Authorization") == "Bearer t0ken"
    assert text.header("Idempotency-Key") == str(sent.id)
    assert (receipt.next, receipt.status_code, receipt.provider_message_id) == (Next.SENT, 200, str(text.id))


@pytest.mark.parametrize(
    ("status", "is_permanent", "kind"),
    [
        (301, False, AttemptStatus.FAILURE),
        (400, True, AttemptStatus.FAILURE),
        (401, False, AttemptStatus.FAILURE),
        (422, True, AttemptStatus.FAILURE),
        (429, False, AttemptStatus.RATE_LIMITED),
        (500, False, AttemptStatus.FAILURE),
        (503, False, AttemptStatus.FAILURE),
    ],
)
async def test_what_an_answer_means(status: int, is_permanent: bool, kind: AttemptStatus) -> None:
    seen: list[Request] = []
    async with provider(status, seen) as url:
        failure = await refused(SmsChannel(url, "t0ken"), message())
    assert (failure.status, failure.code, failure.is_permanent) == (kind, f"sms_{status}", is_permanent)
    assert failure.status_code == status
    assert "482913" not in failure.message
    assert len(seen) == 1  # no redirect is followed


async def test_a_provider_that_is_away_or_silent_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "REQUEST_SECONDS", 0.2)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/sms"
        failure = await refused(SmsChannel(url, None), message())
    assert (failure.status, failure.code, failure.is_permanent) == (AttemptStatus.TIMEOUT, "sms_timeout", False)
    failure = await refused(SmsChannel(url, None), message())
    assert (failure.status, failure.code, failure.is_permanent) == (AttemptStatus.FAILURE, "sms_unreachable", False)


async def test_a_host_that_does_not_even_connect_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "CONNECT_SECONDS", 0.2)
    with ExitStack() as opened:
        host = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1))
        for _ in range(4):  # nobody accepts them: what comes after is left without an answer
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(host.getsockname())
        channel = SmsChannel(f"http://127.0.0.1:{host.getsockname()[1]}/sms", None)
        async with asyncio.timeout(exchange.REQUEST_SECONDS / 2):
            failure = await refused(channel, message())
    assert (failure.status, failure.code, failure.message) == (AttemptStatus.TIMEOUT, "sms_timeout", "ConnectTimeout")


@pytest.mark.parametrize("number", ["", "ada@example.com", "015112345678", "+0151", "+49 151", "+4915112345678\n"])
async def test_what_is_no_number_is_asked_of_nobody(number: str) -> None:
    failure = await refused(SmsChannel("http://127.0.0.1:1/sms", None), message(number))
    assert (failure.code, failure.is_permanent) == ("invalid_number", True)

"""SMS through Twilio and Vonage, and how many of them a text is."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packages.notifications.tests.stand_ins import TORN, Provider, Reply

from orion_notifications.delivery.drivers.texts import Twilio, Vonage
from orion_notifications.delivery.messages import Message, NotDeliveredError
from orion_notifications.delivery.rules import AttemptStatus, Failure, Fault
from orion_notifications.provider_settings import TwilioSettings, VonageSettings
from orion_notifications.segments import Segments, segments

Make = Callable[..., Message]
NUMBER = "+4915112345678"
SID = "AC" + "0" * 32


def named(notification_id: UUID) -> str:
    return f"{notification_id.hex}.mac"


def twilio(url: str, http: httpx.AsyncClient, **other: str) -> Twilio:
    settings = {"account_sid": SID, "auth_token": "t0ken", "sender": "+15005550006", "base_url": url}
    return Twilio(TwilioSettings.model_validate(settings | other), http, "/notifications/v1/callbacks/1", named)


def vonage(url: str, http: httpx.AsyncClient) -> Vonage:
    settings = {"api_key": "abcd1234", "api_secret": "s3cret", "sender": "Orion", "base_url": url}
    return Vonage(VonageSettings.model_validate(settings), http, named)


async def refused(driver: Any, message: Message) -> Failure:
    with pytest.raises(NotDeliveredError) as error:
        await driver.send(message)
    return error.value.failure


async def test_twilio(provider: Provider, http: httpx.AsyncClient, message: Make) -> None:
    provider.replies = [Reply(201, {"sid": "SM123", "status": "queued"})]
    driver = twilio(provider.url, http, public_url="https://n.example/")
    sent = message(NUMBER, text="Grüße 482913\n")
    receipt = await driver.send(sent)
    (asked,) = provider.asked
    assert asked.path == f"/2010-04-01/Accounts/{SID}/Messages.json"
    assert asked.headers["authorization"] == f"Basic {b64encode(f'{SID}:t0ken'.encode()).decode()}"
    assert asked.form == {
        "To": NUMBER,
        "From": "+15005550006",
        "Body": "Grüße 482913",
        "StatusCallback": f"https://n.example/notifications/v1/callbacks/1?message={named(sent.id)}",
    }
    assert (receipt.provider_message_id, receipt.response) == ("SM123", "1 segment of GSM 03.38")


async def test_twilio_through_a_messaging_service(provider: Provider, http: httpx.AsyncClient, message: Make) -> None:
    await twilio(provider.url, http, sender="MG" + "1" * 32).send(message(NUMBER))
    assert provider.asked[0].form["MessagingServiceSid"] == "MG" + "1" * 32
    assert "From" not in provider.asked[0].form
    assert "StatusCallback" not in provider.asked[0].form


@pytest.mark.parametrize(
    ("reply", "code", "is_permanent", "fault", "status"),
    [
        (Reply(400, {"code": 21211, "message": NUMBER}), "twilio_21211", True, Fault.MESSAGE, AttemptStatus.FAILURE),
        (Reply(400, {"code": 21610}), "twilio_21610", True, Fault.MESSAGE, AttemptStatus.FAILURE),
        (Reply(400, {"code": 21606}), "twilio_21606", False, Fault.ACCOUNT, AttemptStatus.FAILURE),
        (Reply(401, {"code": 20003}), "twilio_20003", False, Fault.ACCOUNT, AttemptStatus.FAILURE),
        (Reply(429, {"code": 20429}), "twilio_20429", False, Fault.ACCOUNT, AttemptStatus.RATE_LIMITED),
        (Reply(500, {"code": 20500}), "twilio_500", False, Fault.PROVIDER, AttemptStatus.FAILURE),
        (Reply(400, b"<html>"), "twilio_400", True, Fault.MESSAGE, AttemptStatus.FAILURE),
    ],
)
async def test_twilios_codes(
    provider: Provider,
    http: httpx.AsyncClient,
    message: Make,
    reply: Reply,
    code: str,
    is_permanent: bool,
    fault: Fault,
    status: AttemptStatus,
) -> None:
    provider.replies = [reply]
    failure = await refused(twilio(provider.url, http), message(NUMBER))
    assert (failure.code, failure.is_permanent, failure.fault, failure.status) == (code, is_permanent, fault, status)
    assert NUMBER not in failure.message


async def test_vonage(provider: Provider, http: httpx.AsyncClient, message: Make) -> None:
    provider.replies = [Reply(200, {"message-count": "2", "messages": [{"status": "0", "message-id": "0A00"}, {}]})]
    sent = message(NUMBER, text="漢" * 80)
    receipt = await vonage(provider.url, http).send(sent)
    form = provider.asked[0].form
    assert (form["to"], form["type"], form["client-ref"]) == ("4915112345678", "unicode", named(sent.id))
    assert (receipt.provider_message_id, receipt.response) == ("0A00", "2 segments of UCS-2")


@pytest.mark.parametrize(
    ("reply", "code", "is_permanent", "fault", "may_have_left"),
    [
        (Reply(200, {"messages": [{"status": "1"}]}), "vonage_1", False, Fault.ACCOUNT, False),
        (Reply(200, {"messages": [{"status": "4"}]}), "vonage_4", False, Fault.ACCOUNT, False),
        (Reply(200, {"messages": [{"status": "5"}]}), "vonage_5", False, Fault.PROVIDER, False),
        (Reply(200, {"messages": [{"status": "6"}]}), "vonage_6", True, Fault.MESSAGE, False),
        (Reply(200, {"messages": []}), "vonage_unclear", False, Fault.PROVIDER, True),
        (Reply(200, {"messages": ["x"]}), "vonage_unclear", False, Fault.PROVIDER, True),
        (Reply(200, b"{{{"), "vonage_unclear", False, Fault.PROVIDER, True),
        (TORN, "vonage_unclear", False, Fault.PROVIDER, True),
    ],
)
async def test_vonage_says_in_the_body_what_became_of_it(
    provider: Provider,
    http: httpx.AsyncClient,
    message: Make,
    reply: Reply,
    code: str,
    is_permanent: bool,
    fault: Fault,
    may_have_left: bool,
) -> None:
    provider.replies = [reply]
    failure = await refused(vonage(provider.url, http), message(NUMBER))
    assert (failure.code, failure.is_permanent, failure.fault, failure.may_have_left) == (
        code,
        is_permanent,
        fault,
        may_have_left,
    )


async def test_a_text_without_end_is_not_sent(http: httpx.AsyncClient, message: Make) -> None:
    failure = await refused(twilio("http://127.0.0.1:1", http), message(NUMBER, text="x" * 1531))
    assert (failure.code, failure.is_permanent) == ("too_long", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Segments("GSM 03.38", 1)),
        ("a" * 160, Segments("GSM 03.38", 1)),
        ("a" * 161, Segments("GSM 03.38", 2)),
        ("a" * 306, Segments("GSM 03.38", 2)),
        ("a" * 307, Segments("GSM 03.38", 3)),
        ("€" * 80, Segments("GSM 03.38", 1)),
        ("€" * 81, Segments("GSM 03.38", 2)),
        ("a" * 152 + "€" + "a" * 152, Segments("GSM 03.38", 3)),  # the euro is not torn apart: 152, 153 and one more
        ("é", Segments("GSM 03.38", 1)),
        ("ê" + "a" * 69, Segments("UCS-2", 1)),
        ("ê" + "a" * 70, Segments("UCS-2", 2)),
        ("🎉" * 35, Segments("UCS-2", 1)),
        ("🎉" * 36, Segments("UCS-2", 2)),
        ("🎉" * 67, Segments("UCS-2", 3)),  # 33 fit into a part, not 33 and a half
    ],
)
def test_segments(text: str, expected: Segments) -> None:
    assert segments(text) == expected


@given(st.text(max_size=600))
def test_segments_hold_what_they_must(text: str) -> None:
    found = segments(text)
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if found.alphabet == "UCS-2":
        assert (found.count == 1) is (units <= 70)
        assert found.count == 1 or units / 67 <= found.count <= units / 66 + 1
    else:
        assert found.count <= segments(text + "ê").count

"""SES, SendGrid, Postmark, Mailgun as they are asked, and what their answers mean; each on a real socket."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from typing import Any
from uuid import UUID

import httpx
import pytest
from packages.notifications.tests.stand_ins import CUT, HANG, TORN, Provider, Reply

from orion_notifications.delivery import exchange
from orion_notifications.delivery.drivers.mail_services import Mailgun, Postmark, SendGrid
from orion_notifications.delivery.drivers.ses import Ses, signed
from orion_notifications.delivery.messages import Message, NotDeliveredError
from orion_notifications.delivery.rules import AttemptStatus, Failure, Fault
from orion_notifications.kinds import Category
from orion_notifications.provider_settings import MailgunSettings, PostmarkSettings, SendGridSettings, SesSettings

Make = Callable[..., Message]
LINK = "https://n.example/u/t0k"
SECRET = "s3cr3t"


def clock() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


def named(notification_id: UUID) -> str:
    return f"{notification_id.hex}.mac"


def unsubscribing(message: Message) -> str | None:
    return LINK if message.category is Category.MARKETING else None


def driver(name: str, url: str, http: httpx.AsyncClient) -> Any:
    sender = {"sender": "Orion <no-reply@orion.example>", "base_url": url}
    match name:
        case "sendgrid":
            return SendGrid(SendGridSettings.model_validate(sender | {"api_key": SECRET}), http, unsubscribing, named)
        case "postmark":
            return Postmark(
                PostmarkSettings.model_validate(sender | {"server_token": SECRET}), http, unsubscribing, named
            )
        case "mailgun":
            settings = sender | {"api_key": SECRET, "domain": "mg.orion.example"}
            return Mailgun(MailgunSettings.model_validate(settings), http, unsubscribing, named)
        case _:
            keys = {"region": "eu-west-1", "access_key_id": "AKIDEXAMPLE12345", "secret_access_key": SECRET}
            return Ses(SesSettings.model_validate(sender | keys), http, clock, unsubscribing, named)


NAMES = ["sendgrid", "postmark", "mailgun", "ses"]


async def refused(driver: Any, message: Message) -> Failure:
    with pytest.raises(NotDeliveredError) as error:
        await driver.send(message)
    assert SECRET not in error.value.failure.message
    assert "482913" not in error.value.failure.message
    return error.value.failure


async def test_sendgrid(provider: Provider, http: httpx.AsyncClient, message: Make) -> None:
    provider.replies = [Reply(202, headers={"X-Message-Id": "14c5d75ce93.dfd"})]
    sent = message(category=Category.MARKETING, html="<p>Guten Tag</p>")
    receipt = await driver("sendgrid", provider.url, http).send(sent)
    (asked,) = provider.asked
    assert (asked.path, asked.headers["authorization"]) == ("/v3/mail/send", f"Bearer {SECRET}")
    assert asked.json["personalizations"] == [{"to": [{"email": "ada@example.com", "name": "Ada"}]}]
    assert asked.json["from"] == {"email": "no-reply@orion.example", "name": "Orion"}
    assert [part["type"] for part in asked.json["content"]] == ["text/plain", "text/html"]
    assert asked.json["headers"]["List-Unsubscribe"] == f"<{LINK}>"
    assert asked.json["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert asked.json["custom_args"] == {"orion_id": named(sent.id)}
    assert (receipt.provider_message_id, receipt.status_code) == ("14c5d75ce93.dfd", 202)


async def test_postmark(provider: Provider, http: httpx.AsyncClient, message: Make) -> None:
    provider.replies = [Reply(200, {"ErrorCode": 0, "MessageID": "b7bc2f4a-e38e"})]
    receipt = await driver("postmark", provider.url, http).send(message())
    (asked,) = provider.asked
    assert (asked.path, asked.headers["x-postmark-server-token"]) == ("/email", SECRET)
    assert (asked.json["To"], asked.json["TextBody"]) == ("Ada <ada@example.com>", "Guten Tag\n")
    assert {each["Name"] for each in asked.json["Headers"]} == {"Message-ID", "Auto-Submitted"}
    assert receipt.provider_message_id == "b7bc2f4a-e38e"


async def test_mailgun(provider: Provider, http: httpx.AsyncClient, message: Make) -> None:
    provider.replies = [Reply(200, {"id": "<2013@mg.orion.example>", "message": "Queued. Thank you."})]
    sent = message(category=Category.MARKETING)
    receipt = await driver("mailgun", provider.url, http).send(sent)
    (asked,) = provider.asked
    assert asked.path == "/v3/mg.orion.example/messages"
    assert asked.headers["authorization"] == f"Basic {b64encode(f'api:{SECRET}'.encode()).decode()}"
    assert (asked.form["subject"], asked.form["v:orion_id"]) == ("Grüße", named(sent.id))
    assert asked.form["h:List-Unsubscribe"] == f"<{LINK}>"
    assert receipt.provider_message_id == "2013@mg.orion.example"


async def test_ses(provider: Provider, http: httpx.AsyncClient, message: Make) -> None:
    provider.replies = [Reply(200, {"MessageId": "0102018e"})]
    sent = message()
    receipt = await driver("ses", provider.url, http).send(sent)
    (asked,) = provider.asked
    assert asked.path == "/v2/email/outbound-emails"
    mail = message_from_bytes(b64decode(asked.json["Content"]["Raw"]["Data"]), policy=default)
    assert (mail["Subject"], mail["To"]) == ("Grüße", "Ada <ada@example.com>")
    assert asked.json["EmailTags"] == [{"Name": "orion_id", "Value": named(sent.id)}]
    assert asked.headers["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE12345/20260301/eu-west-1/ses/"
    )
    assert receipt.provider_message_id == "0102018e"


def test_the_signature_is_amazons() -> None:
    """Made once by botocore 1.44.8's SigV4Auth of the same request: the canonical form as Amazon's own code has it."""
    given = signed(
        "https://email.us-east-1.amazonaws.com/v2/email/outbound-emails",
        b"{}",
        {"Content-Type": "application/json"},
        key_id="AKIDEXAMPLE12345",
        secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
        now=datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
    )
    assert given["authorization"] == EXPECTED


EXPECTED = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE12345/20150830/us-east-1/ses/aws4_request, "
    "SignedHeaders=content-type;host;x-amz-date, "
    "Signature=b503625e599c445a22475858513d0eeea1be5207ca0536be15345410d08b51b1"
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("reply", "status", "is_permanent", "fault", "may_have_left"),
    [
        (Reply(400, b"not json"), AttemptStatus.FAILURE, True, Fault.MESSAGE, False),
        (Reply(401, {"message": SECRET}), AttemptStatus.FAILURE, False, Fault.ACCOUNT, False),
        (Reply(429, b"", {"Retry-After": "17"}), AttemptStatus.RATE_LIMITED, False, Fault.ACCOUNT, False),
        (Reply(500, b"482913"), AttemptStatus.FAILURE, False, Fault.PROVIDER, True),
        (Reply(503, b"", {"Retry-After": "5"}), AttemptStatus.FAILURE, False, Fault.PROVIDER, False),
        (Reply(302, b"", {"Location": "/"}), AttemptStatus.FAILURE, False, Fault.ACCOUNT, False),
        (HANG, AttemptStatus.TIMEOUT, False, Fault.PROVIDER, True),
        (CUT, AttemptStatus.FAILURE, False, Fault.PROVIDER, True),
    ],
    ids=["400", "401", "429", "500", "503", "302", "hang", "cut"],
)
async def test_what_an_answer_means(
    provider: Provider,
    http: httpx.AsyncClient,
    message: Make,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    reply: Reply,
    status: AttemptStatus,
    is_permanent: bool,
    fault: Fault,
    may_have_left: bool,
) -> None:
    monkeypatch.setattr(exchange, "REQUEST_SECONDS", 0.2)
    provider.replies = [reply]
    failure = await refused(driver(name, provider.url, http), message(text="482913"))
    assert (failure.status, failure.is_permanent, failure.fault) == (status, is_permanent, fault)
    assert failure.may_have_left is may_have_left
    assert (failure.retry_after is not None) is ("Retry-After" in reply.headers)
    assert len(provider.asked) == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reply", [TORN, Reply(200, b"{{{"), Reply(202, b"[1]")], ids=["torn", "no json", "no object"])
async def test_what_was_taken_is_taken_whatever_the_rest_says(
    provider: Provider, http: httpx.AsyncClient, message: Make, name: str, reply: Reply
) -> None:
    provider.replies = [reply]
    assert (await driver(name, provider.url, http).send(message())).provider_message_id is None


@pytest.mark.parametrize("name", NAMES)
async def test_who_is_not_there_has_taken_nothing(http: httpx.AsyncClient, message: Make, name: str) -> None:
    failure = await refused(driver(name, "http://127.0.0.1:1", http), message())
    assert (failure.code, failure.may_have_left, failure.fault) == (f"{name}_unreachable", False, Fault.PROVIDER)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("recipient", "subject", "person"),
    [("nobody", "s", "Ada"), ("ada@example.com", "s\r\nBcc: eve@example.com", "Ada"), ("a@b.c\r\nX: y", "s", "Ada"),
     ("ada@example.com", "s", "Ada\r\nBcc: eve@example.com")],
)  # fmt: skip
async def test_no_value_becomes_a_header_of_its_own(
    http: httpx.AsyncClient, message: Make, name: str, recipient: str, subject: str, person: str
) -> None:
    failure = await refused(
        driver(name, "http://127.0.0.1:1", http), message(recipient, subject, recipient_name=person)
    )
    assert (failure.code, failure.is_permanent) == ("invalid_mail", True)


@pytest.mark.parametrize(
    ("name", "reply", "code", "fault"),
    [
        ("postmark", Reply(422, {"ErrorCode": 406, "Message": "inactive"}), "postmark_406", Fault.MESSAGE),
        ("postmark", Reply(422, {"ErrorCode": 405}), "postmark_405", Fault.ACCOUNT),
        ("postmark", Reply(422, b"?"), "postmark_0", Fault.ACCOUNT),
        ("ses", Reply(400, {"__type": "x#MessageRejected"}), "ses_400", Fault.MESSAGE),
        ("ses", Reply(400, b"", {"x-amzn-ErrorType": "SendingPausedException:http://x"}), "ses_account", Fault.ACCOUNT),
        ("ses", Reply(400, {"__type": "LimitExceededException"}), "ses_429", Fault.ACCOUNT),
    ],
)
async def test_a_providers_own_codes_are_understood(
    provider: Provider, http: httpx.AsyncClient, message: Make, name: str, reply: Reply, code: str, fault: Fault
) -> None:
    provider.replies = [reply]
    failure = await refused(driver(name, provider.url, http), message())
    assert (failure.code, failure.fault, failure.is_permanent) == (code, fault, fault is Fault.MESSAGE)


def test_retry_after_is_read_in_both_forms_and_bounded() -> None:
    now = clock()

    def read(text: str) -> float | None:
        found = exchange.retry_after({"retry-after": text}, now)
        return None if found is None else found.total_seconds()

    assert [read(text) for text in ("17", "0.5", "Sun, 01 Mar 2026 12:01:00 GMT")] == [17, 0.5, 60]
    assert [read(text) for text in ("999999999", "Sun, 01 Mar 2026 11:00:00 GMT")] == [86_400, 0]
    assert [read(text) for text in ("", "soon", "-1", "1e9", "99999999999")] == [None] * 5

"""What providers tell later: believed when they have signed it, taken down once, and never backwards."""

import hmac
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
import jwt
import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_notifications.callbacks import rules
from orion_notifications.callbacks.rules import MalformedError, NotGenuineError, Posted, Verdict
from orion_notifications.callbacks.texts import reply_of
from orion_notifications.provider_settings import MailgunSettings, PostmarkSettings, SendGridSettings

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query, Served

ADMIN = uuid7()
TOPIC = "arn:aws:sns:eu-west-1:1:orion"
EC, RSA = generate_ec(SECP256R1()), generate_rsa(65537, 2048)
VERIFICATION = b64encode(EC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
SENDER = {"sender": "a@orion.example"}
SETTINGS: dict[str, dict[str, Any]] = {
    "sendgrid": SENDER | {"api_key": "k", "verification_key": VERIFICATION},
    "mailgun": SENDER | {"api_key": "k", "domain": "mg.orion.example", "signing_key": "s1gn"},
    "postmark": SENDER | {"server_token": "k", "callback_user": "pm", "callback_password": "pw"},
    "ses": SENDER
    | {
        "region": "eu-west-1",
        "access_key_id": "AKIDEXAMPLE12345",
        "secret_access_key": "k",
        "topic_arn": TOPIC,
    },
    "twilio": {
        "account_sid": "AC" + "0" * 32,
        "auth_token": "t0ken",
        "sender": "+15005550006",
        "public_url": "https://n.example",
    },
    "vonage": {"api_key": "abcd", "api_secret": "s", "sender": "Orion", "signature_secret": "s" * 40},
}
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0abc.pem"


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(RSA.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=3650))
    return made.sign(RSA, SHA256()).public_bytes(Encoding.PEM)


def signed(provider: str, path: str, event: Any, now: datetime) -> tuple[bytes, dict[str, str]]:
    """A call-back as the provider sends it."""
    stamp = str(int(now.timestamp()))
    match provider:
        case "sendgrid":
            body = orjson.dumps([event])
            signature = b64encode(EC.sign(stamp.encode() + body, ECDSA(SHA256()))).decode()
            prefix = "X-Twilio-Email-Event-Webhook"
            return body, {f"{prefix}-Timestamp": stamp, f"{prefix}-Signature": signature}
        case "mailgun":
            token = sha256(orjson.dumps(event)).hexdigest()[:50]
            signature = hmac.new(b"s1gn", f"{stamp}{token}".encode(), sha256).hexdigest()
            told = {"signature": {"timestamp": stamp, "token": token, "signature": signature}, "event-data": event}
            return orjson.dumps(told), {}
        case "postmark":
            return orjson.dumps(event), {"Authorization": f"Basic {b64encode(b'pm:pw').decode()}"}
        case "twilio":
            told = f"https://n.example{path}" + "".join(f"{name}{event[name]}" for name in sorted(event))
            signature = b64encode(hmac.digest(b"t0ken", told.encode(), sha1)).decode()
            return urlencode(event).encode(), {"X-Twilio-Signature": signature}
        case "vonage":
            body = orjson.dumps(event)
            claims = {"iat": int(stamp), "payload_hash": sha256(body).hexdigest(), "api_key": "abcd"}
            return body, {"Authorization": f"Bearer {jwt.encode(claims, 's' * 40, 'HS256')}"}
        case _:
            told = {"Type": "Notification", "Message": orjson.dumps(event).decode()}
            return orjson.dumps(from_amazon(told, now)), {}


def from_amazon(told: dict[str, str], now: datetime) -> dict[str, str]:
    told = told | {
        "MessageId": sha256(told["Message"].encode()).hexdigest(),
        "Timestamp": now.isoformat(),
        "TopicArn": "arn:aws:sns:eu-west-1:1:orion",
    }
    names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{told[name]}\n" for name in names if name in told)
    signature = b64encode(RSA.sign(text.encode(), PKCS1v15(), SHA256())).decode()
    return told | {"SignatureVersion": "2", "Signature": signature, "SigningCertURL": CERTIFICATE_URL}


def event_of(provider: str, verdict: str, id: UUID, now: datetime) -> Any:
    """The provider's own words for what became of a message."""
    at, address = now.timestamp(), "ada@example.com"
    match provider, verdict:
        case "sendgrid", _:
            kind = {"DELIVERED": "delivered", "BOUNCED": "bounce", "COMPLAINED": "spamreport"}[verdict]
            return {"event": kind, "orion_id": str(id), "email": address, "timestamp": at, "status": "5.1.1"}
        case "mailgun", _:
            kind = {"DELIVERED": "delivered", "BOUNCED": "failed", "COMPLAINED": "complained"}[verdict]
            told = {"event": kind, "severity": "permanent", "reason": "bounce", "recipient": address, "timestamp": at}
            return told | {"user-variables": {"orion_id": str(id)}, "delivery-status": {"code": 550}}
        case "postmark", _:
            kind = {"DELIVERED": "Delivery", "BOUNCED": "Bounce", "COMPLAINED": "SpamComplaint"}[verdict]
            return {"RecordType": kind, "Type": "HardBounce", "Metadata": {"orion_id": str(id)}, "Email": address}
        case "ses", "DELIVERED":
            return {"eventType": "Delivery", "mail": {"tags": {"orion_id": [str(id)]}}}
        case "ses", "BOUNCED":
            bounce = {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": address}]}
            return {"eventType": "Bounce", "mail": {"tags": {"orion_id": [str(id)]}}, "bounce": bounce}
        case "ses", _:
            complaint = {"complainedRecipients": [{"emailAddress": address}]}
            return {"eventType": "Complaint", "mail": {"tags": {"orion_id": [str(id)]}}, "complaint": complaint}
        case "twilio", _:
            status = {"DELIVERED": "delivered", "BOUNCED": "undelivered"}[verdict]
            return {"MessageSid": f"SM{id.hex}", "MessageStatus": status, "ErrorCode": "30005", "To": "+4915112345678"}
        case _:
            return {"client-ref": str(id), "status": "delivered", "msisdn": "4915112345678", "messageId": "x"}


async def account(served: "Served", provider: str) -> str:
    served.allowed = {"provider:configure"}
    served.amazon[CERTIFICATE_URL] = httpx.Response(200, content=certificate())
    channel = "SMS" if provider in {"twilio", "vonage"} else "EMAIL"
    wanted = {"channel": channel, "provider": provider, "name": "one", "settings": SETTINGS[provider]}
    async with served.client(ADMIN) as client:
        made = await client.post("/notifications/v1/providers", json=wanted)
    assert made.status_code == 201, made.text
    return made.json()["callback_path"]


async def sent(query: "Query", provider: str, status: str = "SENT") -> UUID:
    id = uuid7()
    channel, to = ("SMS", "+4915112345678") if provider in {"twilio", "vonage"} else ("EMAIL", "ada@example.com")
    await query(
        "INSERT INTO notifications (id, type, category, channel, status, content, sent_at, processing_at, recipient,"
        " provider, provider_message_id) VALUES (:id, 't', 'SYSTEM', CAST(:channel AS channel),"
        " CAST(:status AS notification_status), 'c', now(), now(), :to, :provider, :name)",
        id=id,
        channel=channel,
        status=status,
        to=to,
        provider=provider,
        name=f"SM{id.hex}" if status != "PROCESSING" else None,
    )
    return id


async def tell(served: "Served", path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    async with served.client() as client:
        return await client.post(path, content=body, headers=headers)


async def audited(query: "Query") -> list[dict[str, Any]]:
    """What the audit trail is told of addresses that get nothing more."""
    sql = "SELECT data -> 'new' FROM outbox WHERE data ->> 'action' = 'suppression.create' ORDER BY sequence"
    return [row[0] for row in await query(sql)]


async def status_of(query: "Query", id: UUID) -> str:
    return (await query("SELECT status::text FROM notifications WHERE id = :id", id=id))[0][0]


PROVIDERS = list(SETTINGS)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_they_tell_is_taken_down_once(
    served: "Served", query: "Query", clock: MovableClock, provider: str
) -> None:
    path = await account(served, provider)
    first, second = await sent(query, provider), await sent(query, provider)
    can_bounce = provider != "vonage"
    for id, verdict in ((first, "DELIVERED"), (second, "BOUNCED")) if can_bounce else ((first, "DELIVERED"),):
        told = signed(provider, path, event_of(provider, verdict, id, clock()), clock())
        for _ in range(3):
            assert (await tell(served, path, *told)).status_code == 204
        assert await status_of(query, id) == verdict
    # What comes late does not take it back.
    if can_bounce:
        await tell(served, path, *signed(provider, path, event_of(provider, "BOUNCED", first, clock()), clock()))
        await tell(served, path, *signed(provider, path, event_of(provider, "DELIVERED", second, clock()), clock()))
        assert (await status_of(query, first), await status_of(query, second)) == ("DELIVERED", "BOUNCED")
        silenced = "SELECT reason::text, category, expires_at - :now FROM suppressions"
        ends = timedelta(days=90) if provider == "twilio" else None  # a number is given to somebody else
        assert await query(silenced, now=clock()) == [("BOUNCE", None, ends)]


@pytest.mark.parametrize("provider", ["sendgrid", "mailgun", "postmark", "ses"])
async def test_who_complains_is_written_to_no_more(
    served: "Served", query: "Query", clock: MovableClock, provider: str
) -> None:
    path = await account(served, provider)
    id, batch_id = await sent(query, provider), uuid7()
    await query(
        "INSERT INTO notification_batches (id, name, channel, content, category)"
        " VALUES (:id, 'b', 'EMAIL', '{}', 'SYSTEM')",
        id=batch_id,
    )
    await query("UPDATE notifications SET batch_id = :batch_id", batch_id=batch_id)
    await tell(served, path, *signed(provider, path, event_of(provider, "DELIVERED", id, clock()), clock()))
    told = signed(provider, path, event_of(provider, "COMPLAINED", id, clock()), clock())
    for _ in range(2):
        assert (await tell(served, path, *told)).status_code == 204
    assert await query("SELECT channel::text, reason::text FROM suppressions") == [("EMAIL", "COMPLAINT")]
    assert await query("SELECT total_complained FROM notification_batches") == [(1,)], "which it may stop"
    assert await status_of(query, id) == "DELIVERED"
    assert await audited(query) == [{"channel": "EMAIL", "category": None, "reason": "COMPLAINT"}]


async def test_an_address_that_does_not_exist_weighs_more_than_a_complaint(
    served: "Served", query: "Query", clock: MovableClock
) -> None:
    path = await account(served, "sendgrid")
    for verdict in ("COMPLAINED", "BOUNCED", "COMPLAINED"):
        id = await sent(query, "sendgrid")
        told = signed("sendgrid", path, event_of("sendgrid", verdict, id, clock()), clock())
        assert (await tell(served, path, *told)).status_code == 204
    assert await query("SELECT reason::text, expires_at FROM suppressions") == [("BOUNCE", None)]
    assert [each["reason"] for each in await audited(query)] == ["COMPLAINT", "BOUNCE"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_nobody_else_is_believed(served: "Served", query: "Query", clock: MovableClock, provider: str) -> None:
    path = await account(served, provider)
    id = await sent(query, provider)
    body, headers = signed(provider, path, event_of(provider, "DELIVERED", id, clock()), clock())
    changed = {name: value[:-3] + ("AAA" if value[-3:] != "AAA" else "BBB") for name, value in headers.items()}
    nothing = dict[str, str]()
    forged = [(body, nothing), (body, changed), (b"", headers), (b"\xff{", nothing)]
    if provider in {"sendgrid", "twilio", "vonage", "ses"}:
        forged.append((body.replace(b"elivered", b"elivereD").replace(b"Delivery", b"DeliverY"), headers))
    if provider == "mailgun":
        forged = [(body.replace(b'"token":"', b'"token":"u'), nothing), (b"{}", nothing), (b"[]", nothing)]
    if provider == "ses":
        forged = forged[2:]  # it signs in the body
    for told in forged if provider != "postmark" else forged[:2]:
        answer = await tell(served, path, *told)
        assert answer.status_code == 401, (told, answer.text)
    assert await status_of(query, id) == "SENT"
    assert (await tell(served, f"/notifications/v1/callbacks/{uuid7()}", body, headers)).status_code == 404


@pytest.mark.parametrize("provider", ["sendgrid", "mailgun", "vonage", "ses"])
async def test_what_is_too_old_is_nobodys(served: "Served", query: "Query", clock: MovableClock, provider: str) -> None:
    path = await account(served, provider)
    id = await sent(query, provider)
    told = signed(provider, path, event_of(provider, "DELIVERED", id, clock()), clock() - timedelta(days=2))
    assert (await tell(served, path, *told)).status_code == 401


async def test_what_comes_before_it_is_written_that_it_left_is_told_again(
    served: "Served", query: "Query", clock: MovableClock
) -> None:
    path = await account(served, "sendgrid")
    id = await sent(query, "sendgrid", "PROCESSING")
    told = signed("sendgrid", path, event_of("sendgrid", "DELIVERED", id, clock()), clock())
    answer = await tell(served, path, *told)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    old = event_of("sendgrid", "DELIVERED", id, clock() - timedelta(hours=1))
    assert (await tell(served, path, *signed("sendgrid", path, old, clock()))).status_code == 204


async def test_an_account_speaks_of_its_own_messages_alone(
    served: "Served", query: "Query", clock: MovableClock
) -> None:
    path = await account(served, "sendgrid")
    id = await sent(query, "postmark")
    old = event_of("sendgrid", "BOUNCED", id, clock() - timedelta(hours=1)) | {"email": "eve@example.com"}
    await tell(served, path, *signed("sendgrid", path, old, clock()))
    assert await status_of(query, id) == "SENT"


@pytest.mark.parametrize("provider", ["twilio", "vonage"])
async def test_stop_and_start_are_heeded(served: "Served", query: "Query", clock: MovableClock, provider: str) -> None:
    path = await account(served, provider)

    async def say(text: str) -> None:
        event = {"From": "+4915112345678", "Body": text, "MessageSid": f"SM{uuid7().hex}"}
        if provider == "vonage":
            event = {"msisdn": "4915112345678", "text": text, "messageId": uuid7().hex}
        assert (await tell(served, path, *signed(provider, path, event, clock()))).status_code == 204

    await say("Thanks, I will not stop")
    assert await query("SELECT reason::text FROM suppressions") == []
    await say(" Stop. ")
    assert await query("SELECT channel::text, reason::text FROM suppressions") == [("SMS", "UNSUBSCRIBE")]
    assert [each["reason"] for each in await audited(query)] == ["UNSUBSCRIBE"]
    await say("START")
    assert await query("SELECT reason::text FROM suppressions") == []
    for reason in ("MANUAL", "BOUNCE", "COMPLAINT"):
        await say("STOP")
        await query("UPDATE suppressions SET reason = CAST(:reason AS suppression_reason)", reason=reason)
        await say("START")
        assert await query("SELECT reason::text FROM suppressions") == [(reason,)], "it takes back a STOP alone"
        await query("DELETE FROM suppressions")


async def test_a_topic_is_confirmed_and_only_at_amazon(served: "Served", clock: MovableClock) -> None:
    path = await account(served, "ses")
    confirming = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    visited = list[str]()

    def outside(request: httpx.Request) -> httpx.Response:
        visited.append(str(request.url))
        return httpx.Response(200, content=certificate())

    served.outside = outside  # type: ignore[method-assign]
    asking = {"Type": "SubscriptionConfirmation", "Message": "m", "Token": "t"}
    for url in ("https://eve.example/x", confirming):
        await tell(served, path, orjson.dumps(from_amazon(asking | {"SubscribeURL": url}, clock())), {})
    assert "https://eve.example/x" not in visited


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-west-1.amazonaws.com.eve.example/SimpleNotificationService-0abc.pem",
        "https://eve.example/SimpleNotificationService-0abc.pem",
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0abc.pem",
        "https://sns.eu-west-1.amazonaws.com/eve/SimpleNotificationService-0abc.pem",
        "https://eve@sns.eu-west-1.amazonaws.com/SimpleNotificationService-0abc.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0abc.pem",
    ],
)
async def test_a_certificate_is_amazons_or_none(
    served: "Served", query: "Query", clock: MovableClock, url: str
) -> None:
    path = await account(served, "ses")
    id = await sent(query, "ses")
    body, headers = signed("ses", path, event_of("ses", "DELIVERED", id, clock()), clock())
    served.amazon[url] = httpx.Response(200, content=certificate())
    forged = orjson.dumps(orjson.loads(body) | {"SigningCertURL": url})
    assert (await tell(served, path, forged, headers)).status_code == 401
    assert await status_of(query, id) == "SENT"


def test_sendgrids_own_example() -> None:
    """From the tests of SendGrid's libraries: key, signature, time and body as they publish them."""
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu/"
        "1FwCM/QmGUhA=="
    )
    signature = "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0="
    body = b'{"category":"example_payload","event":"test_event","message_id":"message_id"}'
    settings = SendGridSettings.model_validate(SENDER | {"api_key": "k", "verification_key": key})
    prefix = "x-twilio-email-event-webhook"
    headers = {f"{prefix}-timestamp": "1588788367", f"{prefix}-signature": signature}
    at = datetime.fromtimestamp(1588788367, UTC)
    with pytest.raises(MalformedError):  # it is genuine, and no list of events
        rules.sendgrid(settings, Posted(body, headers, "/", at))
    with pytest.raises(NotGenuineError):
        rules.sendgrid(settings, Posted(body + b" ", headers, "/", at))


@given(
    st.binary(max_size=300),
    st.dictionaries(st.sampled_from(["authorization", "x-twilio-signature"]), st.text(max_size=50)),
)
def test_whatever_comes_is_answered(body: bytes, headers: dict[str, str]) -> None:
    posted = Posted(body, headers, "/x", datetime(2026, 3, 1, tzinfo=UTC))
    mailgun = MailgunSettings.model_validate(SETTINGS["mailgun"])
    postmark = PostmarkSettings.model_validate(SETTINGS["postmark"])
    for read in (lambda: rules.mailgun(mailgun, posted), lambda: rules.postmark(postmark, posted)):
        with pytest.raises((NotGenuineError, MalformedError)):
            read()


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("STOP", Verdict.UNSUBSCRIBED), ("stop all!", Verdict.UNSUBSCRIBED), ("Unstop", Verdict.RESUBSCRIBED),
     ("please stop", None), ("", None), ("stopp", None)],
)  # fmt: skip
def test_a_word_means_what_was_agreed_and_only_alone(text: str, verdict: Verdict | None) -> None:
    assert reply_of(text) is verdict

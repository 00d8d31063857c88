"""What providers tell later: that it is they who tell it, and what it means.

Each function reads one provider's call-back: `NotGenuineError` when its signature does not hold, and then nothing else
is looked at; `MalformedError` when it holds, and the rest makes no sense.
"""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from orion_notifications.provider_settings import (
    MailgunSettings,
    PostmarkSettings,
    SendGridSettings,
)

FRESH = timedelta(days=1)
"""Providers try for hours to tell something."""
FRESH_TOKEN = timedelta(hours=12)
"""The same of Mailgun, which tries for eight: it signs a token, and not what it tells."""
UNDATED = timedelta(days=3650)
"""What has no time in it is remembered for so long."""
LONGEST_EVENTS = 5_000


class NotGenuineError(Exception):
    """It is not the provider who tells this, or nobody can know."""


class MalformedError(Exception):
    """It is the provider, and what it tells makes no sense."""


class Verdict(Enum):
    """What became of a message, or what its recipient wants."""

    DELIVERED = auto()
    BOUNCED = auto()
    FAILED = auto()
    REJECTED = auto()
    COMPLAINED = auto()
    UNSUBSCRIBED = auto()
    RESUBSCRIBED = auto()


ABOUT_ADDRESSES = frozenset({Verdict.BOUNCED, Verdict.COMPLAINED, Verdict.UNSUBSCRIBED, Verdict.RESUBSCRIBED})
"""What would change something again if it were heard again: the address may have been released or silenced since."""


@dataclass(frozen=True)
class Posted:
    """A call-back as it came."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """By their names in small letters."""
    target: str
    """Path and query, as they were asked for."""
    now: datetime


@dataclass(frozen=True)
class News:
    """One thing that a provider tells."""

    verdict: Verdict
    tag: str | None = None
    """What the provider was given to name the message by."""
    provider_message_id: str | None = None
    recipient: str | None = field(default=None, repr=False)
    code: str | None = None
    """The provider's word or number for why; never its sentences, which may repeat the message."""
    occurred_at: datetime | None = None
    is_reply: bool = False
    """Somebody has written back: it is about no message."""


@dataclass(frozen=True)
class Once:
    """By what a call-back is known again, for as long as it would be believed: the hash of what is signed of it."""

    signed_hash: bytes
    good_until: datetime


@dataclass(frozen=True)
class Heard:
    """What a call-back tells, and by what it is known again while it would be believed."""

    news: Sequence[News]
    once: Once | None = None


def sendgrid(settings: SendGridSettings, posted: Posted) -> Heard:
    """https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event."""
    timestamp = posted.headers.get("x-twilio-email-event-webhook-timestamp", "")
    signature = posted.headers.get("x-twilio-email-event-webhook-signature", "")
    if settings.verification_key is None or not timestamp.isdecimal():
        raise NotGenuineError
    key = load_der_public_key(b64decode(settings.verification_key))
    try:
        if not isinstance(key, EllipticCurvePublicKey):
            raise NotGenuineError
        key.verify(b64decode(signature, validate=True), timestamp.encode() + posted.body, ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        raise NotGenuineError from None
    good_until = fresh(timestamp, posted.now)
    news = [news for event in _objects(json_of(posted.body)) if (news := _of_sendgrid(event)) is not None]
    return heard(news, timestamp.encode() + posted.body, good_until)


def _of_sendgrid(event: Mapping[str, Any]) -> News | None:
    match event.get("event"), event.get("type"):
        case "delivered", _:
            verdict = Verdict.DELIVERED
        case "bounce", "blocked":
            verdict = Verdict.FAILED
        case "bounce", _:
            verdict = Verdict.BOUNCED
        case "dropped", _:
            verdict = Verdict.REJECTED
        case "spamreport", _:
            verdict = Verdict.COMPLAINED
        case (("unsubscribe" | "group_unsubscribe"), _):
            verdict = Verdict.UNSUBSCRIBED
        case _:
            return None
    message = word(event.get("sg_message_id"))
    return News(
        verdict,
        word(event.get("orion_id")),
        message and message.split(".filter")[0].split(".recvd")[0],
        address(event.get("email")),
        code_of(event.get("status")),
        moment(event.get("timestamp")),
    )


def mailgun(settings: MailgunSettings, posted: Posted) -> Heard:
    """https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks."""
    told = object_of(json_of(posted.body))
    signed = object_of(told.get("signature"))
    timestamp, token, signature = (str(signed.get(name, "")) for name in ("timestamp", "token", "signature"))
    if settings.signing_key is None:
        raise NotGenuineError
    key, token = settings.signing_key.get_secret_value().encode(), f"{timestamp}{token}".encode(errors="replace")
    expected = hmac.new(key, token, sha256).hexdigest()
    if not timestamp.isdecimal() or not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
        raise NotGenuineError
    # What it tells is not signed: one token is good for one telling, whatever that is.
    once = Once(sha256(token).digest(), fresh(timestamp, posted.now, FRESH_TOKEN))
    event = object_of(told.get("event-data"))
    match event.get("event"), event.get("severity"), event.get("reason"):
        case "delivered", _, _:
            verdict = Verdict.DELIVERED
        case "failed", "permanent", "bounce":
            verdict = Verdict.BOUNCED
        case "failed", "permanent", str(reason) if reason.startswith("suppress"):
            verdict = Verdict.REJECTED
        case "failed", "permanent", _:
            verdict = Verdict.FAILED
        case "complained", _, _:
            verdict = Verdict.COMPLAINED
        case "unsubscribed", _, _:
            verdict = Verdict.UNSUBSCRIBED
        case _:
            return Heard([], once)
    headers = object_of(object_of(event.get("message")).get("headers"))
    news = News(
        verdict,
        word(object_of(event.get("user-variables")).get("orion_id")),
        word(headers.get("message-id")),
        address(event.get("recipient")),
        code_of(object_of(event.get("delivery-status")).get("code")),
        moment(event.get("timestamp")),
    )
    return Heard([news], once)


POSTMARK_BOUNCES = frozenset({"HardBounce", "BadEmailAddress"})
POSTMARK_PASSING = frozenset(
    {"Transient", "AutoResponder", "AddressChange", "Subscribe", "Unsubscribe", "OpenRelayTest"}
)
"""Not the end of the message, or not about it."""


def postmark(settings: PostmarkSettings, posted: Posted) -> Heard:
    """https://postmarkapp.com/developer/webhooks/webhooks-overview, protected by basic authentication."""
    if settings.callback_user is None or settings.callback_password is None:
        raise NotGenuineError
    login = f"{settings.callback_user}:{settings.callback_password.get_secret_value()}"
    expected = f"Basic {b64encode(login.encode()).decode()}"
    if not hmac.compare_digest(expected.encode(), posted.headers.get("authorization", "").encode(errors="replace")):
        raise NotGenuineError
    told = object_of(json_of(posted.body))
    match told.get("RecordType"), told.get("Type"):
        case "Delivery", _:
            verdict = Verdict.DELIVERED
        case "Bounce", str(kind) if kind in POSTMARK_BOUNCES:
            verdict = Verdict.BOUNCED
        case "Bounce", str(kind) if kind not in POSTMARK_PASSING:
            verdict = Verdict.FAILED
        case "SpamComplaint", _:
            verdict = Verdict.COMPLAINED
        case "SubscriptionChange", _ if (
            told.get("SuppressionReason") == "ManualSuppression" and told.get("Origin") == "Recipient"
        ):
            verdict = Verdict.UNSUBSCRIBED
        case _:
            return Heard([])
    news = News(
        verdict,
        word(object_of(told.get("Metadata")).get("orion_id")),
        word(told.get("MessageID")),
        address(told.get("Recipient") or told.get("Email")),
        code_of(told.get("Type")),
        moment(told.get("DeliveredAt") or told.get("BouncedAt") or told.get("ChangedAt")),
    )
    return Heard([news])


def heard(news: Sequence[News], signed: bytes, good_until: datetime) -> Heard:
    """What is told; what would change something again is known again by what is signed of it."""
    is_for_once = any(each.verdict in ABOUT_ADDRESSES for each in news)
    return Heard(news, Once(sha256(signed).digest(), good_until) if is_for_once else None)


def fresh(seconds: str, now: datetime, window: timedelta = FRESH) -> datetime:
    """Until when it is believed; NotGenuineError when that is over."""
    try:
        signed_at = float(seconds)
    except ValueError:
        raise NotGenuineError from None
    if not abs(now.timestamp() - signed_at) <= window.total_seconds():
        raise NotGenuineError
    return datetime.fromtimestamp(signed_at, UTC) + window


def json_of(body: bytes) -> object:
    """What a body says; MalformedError when it is no JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedError from None


def object_of(value: object) -> dict[str, Any]:
    """The object that `value` is; what is none is empty."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _objects(value: object) -> Iterable[dict[str, Any]]:
    if not isinstance(value, list) or len(cast("Sequence[object]", value)) > LONGEST_EVENTS:
        raise MalformedError
    return [object_of(each) for each in cast("Sequence[object]", value)]


def identity(value: object) -> UUID | None:
    """A notification's id, as we have given it along."""
    try:
        return UUID(value) if isinstance(value, str) and len(value) <= 40 else None
    except ValueError:
        return None


def word(value: object) -> str | None:
    """A name for a message: visible ASCII, without the brackets of a Message-ID."""
    name = value.strip("<>") if isinstance(value, str) else ""
    return name if re.fullmatch(r"[\x21-\x7e]{1,255}", name) else None


def code_of(value: object) -> str | None:
    """A provider's word or number for why."""
    text = str(value) if isinstance(value, str | int) else ""
    return text if re.fullmatch(r"[A-Za-z0-9._-]{1,40}", text) else None


def address(value: object) -> str | None:
    """An e-mail address."""
    return (
        value if isinstance(value, str) and re.fullmatch(r"[^\s\x00-\x1f\x7f@]+@[^\s\x00-\x1f\x7f@]+", value) else None
    )


def moment(value: object) -> datetime | None:
    """When it happened, as seconds since 1970 or in ISO 8601."""
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found and (found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError, OSError):
        return None

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
from hashlib import sha1, sha256
from typing import Any, cast
from urllib.parse import parse_qsl
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
    TwilioSettings,
    VonageSettings,
)

FRESH = timedelta(days=1)
"""Providers try for hours to tell something. It is applied once however often it comes, so a replay does nothing."""
LONGEST_EVENTS = 5_000
STOP_WORDS = frozenset({"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
"""Those of CTIA's principles, which Twilio keeps as well."""


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
    notification_id: UUID | None = None
    provider_message_id: str | None = None
    recipient: str | None = field(default=None, repr=False)
    code: str | None = None
    """The provider's word or number for why; never its sentences, which may repeat the message."""
    occurred_at: datetime | None = None


def sendgrid(settings: SendGridSettings, posted: Posted) -> list[News]:
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
    _fresh(timestamp, posted.now)
    return [news for event in _objects(_json(posted.body)) if (news := _of_sendgrid(event)) is not None]


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
        identity(event.get("orion_id")),
        message and message.split(".filter")[0].split(".recvd")[0],
        address(event.get("email")),
        _code(event.get("status")),
        moment(event.get("timestamp")),
    )


def mailgun(settings: MailgunSettings, posted: Posted) -> list[News]:
    """https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks."""
    told = _object(_json(posted.body))
    signed = _object(told.get("signature"))
    timestamp, token, signature = (str(signed.get(name, "")) for name in ("timestamp", "token", "signature"))
    if settings.signing_key is None:
        raise NotGenuineError
    key = settings.signing_key.get_secret_value().encode()
    expected = hmac.new(key, f"{timestamp}{token}".encode(errors="replace"), sha256).hexdigest()
    if not timestamp.isdecimal() or not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
        raise NotGenuineError
    _fresh(timestamp, posted.now)
    event = _object(told.get("event-data"))
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
            return []
    headers = _object(_object(event.get("message")).get("headers"))
    return [
        News(
            verdict,
            identity(_object(event.get("user-variables")).get("orion_id")),
            word(headers.get("message-id")),
            address(event.get("recipient")),
            _code(_object(event.get("delivery-status")).get("code")),
            moment(event.get("timestamp")),
        )
    ]


POSTMARK_BOUNCES = frozenset({"HardBounce", "BadEmailAddress"})
POSTMARK_PASSING = frozenset(
    {"Transient", "AutoResponder", "AddressChange", "Subscribe", "Unsubscribe", "OpenRelayTest"}
)
"""Not the end of the message, or not about it."""


def postmark(settings: PostmarkSettings, posted: Posted) -> list[News]:
    """https://postmarkapp.com/developer/webhooks/webhooks-overview, protected by basic authentication."""
    if settings.callback_user is None or settings.callback_password is None:
        raise NotGenuineError
    login = f"{settings.callback_user}:{settings.callback_password.get_secret_value()}"
    expected = f"Basic {b64encode(login.encode()).decode()}"
    if not hmac.compare_digest(expected.encode(), posted.headers.get("authorization", "").encode(errors="replace")):
        raise NotGenuineError
    told = _object(_json(posted.body))
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
            return []
    return [
        News(
            verdict,
            identity(_object(told.get("Metadata")).get("orion_id")),
            word(told.get("MessageID")),
            address(told.get("Recipient") or told.get("Email")),
            _code(told.get("Type")),
            moment(told.get("DeliveredAt") or told.get("BouncedAt") or told.get("ChangedAt")),
        )
    ]


TWILIO_BOUNCES = frozenset({"30005", "30006"})
"""No such handset; a landline."""


def twilio(settings: TwilioSettings, posted: Posted) -> list[News]:
    """https://www.twilio.com/docs/usage/security#validating-requests: HMAC-SHA-1 over the URL and the sorted fields."""
    if settings.public_url is None:
        raise NotGenuineError
    try:
        fields = parse_qsl(
            posted.body.decode(), keep_blank_values=True, strict_parsing=bool(posted.body), max_num_fields=200
        )
    except ValueError:
        raise NotGenuineError from None
    url = f"{settings.public_url.rstrip('/')}{posted.target}"
    signed = url + "".join(f"{name}{value}" for name, value in sorted(set(fields)))
    token = settings.auth_token.get_secret_value().encode()
    expected = b64encode(hmac.digest(token, signed.encode(errors="replace"), sha1))
    if not hmac.compare_digest(expected, posted.headers.get("x-twilio-signature", "").encode(errors="replace")):
        raise NotGenuineError
    told = dict(fields)
    sid = word(told.get("MessageSid"))
    status, code = told.get("MessageStatus"), _code(told.get("ErrorCode"))
    match status:
        case None:
            return _reply(told.get("From"), told.get("OptOutType") or told.get("Body", ""), posted.now)
        case "delivered" | "read":
            return [News(Verdict.DELIVERED, None, sid, _number(told.get("To")))]
        case "failed" | "undelivered":
            verdict = Verdict.BOUNCED if code in TWILIO_BOUNCES else Verdict.FAILED
            return [News(verdict, None, sid, _number(told.get("To")), code)]
        case _:
            return []


def vonage(settings: VonageSettings, posted: Posted) -> list[News]:
    """https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks."""
    scheme, _, token = posted.headers.get("authorization", "").partition(" ")
    if settings.signature_secret is None or scheme.lower() != "bearer":
        raise NotGenuineError
    claims = _hs256(token, settings.signature_secret.get_secret_value().encode())
    if claims.get("payload_hash") != sha256(posted.body).hexdigest():
        raise NotGenuineError
    _fresh(str(claims.get("iat", "")), posted.now)
    told = _object(_json(posted.body))
    if "text" in told or "keyword" in told:
        return _reply(told.get("msisdn"), str(told.get("text") or ""), posted.now)
    match told.get("status"):
        case "delivered":
            verdict = Verdict.DELIVERED
        case "failed" | "expired":
            verdict = Verdict.FAILED
        case "rejected":
            verdict = Verdict.REJECTED
        case _:
            return []
    message, number = word(told.get("messageId")), _number(told.get("msisdn"))
    return [News(verdict, identity(told.get("client-ref")), message, number, _code(told.get("err-code")))]


def reply_of(text: str) -> Verdict | None:
    """What an SMS says that somebody has sent back, where it is one of the agreed words and nothing else."""
    said = re.sub(r"[^A-Z ]", "", text.upper()).strip()
    if said in STOP_WORDS:
        return Verdict.UNSUBSCRIBED
    return Verdict.RESUBSCRIBED if said in START_WORDS else None


def _reply(sender: object, text: str, now: datetime) -> list[News]:
    verdict, number = reply_of(text[:100]), _number(sender)
    return [] if verdict is None or number is None else [News(verdict, recipient=number, occurred_at=now)]


def _hs256(token: str, secret: bytes) -> dict[str, Any]:
    """The claims of a JWT (RFC 7515) that is signed by HS256 and nothing else."""
    if len(token) > 8_192 or not re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", token):
        raise NotGenuineError
    head, claims, signature = token.split(".")
    expected = hmac.digest(secret, f"{head}.{claims}".encode(), sha256)
    try:
        header, given = _object(_json(_base64url(head))), _base64url(signature)
        if header.get("alg") != "HS256" or not hmac.compare_digest(expected, given):
            raise NotGenuineError
        return _object(_json(_base64url(claims)))
    except (ValueError, MalformedError):
        raise NotGenuineError from None


def _base64url(text: str) -> bytes:
    return b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)


def _fresh(seconds: str, now: datetime) -> None:
    try:
        signed_at = float(seconds)
    except ValueError:
        raise NotGenuineError from None
    if not abs(now.timestamp() - signed_at) <= FRESH.total_seconds():
        raise NotGenuineError


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedError from None


def _object(value: object) -> dict[str, Any]:
    """The object that `value` is; what is none is empty."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _objects(value: object) -> Iterable[dict[str, Any]]:
    if not isinstance(value, list) or len(cast("Sequence[object]", value)) > LONGEST_EVENTS:
        raise MalformedError
    return [_object(each) for each in cast("Sequence[object]", value)]


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


def _code(value: object) -> str | None:
    text = str(value) if isinstance(value, str | int) else ""
    return text if re.fullmatch(r"[A-Za-z0-9._-]{1,40}", text) else None


def address(value: object) -> str | None:
    """An e-mail address."""
    return (
        value if isinstance(value, str) and re.fullmatch(r"[^\s\x00-\x1f\x7f@]+@[^\s\x00-\x1f\x7f@]+", value) else None
    )


def _number(value: object) -> str | None:
    """A number as E.164, which Vonage writes without its plus."""
    if not isinstance(value, str) or not re.fullmatch(r"\+?[1-9][0-9]{4,14}", value):
        return None
    return value if value.startswith("+") else f"+{value}"


def moment(value: object) -> datetime | None:
    """When it happened, as seconds since 1970 or in ISO 8601."""
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found and (found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError, OSError):
        return None

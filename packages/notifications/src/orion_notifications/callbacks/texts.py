"""What Twilio and Vonage tell: what became of texts, and what is written back to them."""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha1, sha256
from typing import Any
from urllib.parse import parse_qsl

from orion_notifications.callbacks.rules import (
    UNDATED,
    Heard,
    MalformedError,
    News,
    NotGenuineError,
    Posted,
    Verdict,
    code_of,
    fresh,
    heard,
    json_of,
    object_of,
    word,
)
from orion_notifications.message_tags import PARAMETER
from orion_notifications.provider_settings import TwilioSettings, VonageSettings

STOP_WORDS = frozenset({"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
"""Those of CTIA's principles, which Twilio keeps as well."""

TWILIO_BOUNCES = frozenset({"30005", "30006"})
"""No such handset; a landline."""


def twilio(settings: TwilioSettings, posted: Posted) -> Heard:
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
    signed = (url + "".join(f"{name}{value}" for name, value in sorted(set(fields)))).encode(errors="replace")
    token = settings.auth_token.get_secret_value().encode()
    expected = b64encode(hmac.digest(token, signed, sha1))
    if not hmac.compare_digest(expected, posted.headers.get("x-twilio-signature", "").encode(errors="replace")):
        raise NotGenuineError
    return heard(_of_twilio(dict(fields), posted), signed, posted.now + UNDATED)


def _of_twilio(told: Mapping[str, str], posted: Posted) -> list[News]:
    sid, code = word(told.get("MessageSid")), code_of(told.get("ErrorCode"))
    tag = word(dict(parse_qsl(posted.target.partition("?")[2])).get(PARAMETER))
    match told.get("MessageStatus"):
        case None:
            return _reply(told.get("From"), told.get("OptOutType") or told.get("Body", ""), posted.now)
        case "delivered" | "read":
            return [News(Verdict.DELIVERED, tag, sid, _number(told.get("To")))]
        case "failed" | "undelivered":
            verdict = Verdict.BOUNCED if code in TWILIO_BOUNCES else Verdict.FAILED
            return [News(verdict, tag, sid, _number(told.get("To")), code)]
        case _:
            return []


def vonage(settings: VonageSettings, posted: Posted) -> Heard:
    """https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks."""
    scheme, _, token = posted.headers.get("authorization", "").partition(" ")
    if settings.signature_secret is None or scheme.lower() != "bearer":
        raise NotGenuineError
    claims = _hs256(token, settings.signature_secret.get_secret_value().encode())
    if claims.get("payload_hash") != sha256(posted.body).hexdigest():
        raise NotGenuineError
    good_until = fresh(str(claims.get("iat", "")), posted.now)
    news = _of_vonage(object_of(json_of(posted.body)), posted.now)
    return heard(news, token.rpartition(".")[0].encode(), good_until)


def _of_vonage(told: Mapping[str, Any], now: datetime) -> list[News]:
    if "text" in told or "keyword" in told:
        return _reply(told.get("msisdn"), str(told.get("text") or ""), now)
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
    return [News(verdict, word(told.get("client-ref")), message, number, code_of(told.get("err-code")))]


def reply_of(text: str) -> Verdict | None:
    """What an SMS says that somebody has sent back, where it is one of the agreed words and nothing else."""
    said = re.sub(r"[^A-Z ]", "", text.upper()).strip()
    if said in STOP_WORDS:
        return Verdict.UNSUBSCRIBED
    return Verdict.RESUBSCRIBED if said in START_WORDS else None


def _reply(sender: object, text: str, now: datetime) -> list[News]:
    verdict, number = reply_of(text[:100]), _number(sender)
    return (
        [] if verdict is None or number is None else [News(verdict, recipient=number, occurred_at=now, is_reply=True)]
    )


def _hs256(token: str, secret: bytes) -> dict[str, Any]:
    """The claims of a JWT (RFC 7515) that is signed by HS256 and nothing else."""
    if len(token) > 8_192 or not re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", token):
        raise NotGenuineError
    head, claims, signature = token.split(".")
    expected = hmac.digest(secret, f"{head}.{claims}".encode(), sha256)
    try:
        header, given = object_of(json_of(_base64url(head))), _base64url(signature)
        if header.get("alg") != "HS256" or not hmac.compare_digest(expected, given):
            raise NotGenuineError
        return object_of(json_of(_base64url(claims)))
    except (ValueError, MalformedError):
        raise NotGenuineError from None


def _base64url(text: str) -> bytes:
    return b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)


def _number(value: object) -> str | None:
    """A number as E.164, which Vonage writes without its plus."""
    if not isinstance(value, str) or not re.fullmatch(r"\+?[1-9][0-9]{4,14}", value):
        return None
    return value if value.startswith("+") else f"+{value}"

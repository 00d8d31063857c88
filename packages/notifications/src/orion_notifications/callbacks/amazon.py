"""What Amazon SES tells through SNS.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html: the certificate is fetched from where
the message says, so that place is looked at first; Amazon's is the only one.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from orion_notifications.callbacks.rules import (
    FRESH,
    Heard,
    MalformedError,
    News,
    NotGenuineError,
    Once,
    Verdict,
    address,
    moment,
    word,
)

HOST = re.compile(r"sns\.[a-z]{2}(-[a-z]+)+-[0-9]\.amazonaws\.com(\.cn)?")
CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9A-Za-z]{1,64}\.pem")
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


def envelope(body: bytes) -> dict[str, str]:
    """The message of SNS, all of whose fields are texts."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotGenuineError from None
    if not isinstance(told, dict):
        raise NotGenuineError
    return {name: value for name, value in cast("dict[str, object]", told).items() if isinstance(value, str)}


def certificate_url(told: Mapping[str, str]) -> str:
    """Where the certificate is, which is Amazon's own place."""
    url = told.get("SigningCertURL", "")
    if not is_of_amazon(url) or not CERTIFICATE.fullmatch(urlsplit(url).path):
        raise NotGenuineError
    return url


def is_of_amazon(url: str) -> bool:
    """Whether a URL leads to SNS itself, over TLS."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme == "https"
            and parts.username is None
            and parts.port in {None, 443}
            and HOST.fullmatch(parts.hostname or "") is not None
        )
    except ValueError:
        return False


def verify(told: Mapping[str, str], certificate: bytes, topic: str | None) -> None:
    """Return when Amazon has signed it, for the topic that is ours."""
    names = SIGNED.get(told.get("Type", ""))
    if names is None or topic is None or told.get("TopicArn") != topic:
        raise NotGenuineError
    text = "".join(f"{name}\n{told[name]}\n" for name in names if name in told)
    digest = {"1": SHA1(), "2": SHA256()}.get(told.get("SignatureVersion", ""))  # noqa: S303 - Amazon's choice for version 1
    try:
        key = load_pem_x509_certificate(certificate).public_key()
        if digest is None or not isinstance(key, RSAPublicKey):
            raise NotGenuineError
        key.verify(b64decode(told.get("Signature", ""), validate=True), text.encode(), PKCS1v15(), digest)
    except (InvalidSignature, ValueError):
        raise NotGenuineError from None


def heard(told: Mapping[str, str], now: datetime) -> Heard:
    """What SES tells, while it is new (SNS tries for hours); NotGenuineError else."""
    told_at = moment(told.get("Timestamp"))
    if told_at is None or abs(now - told_at) > FRESH:
        raise NotGenuineError
    name = f"{told['TopicArn']}\n{told.get('MessageId')}".encode()
    return Heard(news(told), Once(sha256(name).digest(), told_at + FRESH))


def news(told: Mapping[str, str]) -> list[News]:
    """What SES tells, in either of its two forms.

    https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
    """
    try:
        event = _part({"": orjson.loads(told.get("Message", ""))}, "")
    except orjson.JSONDecodeError:
        raise MalformedError from None
    kind = event.get("eventType") or event.get("notificationType")
    mail = _part(event, "mail")
    tags = _part(mail, "tags").get("orion_id")
    about = partial(
        News,
        tag=word(_first(tags)),
        provider_message_id=word(mail.get("messageId")),
        occurred_at=moment(mail.get("timestamp")),
    )
    match kind:
        case "Delivery":
            return [about(Verdict.DELIVERED)]
        case "Bounce":
            bounce = _part(event, "bounce")
            verdict = Verdict.BOUNCED if bounce.get("bounceType") == "Permanent" else Verdict.FAILED
            code = word(bounce.get("bounceSubType"))
            return [about(verdict, recipient=each, code=code) for each in _people(bounce, "bouncedRecipients")]
        case "Complaint":
            people = _people(_part(event, "complaint"), "complainedRecipients")
            return [about(Verdict.COMPLAINED, recipient=each) for each in people]
        case "Reject" | "Rendering Failure":
            return [about(Verdict.REJECTED)]
        case _:
            return []


def _part(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = value.get(name)
    return cast("dict[str, Any]", part) if isinstance(part, dict) else {}


def _people(value: Mapping[str, Any], name: str) -> list[str | None]:
    people = value.get(name)
    if not isinstance(people, list) or not people:
        return [None]
    return [address(_part({"": each}, "").get("emailAddress")) for each in cast("list[object]", people)[:50]]


def _first(values: object) -> object:
    return cast("list[object]", values)[0] if isinstance(values, list) and values else None

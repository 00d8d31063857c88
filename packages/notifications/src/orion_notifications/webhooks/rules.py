"""Standard Webhooks (https://www.standardwebhooks.com), and when an endpoint is given up."""

import hmac
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import urlsplit

from orion_core.networks import is_near, literal, may_be_reached

SECRET_BYTES = 32
PREFIX = "whsec_"
OVERLAP = timedelta(hours=24)
"""For so long after a rotation deliveries are signed by the secret before too."""
GIVEN_UP_AFTER = timedelta(days=5)
"""Of nothing but failure, as the specification proposes (§ Operational considerations)."""
MOST_ENDPOINTS = 20


@dataclass(frozen=True)
class Secret:
    """What deliveries are signed with; `expires_at` is set once there is a newer one."""

    key: bytes = field(repr=False)
    expires_at: datetime | None = None

    @property
    def text(self) -> str:
        """As it is shown, and as the libraries take it."""
        return PREFIX + b64encode(self.key).decode()


def alive(secrets: Iterable[Secret], now: datetime) -> list[Secret]:
    """Those that still sign, the newest first."""
    return [secret for secret in secrets if secret.expires_at is None or secret.expires_at > now]


def rotated(secrets: Iterable[Secret], key: bytes, now: datetime) -> list[Secret]:
    """The secrets after a new one has come: the last one goes on for a while, those before it end."""
    last = next(iter(alive(secrets, now)), None)
    return [Secret(key)] if last is None else [Secret(key), Secret(last.key, now + OVERLAP)]


def headers(secrets: Iterable[Secret], delivery: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a delivery, signed by every secret. A repeated one has the same id."""
    message = f"{delivery}.{timestamp}.".encode() + body
    signatures = (b64encode(hmac.digest(secret.key, message, sha256)).decode() for secret in secrets)
    return {
        "Content-Type": "application/json",
        "webhook-id": delivery,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def is_given_up(failing_since: datetime | None, now: datetime) -> bool:
    """Whether nothing but failure has come from an endpoint for too long."""
    return failing_since is not None and now - failing_since >= GIVEN_UP_AFTER


def fault(url: str, *, local: bool) -> str | None:
    """What is wrong with an endpoint's URL; where its name leads to is looked at when it is connected to."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return "it is no URL"
    if parts.username is not None or parts.password is not None:
        return "it carries a user or a password"
    if parts.fragment:
        return "it has a fragment"
    address = literal(host)
    if address is not None and not may_be_reached(address, local=local):
        return "its address may not be reached from here"
    if host == "localhost" and not local:
        return "its address may not be reached from here"
    if parts.scheme == "http" and local and (address is None or is_near(address)):
        return None
    return None if parts.scheme == "https" and host else "it must begin with https://"

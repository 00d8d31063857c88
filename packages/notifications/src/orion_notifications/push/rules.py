"""Whose push service it is, and what may be subscribed."""

import re
from base64 import urlsafe_b64decode
from enum import Enum, auto
from urllib.parse import urlsplit

from orion_core.networks import literal, may_be_reached

MOST_DEVICES = 50
POINT_BYTES, AUTH_BYTES = 65, 16
APNS_TOKEN = re.compile(r"[0-9a-f]{64,200}")
FCM_TOKEN = re.compile(r"[A-Za-z0-9_:-]{20,2048}")


class PushPlatform(Enum):
    """Whose push service carries the message."""

    WEB = auto()
    FCM = auto()
    APNS = auto()


PROVIDERS = {PushPlatform.WEB: "web_push", PushPlatform.FCM: "fcm", PushPlatform.APNS: "apns"}


def token_fault(platform: PushPlatform, token: str, *, local: bool) -> str | None:
    """What is wrong with a token, which for a browser is the URL of its push service."""
    match platform:
        case PushPlatform.APNS:
            return None if APNS_TOKEN.fullmatch(token) else "a device token of APNs is hexadecimal, in small letters"
        case PushPlatform.FCM:
            return None if FCM_TOKEN.fullmatch(token) else "this is no registration token of FCM"
        case PushPlatform.WEB:
            return _endpoint_fault(token, local=local)


def key_fault(text: str, size: int) -> str | None:
    """What is wrong with a key of a browser's subscription (RFC 8291 §3.1): base64url of so many bytes."""
    try:
        key = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return "it is not base64url"
    if len(key) != size or (size == POINT_BYTES and key[0] != 4):
        return f"it must have {size} bytes"
    return None


def _endpoint_fault(url: str, *, local: bool) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "the endpoint is no URL"
    address = literal(host)
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        return "an endpoint begins with https://"
    if not host or parts.username is not None or parts.fragment:
        return "the endpoint is none of a push service"
    if (address is not None and not may_be_reached(address, local=local)) or (host == "localhost" and not local):
        return "the endpoint's address may not be reached from here"
    return None

"""How entries are written for who receives them, and when a delivery that failed is tried again."""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import orjson

from orion_core import told_urls
from orion_core.networks import is_near, literal, may_be_reached

AT_ONCE = 500
"""Entries of one delivery."""

WEBHOOK = ("https", "http")
SYSLOG = ("syslog+tls", "syslog+tcp")
IN_CLEAR = ("http", "syslog+tcp")
SYSLOG_PORTS = {"syslog+tls": 6514, "syslog+tcp": 601}
"""RFC 5425 §4.1, RFC 3195 §9.2."""

FACILITY = 13
"""`log audit` (RFC 5424 §6.2.1)."""
SEVERITIES = {"SUCCESS": 6, "FAILURE": 3, "DENIED": 4}
"""Informational, error, warning."""
ENTERPRISE = "orion@32473"
"""Name of the structured data; 32473 is the number for documentation and examples (RFC 5612)."""
TOLD = ("id", "service", "actor_type", "actor_id", "user_id", "resource_type", "resource_id", "status", "request_id")
"""Fields that a collector can search by without reading JSON."""

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

LONGEST_PAUSE = timedelta(hours=1)


def fault(url: str, *, local: bool) -> str | None:
    """What is wrong with where a stream goes; `local`: it may be near, and unencrypted there.

    The addresses of a name are looked at with every connection, since it can be pointed elsewhere at any time.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it is no URL"
    if parts.scheme not in (*WEBHOOK, *SYSLOG):
        return f"it must begin with one of {', '.join(f'{scheme}://' for scheme in (*WEBHOOK, *SYSLOG))}"
    if not parts.hostname or parts.username is not None or parts.fragment or port == 0:
        return "it must name a host, and neither a user nor a fragment"
    if parts.scheme in SYSLOG and (parts.path not in ("", "/") or parts.query):
        return "a syslog server has a host and a port alone"
    if parts.scheme in IN_CLEAR and not local:
        return "outside of development it must be encrypted: https:// or syslog+tls://"
    address = literal(parts.hostname)
    if address is not None and not may_be_reached(address, local=local):
        return "it leads to an address that is not public"
    if address is not None and parts.scheme in IN_CLEAR and not is_near(address):
        return "what goes to a public address must be encrypted: https:// or syslog+tls://"
    return None


def told(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a stream as the audit trail tells of them, which all streams carry on."""
    url: str | None = settings.get("url")
    return {**settings, **(told_urls.told(url) if url is not None else {})}


def is_webhook(url: str) -> bool:
    """Whether it goes by HTTP."""
    return urlsplit(url).scheme in WEBHOOK


def pause_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: doubling from five seconds to an hour."""
    return min(timedelta(seconds=5 * 2 ** min(failures - 1, 20)), LONGEST_PAUSE)


def webhook_body(stream: str, checkpoint: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> bytes:
    """Entries and the checkpoint that covers them."""
    return orjson.dumps({"stream": stream, "checkpoint": checkpoint, "entries": list(entries)})


def webhook_headers(secret: bytes, delivery: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: a repeated delivery has the same id."""
    message = f"{delivery}.{timestamp}.".encode() + body
    signature = b64encode(hmac.digest(secret, message, sha256)).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": delivery,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }


def syslog_frame(host: str, entry: Mapping[str, Any]) -> bytes:
    """An entry as a message of RFC 5424, counted as in RFC 6587 §3.4.1 and RFC 5425 §4.3."""
    priority = FACILITY * 8 + SEVERITIES.get(entry["status"], 5)
    data = "".join(f' {name}="{_escaped(str(entry[name]))}"' for name in TOLD if entry.get(name) is not None)
    header = f"<{priority}>1 {entry['timestamp']} {_printable(host, 255)} orion-{_printable(entry['service'], 42)} - "
    text = f"{header}{_printable(entry['action'], 32)} [{ENTERPRISE}{data}] "
    told = orjson.dumps(dict(entry)).decode()
    message = _on_one_line(text).encode() + b"\xef\xbb\xbf" + _on_one_line(told).encode()
    return f"{len(message)} ".encode() + message


def _escaped(value: str) -> str:
    """RFC 5424 §6.3.3."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _on_one_line(text: str) -> str:
    """The same with control characters as JSON escapes them: a collector may take a line for a message of its own."""
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _printable(value: str, longest: int) -> str:
    """PRINTUSASCII of RFC 5424 §6, or a dash where nothing is left."""
    return "".join(letter for letter in value if "!" <= letter <= "~")[:longest] or "-"

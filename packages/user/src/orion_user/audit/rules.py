"""What an entry of the audit trail says, and the bytes that are hashed of it.

Canonical JSON here: UTF-8 without spaces, names in the order of their code points, no number that is not an integer of
64 bits. What `plain` gives is written so, goes through jsonb and comes back the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum, auto
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from typing import Any, cast
from uuid import UUID, uuid5

import orjson

from orion_core.secret_names import REDACTED, is_secret_name, without_secret_values

PERSONAL = ("old_values", "new_values", "error", "ip_address", "user_agent")
"""Columns that can tell about a person beyond ids without meaning: committed to with a salt, and emptied by erasure."""

HASHED = (
    "id",
    "service",
    "actor_type",
    "actor_id",
    "actor_name",
    "on_behalf_of",
    "user_id",
    "action",
    "resource_type",
    "resource_id",
    "changed_fields",
    "session_id",
    "request_id",
    "status",
    "duration_ms",
    "timestamp",
    "created_at",
)
"""Columns that stand in the leaf as they are; `transaction_id` stands before them, as eight bytes."""

LONGEST_TEXT = 2_000
"""Characters that are kept of one text in `old_values` and `new_values`."""
DEEPEST = 8
"""Levels of values that are kept."""
MOST_ITEMS = 200
"""Items that are kept of one list or mapping."""

_LEAF = b"\0"
"""RFC 9162 §2.1.1: keeps a leaf from being taken for an inner node."""
_LARGEST_INTEGER = 2**63 - 1
_LARGEST_EXACT = 2**53


NAMED = UUID("6f72696f-6e00-5000-8000-617564697400")
"""Namespace of the ids of actors that have a name alone (RFC 9562 §5.5)."""


def id_of(name: str) -> UUID:
    """The id under which a service or an operator, known by name alone, stands in the trail."""
    return uuid5(NAMED, name)


class ActorType(Enum):
    """What did it."""

    USER = auto()
    API_KEY = auto()
    SERVICE = auto()
    SYSTEM = auto()


class AuditStatus(Enum):
    """How it ended. DENIED: it was not allowed, and nothing happened."""

    SUCCESS = auto()
    FAILURE = auto()
    DENIED = auto()


@dataclass(frozen=True)
class Wanted:
    """What a search looks for; None means any."""

    user_id: UUID | None = None
    actor_id: UUID | None = None
    action: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    service: str | None = None
    status: AuditStatus | None = None
    session_id: UUID | None = None
    request_id: str | None = None
    ip_address: IPv4Address | IPv6Address | None = None
    changed_field: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Of the values before and after: those that differ, plain and without secrets, and the names of the fields.

    Where there is only one side, something was made or has gone, and all of it is told.
    """
    names = sorted(name for name in {*old, *new} if name not in old or name not in new or old[name] != new[name])
    return _of(old, names), _of(new, names), [name[:100] for name in names]


def _of(values: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    return {_text(name): plain(values[name], name) for name in names if name in values}


def plain(value: Any, name: str = "", levels: int = DEEPEST) -> Any:
    """`value` in JSON that jsonb gives back unchanged, without secrets, bounded in size."""
    match value:
        case None | bool():
            return value
        case _ if is_secret_name(name):
            return REDACTED
        case Enum():
            return value.name
        case int():
            return value if abs(value) <= _LARGEST_INTEGER else str(value)
        case float():
            return int(value) if value.is_integer() and abs(value) < _LARGEST_EXACT else repr(value)
        case str():
            return _text(value)
        case datetime():
            return moment(value) if value.tzinfo else value.isoformat()
        case date():
            return value.isoformat()
        case bytes() | bytearray():
            return f"{len(value)} bytes"
        case _ if levels == 0:
            return "…"
        case Mapping():
            items = list(cast("Mapping[Any, Any]", value).items())[:MOST_ITEMS]
            return {_text(str(key)): plain(item, str(key), levels - 1) for key, item in items}
        case list() | tuple():
            return [plain(item, name, levels - 1) for item in value[:MOST_ITEMS]]  # pyright: ignore[reportUnknownVariableType]
        case set() | frozenset():
            return sorted((plain(item, name, levels - 1) for item in value), key=str)  # pyright: ignore[reportUnknownVariableType]
        case _:
            return _text(str(value))


def line(text: str | None, longest: int) -> str | None:
    """A text as a column takes it: without NUL and lone surrogates, without secrets, cut."""
    return None if text is None else _text(text)[:longest]


def _text(text: str) -> str:
    """PostgreSQL holds neither NUL nor half of a surrogate pair."""
    if "\0" in text or not text.isascii():
        text = text.replace("\0", "\ufffd").encode(errors="replace").decode()
    text = without_secret_values(text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"


def moment(at: datetime) -> str:
    """A time as it is hashed: UTC, in microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def canonical(value: Any) -> bytes:
    """Canonical JSON; TypeError for what is no value of `plain`."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def commitment(salt: bytes, personal: Mapping[str, Any]) -> bytes:
    """What stands for the personal columns in the leaf. Without the salt it tells nothing about them."""
    return sha256(salt + canonical({name: _hashed(personal[name]) for name in PERSONAL})).digest()


def leaf_body(row: Mapping[str, Any], committed: bytes) -> bytes:
    """The leaf without its first nine bytes: what the application knows of it before it is written."""
    return canonical({**{name: _hashed(row[name]) for name in HASHED}, "commitment": committed.hex()})


def leaf_hash(transaction_id: int, body: bytes) -> bytes:
    """The leaf of the Merkle tree; the INSERT makes the same, since the database alone knows the transaction."""
    return sha256(_LEAF + transaction_id.to_bytes(8, "big", signed=True) + body).digest()


def told(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row in plain JSON, from which its leaf can be made as from the row itself."""
    return {name: _told(value) for name, value in row.items()}


def _told(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return [_hashed(item) for item in cast("list[Any]", value)] if isinstance(value, list) else _hashed(value)


def _hashed(value: Any) -> Any:
    match value:
        case None | bool() | int() | str() | list() | dict():
            return value  # pyright: ignore[reportUnknownVariableType]
        case datetime():
            return moment(value)
        case Enum():
            return value.name
        case _:
            return str(value)

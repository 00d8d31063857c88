"""When keys come and go: published before they sign, and published until the last token they signed has died."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Literal
from uuid import UUID

PUBLISHED_AHEAD = timedelta(minutes=15)
"""Before a key signs: three times as long as services use the keys that they have fetched (`KEYS_LIVE`)."""

RETIRING_FOR = timedelta(minutes=15)
"""After a key has signed for the last time: a token's ten minutes, the minute in which every process hears of it, and
some for clocks."""


class SigningKeyStatus(Enum):
    """PENDING: published, not yet signing; RETIRING: no longer signing, still published until `retires_at`."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    RETIRING = "RETIRING"
    RETIRED = "RETIRED"


@dataclass(frozen=True)
class KeyState:
    """One key that is published."""

    id: UUID
    algorithm: str
    status: SigningKeyStatus
    published_at: datetime
    activated_at: datetime | None
    retires_at: datetime | None


@dataclass(frozen=True)
class Step:
    """One change: a new key that signs at once (BEGIN) or later (PUBLISH), or what becomes of key `key_id`."""

    what: Literal["BEGIN", "PUBLISH", "ACTIVATE", "RETIRE", "WITHDRAW"]
    key_id: UUID | None = None


def next_step(keys: Sequence[KeyState], algorithm: str, lifetime: timedelta, now: datetime) -> Step | None:
    """What is due; None when nothing is. `lifetime` is how long a key signs."""
    for key in keys:
        if key.status is SigningKeyStatus.RETIRING and key.retires_at is not None and key.retires_at <= now:
            return Step("RETIRE", key.id)
        if key.status is SigningKeyStatus.PENDING and key.algorithm != algorithm:
            return Step("WITHDRAW", key.id)
    active = signing(keys)
    pending = next((key for key in keys if key.status is SigningKeyStatus.PENDING), None)
    if pending is not None:
        is_due = active is None or now >= pending.published_at + PUBLISHED_AHEAD
        return Step("ACTIVATE", pending.id) if is_due else None
    if active is None:
        return Step("BEGIN")
    activated_at = active.activated_at or active.published_at
    is_old = now >= activated_at + lifetime - PUBLISHED_AHEAD
    return Step("PUBLISH") if is_old or active.algorithm != algorithm else None


def signing(keys: Sequence[KeyState]) -> KeyState | None:
    """The key that signs now, whatever its algorithm: another one is waited for until it has been published."""
    active = [key for key in keys if key.status is SigningKeyStatus.ACTIVE]
    return max(active, key=lambda key: key.activated_at or key.published_at, default=None)

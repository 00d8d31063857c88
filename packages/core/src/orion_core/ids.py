"""Identifiers: UUIDv7 (RFC 9562 §5.7), so that keys order by time and partitions can be cut from them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["uuid7", "uuid7_at", "uuid7_floor", "uuid7_time"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TAIL = 2**62 - 1
"""The bits after the variant (RFC 9562 §5.7: rand_b)."""


def uuid7_floor(moment: datetime) -> UUID:
    """The smallest UUID of the millisecond `moment` falls in, as a bound for ranges of ids.

    The version and variant bits are left zero, so every real UUIDv7 of that millisecond is greater. The same value
    as the SQL function `uuidv7_floor`. Counted in whole milliseconds: as a float, some would fall into the one before.
    """
    return UUID(int=(moment - EPOCH) // timedelta(milliseconds=1) << 80)


def uuid7_at(moment: datetime) -> UUID:
    """A new UUIDv7 of the millisecond `moment` falls in: for rows that are sought by when they say they happened.

    Those that one process makes for one moment, one after the other, are in order: what follows the time is when they
    were really made (20 bits of milliseconds) and what orders ids within a millisecond.
    """
    made = uuid7().int
    order = (made >> 80 & 0xFFFFF) << 54 | (made >> 64 & 0xFFF) << 42 | (made & _TAIL) >> 20
    return UUID(int=uuid7_floor(moment).int | 0x7 << 76 | order >> 62 << 64 | 0b10 << 62 | order & _TAIL)


def uuid7_time(value: UUID) -> datetime:
    """The moment, to the millisecond, at which a UUIDv7 was made."""
    return EPOCH + timedelta(milliseconds=value.int >> 80)

"""Identifiers: UUIDv7 (RFC 9562 §5.7), so that keys order by time and partitions can be cut from them."""

from datetime import UTC, datetime, timedelta
from secrets import randbits
from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["uuid7", "uuid7_at", "uuid7_floor", "uuid7_time"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def uuid7_floor(moment: datetime) -> UUID:
    """The smallest UUID of the millisecond `moment` falls in, as a bound for ranges of ids.

    The version and variant bits are left zero, so every real UUIDv7 of that millisecond is greater. The same value
    as the SQL function `uuidv7_floor`. Counted in whole milliseconds: as a float, some would fall into the one before.
    """
    return UUID(int=(moment - EPOCH) // timedelta(milliseconds=1) << 80)


def uuid7_at(moment: datetime) -> UUID:
    """A new UUIDv7 of the millisecond `moment` falls in: for rows that are sought by when they say they happened."""
    random = 0x7 << 76 | randbits(12) << 64 | 0b10 << 62 | randbits(62)
    return UUID(int=uuid7_floor(moment).int | random)


def uuid7_time(value: UUID) -> datetime:
    """The moment, to the millisecond, at which a UUIDv7 was made."""
    return EPOCH + timedelta(milliseconds=value.int >> 80)

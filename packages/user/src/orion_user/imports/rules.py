"""Imports: what their lines are called, and which ids they give."""

from collections.abc import Iterable
from enum import Enum
from itertools import groupby
from uuid import UUID

LINES_AT_ONCE = 1000
"""Of one chunk: what is lost, and done again, when an import is cut off."""

Result = list[str | None]
"""What became of a line: outcome, user id, reason."""

_VERSION_7, _VARIANT = 0x7 << 76, 0b10 << 62
_LOW_BITS, _RANDOM_BITS = 20, 42


class ImportFormat(Enum):
    """NDJSON: one JSON object a line. CSV: RFC 4180, the names of its columns said beforehand."""

    NDJSON = "NDJSON"
    CSV = "CSV"


def id_of_line(import_id: UUID, line: int) -> UUID:
    """The id of the user whom a line brings, the same whenever it is read: so a line that is read again is nobody new.

    A UUIDv7 (RFC 9562 §5.7) of the moment of the import, with the line as its counter (§6.2) and 42 bits of the
    import's own randomness; so lines lie in their order in the index.
    """
    moment = import_id.int >> 80 << 80
    high, low = line >> _LOW_BITS & 0xFFF, line & (1 << _LOW_BITS) - 1
    random = import_id.int & (1 << _RANDOM_BITS) - 1
    return UUID(int=moment | _VERSION_7 | high << 64 | _VARIANT | low << _RANDOM_BITS | random)


def runs(numbers: Iterable[int]) -> list[list[int]]:
    """Ascending numbers, parted wherever some are left out."""
    steps = groupby(enumerate(numbers), key=lambda step: step[1] - step[0])
    return [[number for _, number in run] for _, run in steps]

"""How long the end of a session is remembered, and how many sessions a user may have."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

REFUSAL_MARGIN = timedelta(seconds=30)
"""How much longer than its tokens live a session's end is remembered, for clocks that are apart."""


def too_many(live: Sequence[UUID], most: int) -> Sequence[UUID]:
    """Which of the live sessions make room for one more: the first, when they stand in the order of their last use."""
    return live[: max(0, len(live) + 1 - max(most, 1))]

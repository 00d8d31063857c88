"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta


class MovableClock:
    """A `Clock` that begins now, so that ids and partitions fit, and moves only when told."""

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now or datetime.now(UTC)

    def __call__(self) -> datetime:
        """The present moment."""
        return self._now

    def advance(self, **amount: float) -> datetime:
        """Move forward by a timedelta's arguments, such as `minutes=5`; returns the new moment."""
        self._now += timedelta(**amount)
        return self._now

"""How long sessions last, and how many a user may have."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Lifetime:
    """How long a session lasts."""

    absolute: timedelta
    """It ends this long after it began, however often it is refreshed."""
    idle: timedelta
    """It ends when it is not refreshed for this long."""


@dataclass(frozen=True)
class SessionPolicy:
    """What holds for all sessions."""

    remembered: Lifetime = Lifetime(timedelta(days=30), timedelta(days=14))
    """Of somebody who signs in on a device of his own."""
    unremembered: Lifetime = Lifetime(timedelta(hours=12), timedelta(hours=1))
    """Of somebody who asked not to be remembered, as on a computer that others use."""
    most: int = 50
    """Sessions that a user may have at a time."""

"""What state an identity is in, and what that means for its owner."""

from datetime import datetime
from enum import Enum
from typing import Literal


class IdentityStatus(Enum):
    """PENDING until an address is verified; LOCKED by us, SUSPENDED by an administrator."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    LOCKED = "LOCKED"
    SUSPENDED = "SUSPENDED"
    DELETED = "DELETED"


Standing = Literal["GOOD", "UNVERIFIED", "LOCKED", "SUSPENDED"]
"""Whether somebody who has proved who they are may come in, and if not, why."""


def standing(status: IdentityStatus, locked_until: datetime | None, now: datetime) -> Standing:
    """The standing at `now`; a lock with an end is over by itself."""
    if status in (IdentityStatus.SUSPENDED, IdentityStatus.DELETED):
        return "SUSPENDED"
    if locked_until is not None and locked_until > now:
        return "LOCKED"
    if status is IdentityStatus.LOCKED and locked_until is None:
        return "LOCKED"
    return "UNVERIFIED" if status is IdentityStatus.PENDING else "GOOD"

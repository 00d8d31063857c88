"""What may become of a user."""

from enum import Enum, auto


class UserStatus(Enum):
    """PENDING until an address is verified; DELETED is put away and can be restored until it is purged."""

    PENDING = auto()
    ACTIVE = auto()
    SUSPENDED = auto()
    DELETED = auto()


INITIAL_ROLE = "user"
"""Name of the role that everybody is given with the profile."""


def status_once_suspended(status: UserStatus) -> UserStatus:
    """What a user is after auth has shut them out; whoever is deleted stays so."""
    return status if status is UserStatus.DELETED else UserStatus.SUSPENDED


def status_once_reinstated(status: UserStatus, *, is_verified: bool) -> UserStatus:
    """What a user is after their suspension has ended."""
    if status is not UserStatus.SUSPENDED:
        return status
    return UserStatus.ACTIVE if is_verified else UserStatus.PENDING


def status_once_verified(status: UserStatus) -> UserStatus:
    """What a user is after an address of theirs was verified; nothing but waiting for that ends by it."""
    return UserStatus.ACTIVE if status is UserStatus.PENDING else status

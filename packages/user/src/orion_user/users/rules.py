"""What may become of a user."""

from enum import Enum, auto


class UserStatus(Enum):
    """PENDING until an address is verified; DELETED is put away and can be restored until it is purged."""

    PENDING = auto()
    ACTIVE = auto()
    SUSPENDED = auto()
    DELETED = auto()

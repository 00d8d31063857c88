"""What an account is worth."""

from enum import Enum, auto


class ProviderHealth(Enum):
    """What recent attempts through an account say of it."""

    HEALTHY = auto()
    DEGRADED = auto()
    DOWN = auto()

"""The ways of showing a second factor: words that several slices and their rules share."""

from dataclasses import dataclass
from enum import Enum


class TwoFactorMethod(Enum):
    """How a second factor can be shown."""

    TOTP = "TOTP"
    SMS = "SMS"
    EMAIL = "EMAIL"
    HARDWARE_KEY = "HARDWARE_KEY"
    BACKUP_CODE = "BACKUP_CODE"


@dataclass(frozen=True)
class FactorPolicy:
    """What this installation allows as a second factor."""

    allowed: frozenset[TwoFactorMethod] = frozenset(TwoFactorMethod)
    is_required: bool = False
    """Of everybody; it can be required of single users besides."""

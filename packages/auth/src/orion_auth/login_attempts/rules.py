"""What attempts are made with."""

from enum import Enum


class LoginMethod(Enum):
    """What was shown first."""

    PASSWORD = "PASSWORD"
    PASSKEY = "PASSKEY"
    MAGIC_LINK = "MAGIC_LINK"
    EMAIL_CODE = "EMAIL_CODE"
    SOCIAL = "SOCIAL"

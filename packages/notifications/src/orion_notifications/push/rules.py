"""Whose push service it is."""

from enum import Enum, auto


class PushPlatform(Enum):
    """Whose push service carries the message."""

    WEB = auto()
    FCM = auto()
    APNS = auto()

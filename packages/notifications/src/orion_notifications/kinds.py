"""The words that all slices share: by which way, how urgent, about what."""

from enum import Enum, auto


class Channel(Enum):
    """How a message reaches a person."""

    EMAIL = auto()
    SMS = auto()
    PUSH = auto()
    IN_APP = auto()
    WEBHOOK = auto()
    SLACK = auto()
    DISCORD = auto()


class ChannelRule(Enum):
    """Through all channels; through the first that works; or through one after the other until it is seen."""

    ALL = auto()
    FIRST = auto()
    ESCALATE = auto()


class Priority(Enum):
    """What leaves first. The order of the labels is the order of urgency, also in the database."""

    LOW = auto()
    NORMAL = auto()
    HIGH = auto()
    URGENT = auto()


class Category(Enum):
    """What kind of message it is; preferences and unsubscribing speak of these."""

    TRANSACTIONAL = auto()
    MARKETING = auto()
    SECURITY = auto()
    SYSTEM = auto()
    ACCOUNT = auto()
    SOCIAL = auto()


ALWAYS_ON = frozenset({Category.SECURITY, Category.TRANSACTIONAL})
"""What nobody can switch off: who could would be blinded by whoever got into the account."""

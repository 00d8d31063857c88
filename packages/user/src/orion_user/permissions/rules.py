"""The words in which permissions are spoken of."""

from enum import Enum, auto


class PermissionScope(Enum):
    """How far something reaches, the widest first."""

    GLOBAL = auto()
    ORG = auto()
    TEAM = auto()
    USER = auto()


class PermissionEffect(Enum):
    """DENY wins over ALLOW, wherever either comes from."""

    ALLOW = auto()
    DENY = auto()

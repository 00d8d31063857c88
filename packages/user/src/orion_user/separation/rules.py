"""The kinds of separation of duty (ANSI INCITS 359 §§6.3, 6.4)."""

from enum import Enum, auto


class SeparationKind(Enum):
    """STATIC: not to be given to one user together, whenever and wherever they would hold.

    DYNAMIC: not to be in effect together, at one moment in one place; one after the other, or here and there, they may.
    """

    STATIC = auto()
    DYNAMIC = auto()

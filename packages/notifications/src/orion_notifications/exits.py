"""How the commands of notifications end."""

from enum import IntEnum


class Exit(IntEnum):
    """The numbers are those of `orion db`; those above 64 are sysexits.h's, which mail servers understand."""

    OK = 0
    FOUND = 1
    """It worked, and left something to be looked at."""
    USAGE = 3
    UNREACHABLE = 4
    REFUSED = 5
    TRY_AGAIN = 75
    """EX_TEMPFAIL: the mail server keeps the mail and comes again."""

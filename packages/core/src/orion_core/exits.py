"""How the commands of services end."""

from enum import IntEnum


class Exit(IntEnum):
    """The numbers are those of `orion db`; mail servers understand that of sysexits.h."""

    OK = 0
    FOUND = 1
    """It worked, and left something to be looked at."""
    USAGE = 3
    UNREACHABLE = 4
    REFUSED = 5
    TRY_AGAIN = 75
    """EX_TEMPFAIL: the mail server keeps the mail and comes again."""
    INTERRUPTED = 130
    """By Ctrl-C: 128 and the number of SIGINT, as shells have it."""

"""How long "this wasn't me" can be said."""

from datetime import timedelta

LIFETIME = timedelta(days=7)
"""Of the link in a notice: long enough to come back from a holiday, short enough for a mailbox that changes hands."""

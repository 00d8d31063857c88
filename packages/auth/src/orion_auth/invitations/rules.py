"""How long an invitation is good for."""

from datetime import timedelta

LIFETIME = timedelta(days=7)
"""Over a holiday week; a link that is found later is asked for again."""

"""How long sessions last."""

from datetime import timedelta

SESSION_LIFETIME = timedelta(days=30)
"""A session ends this long after it began, however often it is refreshed."""

REFUSAL_MARGIN = timedelta(seconds=30)
"""How much longer than its tokens live a session's end is remembered, for clocks that are apart."""

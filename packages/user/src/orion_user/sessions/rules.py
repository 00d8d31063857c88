"""What is to be made of sessions' events."""

from datetime import datetime, timedelta

SHORTEST = timedelta(seconds=1)


def placeholder_expiry(ended_at: datetime, tokens_expire_at: datetime) -> datetime:
    """When a session expires of which only the end is known so far: with its last token, and after it ended."""
    return max(tokens_expire_at, ended_at + SHORTEST)

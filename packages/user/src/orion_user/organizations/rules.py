"""How long an invitation is good for, and who may accept it."""

from datetime import datetime, timedelta

LIFETIME = timedelta(days=7)
"""Over a holiday week; one that is found later is asked for again."""


def may_accept(invited: str, expires_at: datetime, email: str, verified_at: datetime | None, now: datetime) -> bool:
    """Whether a user may accept: he has shown that the address that was invited is his, and it is not too late."""
    return invited == email and verified_at is not None and now < expires_at

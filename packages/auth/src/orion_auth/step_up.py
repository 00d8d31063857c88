"""Asking for a fresh proof of who somebody is before something dangerous is done (RFC 9470)."""

from datetime import datetime, timedelta

from orion_contracts.claims import AccessClaims
from orion_core.errors import Problem

RECENT = timedelta(minutes=5)
"""How long a proof is good for changes that somebody at an unlocked screen must not make."""


def require_recent(claims: AccessClaims, now: datetime, within: timedelta = RECENT) -> None:
    """Refuse (401) a token whose owner has not proved who he is within this time.

    `auth_time` tells; refreshing does not move it. The challenge is RFC 9470's, so a client knows what to do.
    """
    if claims.auth_time is not None and now.timestamp() - claims.auth_time <= within.total_seconds():
        return
    seconds = int(within.total_seconds())
    challenge = (
        'Bearer error="insufficient_user_authentication", '
        f'error_description="A more recent authentication is required", max_age="{seconds}"'
    )
    detail = f"This needs a proof of who you are that is at most {seconds} seconds old; give one, then try again."
    raise Problem(
        401, "reauthentication_required", "Prove who you are again", detail, headers={"WWW-Authenticate": challenge}
    )

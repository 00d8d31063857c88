"""Asking for a fresh proof of who somebody is before something that cannot be undone (RFC 9470)."""

from datetime import datetime, timedelta

from orion_contracts.claims import AccessClaims
from orion_core.errors import Problem

RECENT = timedelta(minutes=5)


def require_recent(claims: AccessClaims, now: datetime) -> None:
    """Refuse (401) a token whose owner has not proved who he is within the last minutes; `auth_time` tells.

    A client that gets the challenge has its user prove it at auth (`POST /auth/v1/me/proofs`) and tries again.
    """
    if claims.auth_time is not None and now.timestamp() - claims.auth_time <= RECENT.total_seconds():
        return
    seconds = int(RECENT.total_seconds())
    challenge = (
        'Bearer error="insufficient_user_authentication", '
        f'error_description="A more recent authentication is required", max_age="{seconds}"'
    )
    detail = f"This needs a proof of who you are that is at most {seconds} seconds old; give one, then try again."
    raise Problem(
        401, "reauthentication_required", "Prove who you are again", detail, headers={"WWW-Authenticate": challenge}
    )

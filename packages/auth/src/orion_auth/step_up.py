"""Asking for a fresh proof of who somebody is before something dangerous is done (RFC 9470)."""

from datetime import datetime, timedelta

from orion_contracts.claims import AccessClaims
from orion_core.errors import Problem

RECENT = timedelta(minutes=5)
"""How long a proof is good for changes that somebody at an unlocked screen must not make."""

SEVERAL_FACTORS = "mfa"
"""RFC 8176's word for a proof by more than one factor."""

MULTI_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
"""The authentication context class (`acr`) of a session that has shown more than one factor (OpenID PAPE 1.0 §4)."""


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


def second_factor_needed() -> Problem:
    """The refusal (401) of a token whose session has not shown the second factor that its owner has (RFC 9470 §3)."""
    challenge = (
        'Bearer error="insufficient_user_authentication", '
        f'error_description="A second factor is required", acr_values="{MULTI_FACTOR}"'
    )
    detail = (
        "This needs the second factor that the account has, and this session has not shown it: send it to "
        "/auth/v1/sessions/current/proofs, or sign in again with it. Then try again."
    )
    return Problem(
        401, "second_factor_needed", "Show your second factor", detail, headers={"WWW-Authenticate": challenge}
    )

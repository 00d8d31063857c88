"""Asking for a second factor before something is done that needs one (RFC 9470)."""

from orion_core.errors import Problem

SEVERAL_FACTORS = "mfa"
"""RFC 8176's word for a proof by more than one factor."""

MULTI_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
"""The authentication context class (`acr`) of a session that has shown more than one factor (OpenID PAPE 1.0 §4)."""


def second_factor_needed() -> Problem:
    """The refusal (401) of a token whose session has shown no second factor, and by it might do this (RFC 9470 §3)."""
    challenge = (
        'Bearer error="insufficient_user_authentication", '
        f'error_description="A second factor is required", acr_values="{MULTI_FACTOR}"'
    )
    detail = (
        "This needs a second factor, and this session has not shown one: send it to "
        "/auth/v1/sessions/current/proofs, or sign in again with it. Then try again."
    )
    return Problem(
        401, "second_factor_needed", "Show your second factor", detail, headers={"WWW-Authenticate": challenge}
    )

"""What is told to somebody who still lacks a second factor."""

from typing import Literal

from orion_core.http.shapes import ResponseShape

Method = Literal["TOTP", "SMS", "EMAIL", "HARDWARE_KEY", "BACKUP_CODE"]


class SecondFactorNeeded(ResponseShape):
    """The first proof was good, and a second factor is needed before the session begins."""

    challenge: str
    """Names the half-finished sign-in; a secret of whoever began it."""
    methods: list[Method]
    """Any one of these will do; the one that its owner prefers comes first."""
    expires_in: int
    """Seconds until it has to be begun anew."""

"""Whoever changes what belongs to others has proved lately who he is (OWASP ASVS 5.0, 8.4.2)."""

from datetime import datetime, timedelta

from orion_contracts.claims import AccessClaims
from orion_core.http.authentication import require_recent
from orion_core.http.context import EXCHANGE
from orion_core.http.step_up import SEVERAL_FACTORS

ADMINISTRATION = timedelta(minutes=30)
"""How long an administrator works on without proving again who he is: a screen left unlocked is nobody's for a day."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 §9.2.1)."""


def require_fresh_proof(claims: AccessClaims, permission: str, now: datetime) -> None:
    """401, with RFC 9470's challenge, for a person whose last proof is older than `ADMINISTRATION`.

    Asked where something is changed by `permission`. What is asked by POST, such as a search, needs one to read.
    Programs prove nothing anew: they are bounded by their scopes, networks and rates instead. A token is a program's
    when it says so, and a person's otherwise.
    """
    exchange = EXCHANGE.get()
    reads = permission.endswith(":read") or (exchange is not None and exchange.context.method in SAFE)
    is_service = claims.sid is None and claims.sub == claims.client_id
    if not (reads or claims.is_of_api_key or is_service):
        require_recent(claims, now, ADMINISTRATION)


def with_second_factor(claims: AccessClaims, now: datetime) -> AccessClaims | None:
    """What somebody's token would say if he showed a second factor now; None for who has shown one, and for programs.

    Whoever is refused, and would not be with these, is asked for a second factor: a condition of his role wants it.
    """
    if claims.amr is None or claims.is_of_api_key or SEVERAL_FACTORS in claims.amr:
        return None
    return claims.model_copy(update={"amr": [*claims.amr, SEVERAL_FACTORS], "auth_time": int(now.timestamp())})

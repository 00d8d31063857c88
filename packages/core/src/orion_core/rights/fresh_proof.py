"""Whoever changes what belongs to others has proved lately who he is (OWASP ASVS 5.0, 8.4.2)."""

from datetime import datetime, timedelta

from orion_contracts.claims import AccessClaims
from orion_core.http.authentication import require_recent
from orion_core.http.context import EXCHANGE
from orion_core.rights.caller import caller

ADMINISTRATION = timedelta(minutes=30)
"""How long an administrator works on without proving again who he is: a screen left unlocked is nobody's for a day."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 §9.2.1)."""


def require_fresh_proof(claims: AccessClaims, permission: str, now: datetime) -> None:
    """401, with RFC 9470's challenge, for a person whose last proof is older than `ADMINISTRATION`.

    Asked where the request changes something by `permission`. What is asked by POST, such as a search, needs one to
    read. API keys and services prove nothing anew: they are bounded by their scopes, networks and rates instead, and
    no token of a person's session passes for one of theirs.
    """
    exchange = EXCHANGE.get()
    if exchange is None or exchange.context.method in SAFE or permission.endswith(":read"):
        return
    if caller(claims).is_in_person:
        require_recent(claims, now, ADMINISTRATION)

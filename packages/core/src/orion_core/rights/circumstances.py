"""What conditions look at where Orion stands before a route of its own."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orion_contracts.claims import AccessClaims
from orion_core.conditions.condition import Facts
from orion_core.http.context import EXCHANGE
from orion_core.rights.decider import NOTHING


def circumstances(claims: AccessClaims, now: datetime) -> Facts:
    """Who asks, how he proved who he is, when, and from which address the request came that is being answered.

    Of the caller's own words there is nothing among them. Outside of a request the address is not known, and what needs
    it does not hold; nor does what needs the proof of a person where an API key asks.
    """
    exchange = EXCHANGE.get()
    network = NOTHING if exchange is None else {"address": str(exchange.context.ip_address)}
    return Facts(now, {"type": "user", "id": claims.sub, **_proof(claims, now)}, NOTHING, NOTHING, network)


def _proof(claims: AccessClaims, now: datetime) -> Mapping[str, Any]:
    if claims.auth_time is None:
        return NOTHING
    return {
        "amr": claims.amr or [],
        "proof_age": int(now.timestamp()) - claims.auth_time,
        "is_bound": claims.cnf is not None,
    }

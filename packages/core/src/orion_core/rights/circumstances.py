"""What conditions look at where Orion stands before a route of its own."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from orion_contracts.claims import AccessClaims
from orion_core.conditions.condition import Facts
from orion_core.http.context import EXCHANGE
from orion_core.rights.decider import NOTHING


def circumstances(user_id: UUID, now: datetime) -> Facts:
    """Who asks, when, from which address the request came that is being answered, and how he proved who he is.

    Of the caller's own words there is nothing among them. Outside of a request neither is known, and what needs them
    does not hold; nor does what needs the proof of a person where an API key asks.
    """
    exchange = EXCHANGE.get()
    network = NOTHING if exchange is None else {"address": str(exchange.context.ip_address)}
    proof = NOTHING if exchange is None else _proof(exchange.claims, user_id, now)
    return Facts(now, {"type": "user", "id": str(user_id), **proof}, NOTHING, NOTHING, network)


def _proof(claims: AccessClaims | None, user_id: UUID, now: datetime) -> Mapping[str, Any]:
    if claims is None or claims.auth_time is None or claims.sub != str(user_id):
        return NOTHING
    return {
        "amr": claims.amr or [],
        "proof_age": int(now.timestamp()) - claims.auth_time,
        "is_bound": claims.cnf is not None,
    }

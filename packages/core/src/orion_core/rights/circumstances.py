"""What conditions look at where Orion stands before a route of its own."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from orion_core.conditions.condition import Facts
from orion_core.http.context import EXCHANGE
from orion_core.rights.decider import NOTHING


def circumstances(user_id: UUID, amr: Sequence[str], now: datetime) -> Facts:
    """Who asks, how they have proved it (`amr` of their token), when, and from which address the request came.

    Of the caller's own words there is nothing among them. Outside of a request the address is not known, and what needs
    it does not hold. A program has proved nothing, whoever's key it shows.
    """
    exchange = EXCHANGE.get()
    network = NOTHING if exchange is None else {"address": str(exchange.context.ip_address)}
    return Facts(now, {"type": "user", "id": str(user_id), "amr": list(amr)}, NOTHING, NOTHING, network)

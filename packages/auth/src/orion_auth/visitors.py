"""Who is at the door: the accounts of many addresses and the devices they know, found in one round trip.

In a crowd it has to be known early, and at little cost, who comes from a device that an account knows: he goes first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orion_auth.devices import actions as devices
from orion_auth.devices.rules import KnownDevice
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.tokens.actions import Bearer
from orion_core.database import Database
from orion_core.gathering import Gathering
from orion_core.statement import look_for_many


@dataclass(frozen=True)
class Visitor:
    """Somebody who says that an address is his."""

    email: str | None
    """Normalised; None for what is no address, which is looked for too, so that it costs the same."""
    bearer: Bearer
    now: datetime


Visitors = Gathering[Visitor, tuple[KnownIdentity | None, KnownDevice | None]]


def make(database: Database) -> Visitors:
    """Those of one running auth: who asks while a round trip is under way shares the next."""

    async def find_all(asked: Sequence[Visitor]) -> list[tuple[KnownIdentity | None, KnownDevice | None]]:
        looks = [
            (identities.by_email(visitor.email, visitor.now), devices.known(visitor.email, visitor.bearer))
            for visitor in asked
        ]
        async with database.autocommit() as connection:
            return await look_for_many(connection, looks)

    return Gathering(find_all)

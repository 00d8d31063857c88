"""What whoever changes something works with: the database, who asks, when, and where the change is told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.claims import AccessClaims
from orion_contracts.event import Event
from orion_core.database import Database, Transaction
from orion_core.events.outbox import Outbox
from orion_core.rights.caller import caller
from orion_user.access import guard
from orion_user.access.rules import EVERYWHERE, Place
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.components import Claims, Wired


@dataclass(frozen=True)
class Teller:
    """Who changes something, and when, and where it is told."""

    outbox: Outbox
    actor: Actor
    now: datetime

    async def tell(self, transaction: Transaction, event: Event, change: Change) -> None:
        """Tell the other services and the audit trail of a change, if it is committed."""
        await self.outbox.record(transaction, event, self.now)
        await audit.record(transaction, self.actor, change, self.now)


@dataclass(frozen=True)
class Desk(Teller):
    """One request of somebody to change something, or to see what is not his own."""

    database: Database
    claims: AccessClaims

    @property
    def user_id(self) -> UUID | None:
        """The user who asks, or for whom the key of an API does; None for a service or an operator."""
        return caller(self.claims).user_id

    @property
    def person(self) -> UUID | None:
        """The user who asks in person, and so may what everybody may with his own; None for a key."""
        return caller(self.claims).person

    async def require(self, connection: AsyncConnection, permission: str, place: Place = EVERYWHERE) -> None:
        """403 unless the caller may do that there."""
        await guard.require(connection, self.claims, permission, self.now, place)

    async def may(self, connection: AsyncConnection, permission: str, place: Place = EVERYWHERE) -> bool:
        """Whether the caller may do that there."""
        return await guard.holds(connection, self.claims, permission, self.now, place)


async def _desk(request: Request, wired: Wired, claims: Claims) -> Desk:
    return Desk(wired.outbox, Actor.of(claims, request), wired.clock(), wired.database, claims)


AtDesk = Annotated[Desk, Depends(_desk)]
"""The caller's desk, as a parameter of a route."""

"""What the routes of notifications work with, put together once by `app`."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Depends
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.http.authentication import Authenticate
from orion_core.http.idempotency import IdempotencyKeys
from orion_core.http.openapi import BEARER
from orion_core.paging import Cursors
from orion_core.rights.guard import Require
from orion_core.wakeup import Wakeup
from orion_notifications.amazon_certificates import Certificates
from orion_notifications.api_keys.actions import KeyDoor
from orion_notifications.desk import Desk
from orion_notifications.product import Product


class Inboxes(Protocol):
    """Whoever serves those that watch their inboxes; `inbox.streams` does."""

    @property
    def bell(self) -> Wakeup:
        """Ring it when something has changed in one."""
        ...

    def watch(
        self, user_id: UUID, last_event_id: str | None, claims: AccessClaims, ends_at: datetime
    ) -> AsyncGenerator[bytes]:
        """The events of one inbox."""
        ...


@dataclass(frozen=True)
class Components:
    """The parts of one running notification service."""

    database: Database
    clock: Clock
    cursors: Cursors
    authenticate: Authenticate
    key_door: KeyDoor
    idempotency: IdempotencyKeys
    streams: Inboxes
    desk: Desk
    product: Product
    """What messages say of this installation."""
    require: Require
    """What an administrator's route asks first: `await wired.require(claims, "notification:read")`."""
    providers_bell: Wakeup
    """Rung when accounts with providers have changed."""
    certificates: Certificates
    """Of Amazon, by which call-backs are checked."""
    allows_local_targets: bool
    """Whether messages may go to this machine and to private networks."""
    links_since: datetime | None
    """Links in messages that were made before are good for nothing."""


async def _components(request: Request) -> Components:
    # A coroutine, though it waits for nothing: FastAPI takes what is none to a thread and back, in every request.
    return request.app.state.components


Wired = Annotated[Components, Depends(_components)]
"""The components, as a parameter of a route."""


async def _claims(request: Request, wired: Wired, _: Annotated[object, Depends(BEARER)]) -> AccessClaims:
    claims = await wired.authenticate(request)
    if claims.is_of_api_key:
        await wired.key_door.enter(claims, request.scope["orion.context"].ip_address)
    return claims


Claims = Annotated[AccessClaims, Depends(_claims)]
"""The claims of the caller's access token; the request is refused without a good one."""

"""What the routes of user work with, put together once by `app`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.events.outbox import Outbox
from orion_core.http.authentication import Authenticate
from orion_core.http.idempotency import IdempotencyKeys
from orion_core.http.openapi import BEARER
from orion_core.paging import Cursors
from orion_user.other_services import OtherServices
from orion_user.settings import UserSettings


@dataclass(frozen=True)
class Components:
    """The parts of one running user service."""

    settings: UserSettings
    database: Database
    clock: Clock
    outbox: Outbox
    cursors: Cursors
    authenticate: Authenticate
    others: OtherServices
    idempotency: IdempotencyKeys
    note_activity: Callable[[AccessClaims, datetime], None]
    """Called with the claims of every request."""


async def _components(request: Request) -> Components:
    # A coroutine, though it waits for nothing: FastAPI takes what is none to a thread and back, in every request.
    return request.app.state.components


Wired = Annotated[Components, Depends(_components)]
"""The components, as a parameter of a route."""


async def _claims(request: Request, wired: Wired, _: Annotated[object, Depends(BEARER)]) -> AccessClaims:
    claims = await wired.authenticate(request)
    wired.note_activity(claims, wired.clock())
    return claims


Claims = Annotated[AccessClaims, Depends(_claims)]
"""The claims of the caller's access token; the request is refused without a good one."""

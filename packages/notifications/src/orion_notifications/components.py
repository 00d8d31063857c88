"""What the routes of notifications work with, put together once by `app`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.http.authentication import Authenticate
from orion_core.http.openapi import BEARER
from orion_core.paging import Cursors
from orion_notifications.guard import Require


@dataclass(frozen=True)
class Components:
    """The parts of one running notification service."""

    database: Database
    clock: Clock
    cursors: Cursors
    authenticate: Authenticate
    require: Require
    """What an administrator's route asks first: `await wired.require(claims, "notification:read")`."""


async def _components(request: Request) -> Components:
    # A coroutine, though it waits for nothing: FastAPI takes what is none to a thread and back, in every request.
    return request.app.state.components


Wired = Annotated[Components, Depends(_components)]
"""The components, as a parameter of a route."""


async def _claims(request: Request, wired: Wired, _: Annotated[object, Depends(BEARER)]) -> AccessClaims:
    return await wired.authenticate(request)


Claims = Annotated[AccessClaims, Depends(_claims)]
"""The claims of the caller's access token; the request is refused without a good one."""

"""`/livez`, `/readyz`, `/metrics`.

Alive says that the process answers. Ready says that it should be sent requests: that its own database answers. What
else is wrong (a feed that does not move, auth out of reach) is told in the same answer as `degraded` without taking
the process out of service, since it can still answer what needs none of that.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

import structlog
from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text
from starlette.responses import JSONResponse, Response

from orion_core import metrics
from orion_core.database import Database

Check = Callable[[], Awaitable[str | None]]
"""Returns what is wrong, or None."""

log = structlog.get_logger()


class Readiness(BaseModel):
    """Answer of `/readyz`."""

    status: Literal["ready", "degraded", "unavailable"]
    faults: dict[str, str]
    """What is wrong, by part."""


def health_routes(database: Database, checks: Mapping[str, Check]) -> APIRouter:
    """The three routes; `checks` by the name of the part they look at."""
    router = APIRouter(tags=["operations"])

    @router.get("/livez", response_class=Response)
    async def livez() -> Response:
        """Answer while the event loop turns."""
        return Response("ok", media_type="text/plain")

    @router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
    async def readyz() -> Response:
        """Tell whether requests should be sent here, and what is wrong."""
        faults = {name: fault for name, check in checks.items() if (fault := await check()) is not None}
        unreachable = await _database_fault(database)
        if unreachable is not None:
            faults["database"] = unreachable
        status = "unavailable" if unreachable else "degraded" if faults else "ready"
        body = Readiness(status=status, faults=faults)
        return JSONResponse(body.model_dump(), status_code=503 if unreachable else 200)

    @router.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


async def _database_fault(database: Database) -> str | None:
    try:
        async with database.autocommit() as connection:
            await connection.execute(text("SELECT 1"))
    except Exception as error:
        log.warning("database.unreachable", reason=type(error).__name__)
        return f"the database does not answer ({type(error).__name__})"
    return None

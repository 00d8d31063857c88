"""`/livez`, `/readyz`, `/metrics`.

Alive says that the process answers. Ready says that it should be sent requests: that its own database answers. What
else is wrong (a feed that does not move, auth out of reach) is told in the same answer as `degraded` without taking
the process out of service, since it can still answer what needs none of that. Whoever asks is answered within seconds,
also while the database hangs or a table is locked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

import structlog
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from orion_core import metrics
from orion_core.database import Database
from orion_core.database_faults import READ_ONLY, REASONS, database_reason

Check = Callable[[], Awaitable[str | None]]
"""Returns what is wrong, or None."""

CHECK_SECONDS = 2.0
"""How long a part may be silent until that is its fault: less than those who ask wait for us."""

SILENT = f"no answer within {CHECK_SECONDS:g} s"

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
        (fault, is_away), faults = await asyncio.gather(_database_fault(database), _faults(checks))
        if fault is not None:
            faults["database"] = fault
        status = "unavailable" if is_away else "degraded" if faults else "ready"
        body = Readiness(status=status, faults=faults)
        return JSONResponse(body.model_dump(), status_code=503 if is_away else 200)

    @router.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


async def _database_fault(database: Database) -> tuple[str | None, bool]:
    """What is wrong with it, and whether no request can be answered for that."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return (REASONS[READ_ONLY] if await database.is_read_only() else None), False
    except TimeoutError:
        reason = SILENT
    except Exception as error:
        reason = database_reason(error)
    log.warning("database.unreachable", reason=reason)
    return f"the database does not answer: {reason}", True


async def _faults(checks: Mapping[str, Check]) -> dict[str, str]:
    found = await asyncio.gather(*(_in_time(check) for check in checks.values()))
    return {name: fault for name, fault in zip(checks, found, strict=True) if fault is not None}


async def _in_time(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return SILENT

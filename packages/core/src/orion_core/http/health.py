"""`/livez`, `/readyz`, `/metrics`.

Alive says that the process answers. Ready says that it should be sent requests: that its own database answers. What
else is wrong (a feed that does not move, auth out of reach) is told in the same answer as `degraded` without taking
the process out of service, since it can still answer what needs none of that. Whoever asks is answered within seconds,
also while the database hangs or a table is locked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
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
    router, readiness = APIRouter(tags=["operations"]), _Asking(partial(_readiness, database, checks))

    @router.get("/livez", response_class=Response)
    async def livez() -> Response:
        """Answer while the event loop turns."""
        return Response("ok", media_type="text/plain")

    @router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
    async def readyz() -> Response:
        """Tell whether requests should be sent here, and what is wrong."""
        body = await readiness.ask()
        return JSONResponse(body.model_dump(), status_code=503 if body.status == "unavailable" else 200)

    @router.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


class _Asking:
    """One look at everything for all who ask meanwhile: anybody may, and a flood of them takes no connections."""

    def __init__(self, look: Callable[[], Coroutine[None, None, Readiness]]) -> None:
        self._look = look
        self._under_way: asyncio.Task[Readiness] | None = None

    async def ask(self) -> Readiness:
        """What is found by a look that is under way, else by one of its own."""
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._look())
        return await asyncio.shield(self._under_way)


async def _readiness(database: Database, checks: Mapping[str, Check]) -> Readiness:
    (fault, is_away), faults = await asyncio.gather(_database_fault(database), _faults(checks))
    if fault is not None:
        faults["database"] = fault
    return Readiness(status="unavailable" if is_away else "degraded" if faults else "ready", faults=faults)


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

"""The application factory: the only place where a service's HTTP side is put together."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from orion_core.background import pause
from orion_core.database import Database
from orion_core.http import openapi, problems
from orion_core.http.edge import Edge, LargeBody
from orion_core.http.health import Check, health_routes
from orion_core.http.shortcut import Shortcut
from orion_core.settings import ServiceSettings

Background = Callable[[asyncio.Event], Awaitable[None]]
"""Runs beside the requests until the event is set."""

GRACE_SECONDS = 5.0

log = structlog.get_logger()


class Application(FastAPI):
    """A service, within its edge: what is refused there, or has a shortcut, passes none of the layers inside."""

    edge: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["app"] = self
        await self.edge(scope, receive, send)

    async def beyond_edge(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What FastAPI answers."""
        await super().__call__(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """Starlette's, without its own answer to what fails: the edge has one."""
        stack = super().build_middleware_stack()
        assert isinstance(stack, ServerErrorMiddleware)
        return stack.app


def create_application(
    *,
    name: str,
    title: str,
    settings: ServiceSettings,
    database: Database,
    components: object,
    routes: Sequence[BaseRoute] = (),
    routers: Sequence[APIRouter] = (),
    shortcuts: Collection[Shortcut] = (),
    background: Sequence[Background] = (),
    checks: Mapping[str, Check] | None = None,
    on_start: Callable[[], Awaitable[None]] | None = None,
    on_stop: Callable[[], Awaitable[None]] | None = None,
    expensive: Collection[tuple[str, str]] = (),
    large_bodies: Sequence[LargeBody] = (),
) -> Application:
    """A service's ASGI application.

    `name` is the first part of every path. `components` is what routes find by `request.app.state.components`.
    `routes` are those of `routes_of`, `routers` what was made for this application alone.
    `shortcuts` go before both.
    `on_start` runs before the first request, `on_stop` after the last; `background` runs in between.
    `expensive` are method and path of routes that a crowd must not fill the event loop with (`orion_core.http.door`).
    `large_bodies` are the routes to which more than `ORION_BODY_LIMIT` may be sent.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        if on_start is not None:
            await on_start()
        try:
            async with _beside(background):
                yield
        finally:
            if on_stop is not None:
                await on_stop()
            await database.close()

    application = Application(
        title=title,
        version="1",
        lifespan=lifespan,
        openapi_url=f"/{name}/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would redirect to whatever host the caller names
    )
    application.state.components = components
    problems.install(application)
    application.router.routes.extend(routes)
    for router in (*routers, health_routes(database, checks or {})):
        application.include_router(router)
    openapi.describe(application)
    limits: dict[str, Any] = {"body_limit": settings.body_limit, "trusted_proxies": settings.trusted_proxies}
    application.edge = Edge(
        application.beyond_edge, **limits, expensive=expensive, shortcuts=shortcuts, large_bodies=large_bodies
    )
    return application


def routes_of(*routers: APIRouter, prefix: str = "") -> Sequence[BaseRoute]:
    """Their routes, below a prefix, for every application of this process.

    FastAPI works out what a route needs of a request for each application that includes its router, and twice where one
    router includes another: a millisecond a route. Here it does so once, when the route is first looked for.
    """
    together = APIRouter()
    for router in routers:
        together.include_router(router, prefix=prefix)
    return together.routes


@asynccontextmanager
async def _beside(background: Sequence[Background]) -> AsyncGenerator[None]:
    """What runs meanwhile."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(_supervised(run, stop)) for run in background]
    try:
        yield
    finally:
        stop.set()
        await _finish(tasks)


async def _finish(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Let what runs beside the requests end by itself; after the grace period it is cancelled."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=GRACE_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _supervised(run: Background, stop: asyncio.Event) -> None:
    """Keep a background part running: one that fails is logged and begun again, since nothing else would notice."""
    while not stop.is_set():
        try:
            await run(stop)
        except Exception:
            log.exception("background.failed", part=getattr(run, "__qualname__", repr(run)))
            await pause(stop, 1)

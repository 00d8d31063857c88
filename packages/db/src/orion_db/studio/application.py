"""The browser as a web application: one part for each service."""

import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette_admin.contrib.sqla import Admin
from starlette_admin.export import ExportConfig
from starlette_admin.views import Link

from orion_db.connections import owner_connection, owner_engine
from orion_db.studio.access import OneTimeAccess
from orion_db.studio.audit import audited_session, create_changes
from orion_db.studio.models import shown_tables
from orion_db.studio.views import MOST_COUNTED, TableView, refusal
from orion_db.targets import Target

_PURPOSE = "studio"
SETTINGS = {"statement_timeout": "15s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "60s"}


@asynccontextmanager
async def studio(targets: Sequence[Target], *, writable: bool) -> AsyncGenerator[OneTimeAccess]:
    """The application, with connections to each database; without `writable` the server itself refuses every write."""
    async with AsyncExitStack() as stack:
        application = Starlette(routes=[Route("/", _first(targets[0]))])
        for target in targets:
            await _prepare(target, writable=writable)
            settings = SETTINGS | {"default_transaction_read_only": "off" if writable else "on"}
            engine = await stack.enter_async_context(owner_engine(target, _PURPOSE, settings))
            admin = _admin(target, targets, engine, writable=writable)
            admin.mount_to(application)
            admin.app.add_exception_handler(DBAPIError, admin.show_refusal)
        yield OneTimeAccess(application)


class _Browser(Admin):
    async def show_refusal(self, request: Request, error: Exception) -> Response:
        """What the server would not do, as a page; without it, nothing but "Internal Server Error"."""
        return await self._render_error(request, HTTPException(422, refusal(error)))


async def _prepare(target: Target, *, writable: bool) -> None:
    """Connect once, so that a missing database is told now and not by every page."""
    async with owner_connection(target, _PURPOSE) as connection, connection.begin():
        if writable:
            await create_changes(connection)


def _admin(target: Target, targets: Sequence[Target], engine: AsyncEngine, *, writable: bool) -> _Browser:
    service = target.service
    tables = shown_tables(service)
    sessions = async_sessionmaker(
        engine, class_=AsyncSession, sync_session_class=audited_session(tables), expire_on_commit=False
    )
    admin = _Browser(
        sessions,
        title=f"{service.title} · {target.database}" + ("" if writable else " · read-only"),
        base_url=f"/{service.name}",
        route_name=service.name,
        secret_key=secrets.token_urlsafe(32),
        export_config=ExportConfig(max_rows=MOST_COUNTED - 1),  # of so many there may be more
    )
    for shown in tables:
        admin.add_view(TableView(shown, writable=writable))
    for other in targets:
        if other is not target:
            admin.add_view(Link(f"→ {other.service.title}", url=f"/{other.service.name}/"))
    return admin


def _first(target: Target) -> Callable[[Request], RedirectResponse]:
    def show(_: Request) -> RedirectResponse:
        return RedirectResponse(f"/{target.service.name}/")

    return show

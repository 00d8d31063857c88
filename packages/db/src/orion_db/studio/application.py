"""The browser as a web application: one part for each service."""

import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route
from starlette_admin.contrib.sqla import Admin
from starlette_admin.views import Link

from orion_db.connections import owner_connection, owner_engine
from orion_db.studio.access import OneTimeAccess
from orion_db.studio.audit import audited_session, create_changes
from orion_db.studio.models import shown_tables
from orion_db.studio.views import TableView
from orion_db.targets import Target

_PURPOSE = "studio"
_SETTINGS = {"statement_timeout": "15s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "60s"}


@asynccontextmanager
async def studio(targets: Sequence[Target], *, writable: bool) -> AsyncGenerator[OneTimeAccess]:
    """The application, with connections to each database; without `writable` the server itself refuses every write."""
    async with AsyncExitStack() as stack:
        application = Starlette(routes=[Route("/", _first(targets[0]))])
        for target in targets:
            if writable:
                await _prepare(target)
            settings = _SETTINGS | {"default_transaction_read_only": "off" if writable else "on"}
            engine = await stack.enter_async_context(owner_engine(target, _PURPOSE, settings))
            _admin(target, targets, engine, writable=writable).mount_to(application)
        yield OneTimeAccess(application)


async def _prepare(target: Target) -> None:
    async with owner_connection(target, _PURPOSE) as connection, connection.begin():
        await create_changes(connection)


def _admin(target: Target, targets: Sequence[Target], engine: AsyncEngine, *, writable: bool) -> Admin:
    service = target.service
    tables = shown_tables(service)
    sessions = async_sessionmaker(
        engine, class_=AsyncSession, sync_session_class=audited_session(tables), expire_on_commit=False
    )
    admin = Admin(
        sessions,
        title=f"{service.title} · {target.database}" + ("" if writable else " · read-only"),
        base_url=f"/{service.name}",
        route_name=service.name,
        secret_key=secrets.token_urlsafe(32),
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

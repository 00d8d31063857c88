"""The wiring of user: settings, database, auth's feed, routes."""

from functools import partial

import httpx
from fastapi import APIRouter, FastAPI

from orion_core.auth_client import AuthClient
from orion_core.clock import Clock, system_clock
from orion_core.database import Database
from orion_core.events.feed import Feed
from orion_core.events.outbox import Outbox
from orion_core.http.application import create_application
from orion_core.http.feed import feed_routes
from orion_core.logs import configure_logs
from orion_core.paging import Cursors
from orion_core.partitions import keep_partitions_ahead
from orion_core.retention.task import keep_pruned
from orion_core.service import service_role
from orion_core.settings import retention_policy
from orion_core.wakeup import Wakeup
from orion_user.assignments import routes as assignments
from orion_user.catalog import routes as catalog
from orion_user.components import Components
from orion_user.elevations import routes as elevations
from orion_user.elevations.ending import keep_ended
from orion_user.events import handlers
from orion_user.me import routes as me
from orion_user.roles import routes as roles
from orion_user.separation import routes as separation
from orion_user.service import service
from orion_user.sessions import routes as sessions
from orion_user.settings import UserSettings

PREFIX = "/user/v1"


def create_app() -> FastAPI:
    """The service as its environment describes it; raises `SettingsError`."""
    settings = UserSettings.load()
    configure_logs(settings, "user")
    return build(settings, httpx.AsyncClient())


def build(settings: UserSettings, http: httpx.AsyncClient, clock: Clock = system_clock) -> FastAPI:
    """The service of these settings, which reaches auth through `http` and closes it at the end."""
    policy = retention_policy(service, settings.retention)
    url = settings.database_url
    database = Database.connect(url, role=service_role("user"), application="orion user", pool_size=settings.pool_size)
    feed = Feed(database, Wakeup(url, "outbox"), source="user")
    key = settings.service_key.get_secret_value()
    outbox = Outbox(feed)
    auth = AuthClient(settings, "user", key, http, database, clock, handlers(outbox, clock))
    return create_application(
        name="user",
        title="Orion user",
        settings=settings,
        database=database,
        components=Components(settings, database, clock, outbox, Cursors(settings.sealing_keys), auth.authenticate),
        routers=_routers(feed_routes(feed, auth.authenticate)),
        background=[
            feed.wakeup.run,
            partial(keep_partitions_ahead, database),
            partial(keep_pruned, database, policy),
            partial(keep_ended, database, outbox, clock),
            *auth.background,
        ],
        checks=auth.checks,
        on_stop=http.aclose,
    )


def _routers(feed_router: APIRouter) -> list[APIRouter]:
    router = APIRouter(prefix=PREFIX)
    for part in (
        me.router,
        sessions.router,
        catalog.router,
        roles.router,
        assignments.router,
        separation.router,
        elevations.router,
        feed_router,
    ):
        router.include_router(part)
    return [router]

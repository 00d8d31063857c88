"""The wiring of user: settings, database, auth's feed, routes."""

import httpx
from fastapi import APIRouter, FastAPI

from orion_core.access_tokens import FetchKeys, TokenVerifier
from orion_core.clock import Clock, system_clock
from orion_core.database import Database
from orion_core.events.client import FeedClient
from orion_core.events.feed import Feed
from orion_core.events.follow import Follower
from orion_core.events.outbox import Outbox
from orion_core.http.application import create_application
from orion_core.http.authentication import Authenticator
from orion_core.http.feed import feed_routes
from orion_core.logs import configure_logs
from orion_core.paging import Cursors
from orion_core.revocations import FollowedRevocations
from orion_core.service import service_role
from orion_core.service_token import ServiceTokens
from orion_core.wakeup import Wakeup
from orion_user.components import Components
from orion_user.events import handlers
from orion_user.me import routes as me
from orion_user.sessions import routes as sessions
from orion_user.settings import UserSettings

PREFIX = "/user/v1"
AUDIENCE = "orion"


def create_app() -> FastAPI:
    """The service as its environment describes it; raises `SettingsError`."""
    settings = UserSettings.load()
    configure_logs(settings, "user")
    return build(settings, httpx.AsyncClient())


def build(settings: UserSettings, http: httpx.AsyncClient, clock: Clock = system_clock) -> FastAPI:
    """The service of these settings, which reaches auth through `http` and closes it at the end."""
    url = settings.database_url
    database = Database.connect(url, role=service_role("user"), application="orion user", pool_size=settings.pool_size)
    feed = Feed(database, Wakeup(url, "outbox"), source="user")
    auth = _auth_feed(settings, http, clock)
    follower = Follower(auth, database, clock, handlers(Outbox(feed), clock))
    revocations = FollowedRevocations(auth, clock)
    verifier = TokenVerifier(_fetch_keys(settings, http), settings.issuer, AUDIENCE, clock)
    authenticate = Authenticator(verifier, revocations)

    async def feed_fault() -> str | None:
        return follower.state.fault

    async def revocations_fault() -> str | None:
        return revocations.fault

    return create_application(
        name="user",
        title="Orion user",
        settings=settings,
        database=database,
        components=Components(settings, database, clock, Cursors(settings.sealing_keys), authenticate),
        routers=_routers(feed_routes(feed, authenticate)),
        background=[feed.wakeup.run, follower.run, revocations.run],
        checks={"auth feed": feed_fault, "auth revocations": revocations_fault},
        on_stop=http.aclose,
    )


def _routers(feed_router: APIRouter) -> list[APIRouter]:
    router = APIRouter(prefix=PREFIX)
    for part in (me.router, sessions.router, feed_router):
        router.include_router(part)
    return [router]


def _auth_feed(settings: UserSettings, http: httpx.AsyncClient, clock: Clock) -> FeedClient:
    tokens = ServiceTokens(http, settings.auth_url, "user", settings.service_key.get_secret_value(), clock)
    return FeedClient("auth", f"{settings.auth_url}/auth/v1/events", tokens, http)


def _fetch_keys(settings: UserSettings, http: httpx.AsyncClient) -> FetchKeys:
    async def fetch_keys() -> dict[str, object]:
        answer = await http.get(f"{settings.auth_url}/auth/.well-known/jwks.json")
        return answer.raise_for_status().json()

    return fetch_keys

"""The wiring of notifications: settings, database, auth's feed, routes. The worker that sends is wired in `worker`."""

import httpx
from fastapi import APIRouter, FastAPI

from orion_core.access_tokens import FetchKeys, TokenVerifier
from orion_core.clock import Clock, system_clock
from orion_core.database import Database
from orion_core.events.client import FeedClient
from orion_core.events.feed import Feed
from orion_core.events.follow import Follower
from orion_core.http.application import create_application
from orion_core.http.authentication import Authenticator
from orion_core.http.feed import feed_routes
from orion_core.logs import configure_logs
from orion_core.paging import Cursors
from orion_core.revocations import FollowedRevocations
from orion_core.service import service_role
from orion_core.service_token import ServiceTokens
from orion_core.wakeup import Wakeup
from orion_notifications.components import Components
from orion_notifications.delivery.actions import QUEUE_CHANNEL, fault
from orion_notifications.events import Consumer, Product
from orion_notifications.notifications import routes as notifications
from orion_notifications.notifications.actions import Desk
from orion_notifications.settings import NotificationSettings

PREFIX = "/notifications/v1"
AUDIENCE = "orion"


def create_app() -> FastAPI:
    """The service as its environment describes it; raises `SettingsError`."""
    settings = NotificationSettings.load()
    configure_logs(settings, "notifications")
    return build(settings, httpx.AsyncClient())


def build(settings: NotificationSettings, http: httpx.AsyncClient, clock: Clock = system_clock) -> FastAPI:
    """The service of these settings, which reaches auth through `http` and closes it at the end."""
    url = settings.database_url
    role = service_role("notifications")
    database = Database.connect(url, role=role, application="orion notifications", pool_size=settings.pool_size)
    feed = Feed(database, Wakeup(url, "outbox"), source="notifications")
    queue = Wakeup(url, QUEUE_CHANNEL)
    auth = _auth_feed(settings, http, clock)
    follower = Follower(auth, database, clock, consumer(settings, queue, clock).handlers())
    revocations = FollowedRevocations(auth, clock)
    verifier = TokenVerifier(_fetch_keys(settings, http), settings.issuer, AUDIENCE, clock)
    authenticate = Authenticator(verifier, revocations)

    async def feed_fault() -> str | None:
        return follower.state.fault

    async def revocations_fault() -> str | None:
        return revocations.fault

    async def queue_fault() -> str | None:
        return await fault(database)

    return create_application(
        name="notifications",
        title="Orion notifications",
        settings=settings,
        database=database,
        components=Components(database, clock, Cursors(settings.sealing_keys), authenticate),
        routers=_routers(feed_routes(feed, authenticate)),
        background=[feed.wakeup.run, queue.run, follower.run, revocations.run],
        checks={"auth feed": feed_fault, "auth revocations": revocations_fault, "queue": queue_fault},
        on_stop=http.aclose,
    )


def consumer(settings: NotificationSettings, queue: Wakeup, clock: Clock) -> Consumer:
    """What turns auth's events into messages."""
    return Consumer(
        desk=Desk(settings.sealing_keys, queue),
        event_keyring=settings.event_sealing_keys,
        product=Product(settings.product_name, settings.app_url, settings.support_url),
        clock=clock,
    )


def _routers(feed_router: APIRouter) -> list[APIRouter]:
    router = APIRouter(prefix=PREFIX)
    for part in (notifications.router, feed_router):
        router.include_router(part)
    return [router]


def _auth_feed(settings: NotificationSettings, http: httpx.AsyncClient, clock: Clock) -> FeedClient:
    tokens = ServiceTokens(http, settings.auth_url, "notifications", settings.service_key.get_secret_value(), clock)
    return FeedClient("auth", f"{settings.auth_url}/auth/v1/events", tokens, http)


def _fetch_keys(settings: NotificationSettings, http: httpx.AsyncClient) -> FetchKeys:
    async def fetch_keys() -> dict[str, object]:
        answer = await http.get(f"{settings.auth_url}/auth/.well-known/jwks.json")
        return answer.raise_for_status().json()

    return fetch_keys

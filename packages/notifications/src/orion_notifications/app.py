"""The wiring of notifications: settings, database, feeds of auth and user, routes. The worker is wired in `worker`."""

from functools import partial

import httpx
from fastapi import FastAPI

from orion_contracts.api_keys import NotificationsApiKeyUsed
from orion_contracts.audit import NotificationsAuditRecorded
from orion_core.api_key_uses import Uses, telling
from orion_core.auth_client import AuthClient
from orion_core.clock import Clock, system_clock
from orion_core.database import Database
from orion_core.denied_attempts import DeniedAttempts
from orion_core.events.client import FeedClient
from orion_core.events.feed import Feed
from orion_core.events.follow import Follower
from orion_core.events.outbox import Outbox
from orion_core.http.application import create_application, routes_of
from orion_core.http.feed import feed_routes
from orion_core.http.idempotency import IdempotencyKeys
from orion_core.logs import configure_logs
from orion_core.paging import Cursors
from orion_core.partitions import keep_partitions_ahead
from orion_core.retention.task import keep_pruned
from orion_core.rights.client import RightsClient
from orion_core.rights.decider import Decider
from orion_core.rights.guard import Guard
from orion_core.schema_standing import schema_check
from orion_core.service import service_role
from orion_core.service_token import ServiceTokens
from orion_core.settings import retention_policy
from orion_core.wakeup import Wakeup
from orion_notifications.amazon_certificates import Certificates
from orion_notifications.api_keys.actions import KeyDoor
from orion_notifications.authoring import routes as authoring
from orion_notifications.authoring import version_routes as versions_of_templates
from orion_notifications.batches import routes as batches
from orion_notifications.callbacks import routes as callbacks
from orion_notifications.choices import routes as choices
from orion_notifications.components import Components
from orion_notifications.delivery.actions import QUEUE_CHANNEL, fault, keep_telling
from orion_notifications.desk import Desk
from orion_notifications.engagements import routes as engagements
from orion_notifications.erasures import routes as erasures
from orion_notifications.escalations.actions import Escalating
from orion_notifications.escalations.task import escalate
from orion_notifications.event_rules import routes as event_rules
from orion_notifications.event_rules.actions import Rulebook
from orion_notifications.events import Consumer
from orion_notifications.inbox import routes as inbox
from orion_notifications.inbox.streams import INBOX_CHANNEL, Streams
from orion_notifications.notifications import routes as notifications
from orion_notifications.notifications.digesting import close_digests
from orion_notifications.notifications.sending import send_next
from orion_notifications.numbers import routes as numbers
from orion_notifications.numbers.task import keep_counting
from orion_notifications.pauses import routes as pauses
from orion_notifications.product import Product
from orion_notifications.providers import routes as providers
from orion_notifications.providers.actions import PROVIDERS_CHANNEL
from orion_notifications.push import routes as push
from orion_notifications.service import service
from orion_notifications.settings import NotificationSettings
from orion_notifications.throttles import routes as throttles
from orion_notifications.user_events import UserConsumer
from orion_notifications.webhooks import routes as webhooks

PREFIX = "/notifications/v1"

ROUTES = routes_of(
    authoring.router,
    batches.router,
    callbacks.router,
    choices.router,
    engagements.router,
    erasures.router,
    event_rules.router,
    inbox.router,
    notifications.router,
    numbers.router,
    pauses.router,
    providers.router,
    push.router,
    throttles.router,
    versions_of_templates.router,
    webhooks.mine,
    webhooks.router,
    prefix=PREFIX,
)


def create_app() -> FastAPI:
    """The service as its environment describes it; raises `SettingsError`."""
    settings = NotificationSettings.load()
    configure_logs(settings, "notifications")
    return build(settings, httpx.AsyncClient())


def build(settings: NotificationSettings, http: httpx.AsyncClient, clock: Clock = system_clock) -> FastAPI:
    """The service of these settings, which reaches auth through `http` and closes it at the end."""
    url = settings.database_url
    database = _database(settings)
    feed = Feed(database, Wakeup(url, "outbox"), source="notifications")
    queue = Wakeup(url, QUEUE_CHANNEL)
    providers_bell = Wakeup(url, PROVIDERS_CHANNEL)
    heard = consumer(settings, queue, clock, Outbox(feed)).handlers()
    auth = AuthClient(settings, "notifications", settings.service_proof, http, database, clock, heard)
    tokens = _tokens_for_user(settings, http, clock)
    user = _user(settings, tokens, http, database, clock, queue)
    desk = Desk(settings.sealing_keys, queue)
    uses = Uses(telling(database, Outbox(feed), NotificationsApiKeyUsed, clock))
    streams = Streams(database, Wakeup(url, INBOX_CHANNEL), auth.revocations, clock)
    denied = DeniedAttempts(database, NotificationsAuditRecorded, clock)
    guard = Guard(Decider(RightsClient(http, settings.user_url, tokens).refresh), denied, clock)
    application = create_application(
        name="notifications",
        title="Orion notifications",
        settings=settings,
        database=database,
        components=Components(
            database=database,
            clock=clock,
            cursors=Cursors(settings.sealing_keys),
            authenticate=auth.authenticate,
            key_door=KeyDoor(database, uses, clock),
            idempotency=IdempotencyKeys(database, settings.sealing_keys, clock),
            streams=streams,
            require=guard.require,
            desk=desk,
            product=_product(settings),
            providers_bell=providers_bell,
            certificates=Certificates(http),
            allows_local_targets=settings.allows_local_targets,
            links_since=settings.links_since,
        ),
        routes=ROUTES,
        routers=[feed_routes(feed, auth.authenticate, PREFIX)],
        background=[
            feed.wakeup.run,
            queue.run,
            providers_bell.run,
            partial(close_digests, database, desk, clock),
            streams.bell.run,
            partial(escalate, database, Escalating(settings.sealing_keys, partial(send_next, desk)), clock),
            streams.run,
            partial(keep_partitions_ahead, database),
            partial(keep_pruned, database, retention_policy(service, settings.retention)),
            partial(keep_counting, database),
            partial(keep_telling, database),
            user.run,
            uses.run,
            *auth.background,
        ],
        checks={**auth.checks, "queue": partial(fault, database), "schema": schema_check(database, service)},
        large_bodies=[batches.UPLOAD],
        on_stop=http.aclose,
    )
    return denied.write_down_scopes(application)


def _database(settings: NotificationSettings) -> Database:
    role, size = service_role("notifications"), settings.pool_size
    return Database.connect(settings.database_url, role=role, application="orion notifications", pool_size=size)


def consumer(settings: NotificationSettings, queue: Wakeup, clock: Clock, outbox: Outbox) -> Consumer:
    """What turns auth's events into messages."""
    return Consumer(
        rules=_rulebook(settings, queue),
        event_keyring=settings.event_sealing_keys,
        clock=clock,
        outbox=outbox,
    )


def user_consumer(settings: NotificationSettings, queue: Wakeup, clock: Clock) -> UserConsumer:
    """What turns user's events into messages."""
    return UserConsumer(
        rules=_rulebook(settings, queue),
        event_keyring=settings.user_event_sealing_keys,
        clock=clock,
    )


def _tokens_for_user(settings: NotificationSettings, http: httpx.AsyncClient, clock: Clock) -> ServiceTokens:
    bound, key = settings.dpop_required == "all", settings.service_proof
    return ServiceTokens(http, settings.auth_url, "notifications", key, clock, audience="user", bound=bound)


def _user(
    settings: NotificationSettings,
    tokens: ServiceTokens,
    http: httpx.AsyncClient,
    database: Database,
    clock: Clock,
    queue: Wakeup,
) -> Follower:
    """What follows user, for invitations and choices. Metrics alone tell of it: mails of auth do not wait for user."""
    client = FeedClient("user", f"{settings.user_url}/user/v1/events", tokens, http)
    return Follower(client, database, clock, user_consumer(settings, queue, clock).handlers())


def _rulebook(settings: NotificationSettings, queue: Wakeup) -> Rulebook:
    """One for each feed: it knows the transaction that its feed is applied in."""
    return Rulebook(Desk(settings.sealing_keys, queue), _product(settings))


def _product(settings: NotificationSettings) -> Product:
    return Product(settings.product_name, settings.app_url, settings.support_url)

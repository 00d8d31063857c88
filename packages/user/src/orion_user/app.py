"""The wiring of user: settings, database, auth's feed, routes."""

from functools import partial

import httpx
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from orion_core.api_key_uses import Uses
from orion_core.auth_client import AuthClient
from orion_core.clock import Clock, system_clock
from orion_core.database import Database
from orion_core.events.client import FeedClient
from orion_core.events.feed import Feed
from orion_core.events.follow import Follower
from orion_core.events.outbox import Outbox
from orion_core.http.application import create_application, routes_of
from orion_core.http.authentication import InsufficientScopeError
from orion_core.http.context import EXCHANGE
from orion_core.http.feed import feed_routes
from orion_core.http.idempotency import IdempotencyKeys
from orion_core.http.problems import problem_response
from orion_core.logs import configure_logs
from orion_core.outbound import GuardedTransport
from orion_core.paging import Cursors
from orion_core.partitions import keep_partitions_ahead
from orion_core.retention.task import keep_pruned
from orion_core.schema_standing import schema_check
from orion_core.service import service_role
from orion_core.service_token import ServiceTokens, Signing
from orion_core.settings import retention_policy
from orion_core.wakeup import Wakeup
from orion_user.access.guard import PermissionDeniedError
from orion_user.access.sweeping import keep_swept
from orion_user.api_keys import routes as api_keys
from orion_user.api_keys.admission import admitting, writer
from orion_user.assignments import routes as assignments
from orion_user.audiences import routes as audiences
from orion_user.audit.actions import Actor, Change
from orion_user.audit.checkpoints import keep_signed
from orion_user.audit.denials import Denials
from orion_user.audit_logs import routes as audit_logs
from orion_user.audit_streams import routes as audit_streams
from orion_user.audit_streams.delivery import Courier
from orion_user.catalog import routes as catalog
from orion_user.components import Components
from orion_user.decisions import routes as decisions
from orion_user.decisions.shortcut import shortcuts
from orion_user.elevations import routes as elevations
from orion_user.elevations.ending import keep_ended
from orion_user.erasures import routes as erasures
from orion_user.erasures.purging import keep_purged
from orion_user.events import handlers, handlers_of_notifications
from orion_user.imports import routes as imports
from orion_user.me import routes as me
from orion_user.organizations import routes as organizations
from orion_user.organizations.expiring import keep_told
from orion_user.other_services import OtherServices
from orion_user.plans import routes as plans
from orion_user.preferences import routes as preferences
from orion_user.profiles import routes as profiles
from orion_user.refusals import RefusedError
from orion_user.roles import routes as roles
from orion_user.separation import routes as separation
from orion_user.service import service
from orion_user.sessions import routes as sessions
from orion_user.sessions.activity import Activity
from orion_user.settings import UserSettings
from orion_user.users import routes as users

PREFIX = "/user/v1"

ROUTES = (
    *routes_of(
        decisions.router,  # first, since it is asked most, and routes are tried in their order
        erasures.router,
        imports.router,
        me.router,
        preferences.router,
        profiles.router,
        sessions.router,
        users.router,
        catalog.router,
        roles.router,
        assignments.router,
        audiences.router,
        separation.router,
        elevations.router,
        api_keys.router,
        audit_logs.router,
        audit_streams.router,
        plans.router,
        organizations.router,
        prefix=PREFIX,
    ),
    *routes_of(decisions.metadata_router),
)


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
    outbox, activity = Outbox(feed), Activity(database)
    jwk = settings.service_private_key
    key = settings.service_key.get_secret_value() if jwk is None else Signing(jwk, settings.issuer)
    auth = AuthClient(settings, "user", key, http, database, clock, handlers(outbox, clock))
    notifications = _notifications(settings, key, http, database, clock)
    others = _others(settings, key, http, clock)
    local = settings.allows_local_streams
    outside = httpx.AsyncClient(transport=GuardedTransport(local=local), trust_env=False)
    uses = Uses(writer(database))

    async def stop() -> None:
        await http.aclose()
        await outside.aclose()

    authenticate = admitting(auth.authenticate, database, uses, clock)
    application = create_application(
        name="user",
        title="Orion user",
        settings=settings,
        database=database,
        components=Components(
            settings,
            database,
            clock,
            outbox,
            Cursors(settings.sealing_keys),
            authenticate,
            others,
            IdempotencyKeys(database, settings.sealing_keys, clock),
            activity.note,
        ),
        routes=ROUTES,
        shortcuts=shortcuts(),
        routers=[feed_routes(feed, authenticate, PREFIX)],
        background=[
            feed.wakeup.run,
            activity.run,
            partial(keep_partitions_ahead, database),
            partial(keep_pruned, database, policy),
            partial(keep_swept, database, clock),
            partial(keep_ended, database, outbox, clock),
            partial(keep_purged, database, outbox, clock),
            partial(keep_told, database, outbox, clock),
            notifications.run,
            uses.run,
            *auth.background,
            partial(keep_signed, database, settings.sealing_keys, clock),
            Courier(database, outside, settings.sealing_keys, clock, local=local).run,
        ],
        checks={**auth.checks, "schema": schema_check(database, service)},
        on_stop=stop,
    )
    _write_down_denials(application, database, clock)
    return application


def _write_down_denials(application: FastAPI, database: Database, clock: Clock) -> None:
    """Answer whoever may not as always, and have it stand in the audit trail."""
    denials = Denials()

    async def denied(request: Request, error: Exception) -> Response:
        assert isinstance(error, PermissionDeniedError)
        where = None if error.place.id is None else f"{error.place.scope.name} {error.place.id}"
        new = {"permission": error.permission, "where": where}
        attempt = Change("access.denied", "permission", error.permission, new=new)
        await denials.write(database, Actor.of(error.claims, request), attempt, clock())
        return problem_response(error, request.scope["orion.context"].request_id)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        exchange, whom = EXCHANGE.get(), error.user_id
        if exchange is not None and exchange.claims is not None:
            resource_id = None if whom is None else str(whom)
            attempt = Change("access.denied", "user", resource_id, user_id=whom, new=error.told)
            await denials.write(database, Actor.of(exchange.claims, request), attempt, clock())
        return problem_response(error, request.scope["orion.context"].request_id)

    async def lacking_scope(request: Request, error: Exception) -> Response:
        assert isinstance(error, InsufficientScopeError)
        attempt = Change("access.denied", "scope", error.scope, new={"scope": error.scope})
        await denials.write(database, Actor.of(error.claims, request), attempt, clock())
        return problem_response(error, request.scope["orion.context"].request_id)

    application.add_exception_handler(InsufficientScopeError, lacking_scope)
    application.add_exception_handler(PermissionDeniedError, denied)
    application.add_exception_handler(RefusedError, refused)


def _others(settings: UserSettings, key: str | Signing, http: httpx.AsyncClient, clock: Clock) -> OtherServices:
    bound = settings.dpop_required == "all"
    return OtherServices(http, settings.auth_url, settings.notifications_url, key, clock, bound=bound)


def _notifications(
    settings: UserSettings, key: str | Signing, http: httpx.AsyncClient, database: Database, clock: Clock
) -> Follower:
    """What follows notifications, for erasures and the audit trail. Metrics alone tell of it: nobody waits."""
    tokens = ServiceTokens(
        http, settings.auth_url, "user", key, clock, audience="notifications", bound=settings.dpop_required == "all"
    )
    url = f"{settings.notifications_url}/notifications/v1/events"
    client = FeedClient("notifications", url, tokens, http)
    return Follower(client, database, clock, handlers_of_notifications(clock))

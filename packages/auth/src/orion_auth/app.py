"""The only wiring of auth: settings, database, parts, routes."""

from datetime import timedelta
from functools import partial
from typing import Any

import httpx
from fastapi import APIRouter, Depends, FastAPI

from orion_auth import user_agents, visitors
from orion_auth.address_policy import make_policy
from orion_auth.admission import passkey_routes
from orion_auth.admission import routes as admission
from orion_auth.admission.unfinished import keep_unfinished_told
from orion_auth.anonymising import Networks
from orion_auth.components import Components, read_proof
from orion_auth.disavowals import routes as disavowals
from orion_auth.email_changes import routes as email_changes
from orion_auth.email_changes.actions import take_back as email_changes_taken_back
from orion_auth.erasures import routes as erasures
from orion_auth.events import handlers
from orion_auth.gate import Gate
from orion_auth.hashing import HashingLane
from orion_auth.imports import routes as imports
from orion_auth.invitations import routes as invitations
from orion_auth.key_desk import KeyDesk
from orion_auth.login_attempts import routes as login_attempts
from orion_auth.login_attempts import user_routes as own_sign_ins
from orion_auth.magic_links import routes as magic_links
from orion_auth.mailing import Mailing
from orion_auth.oauth2 import routes as oauth2
from orion_auth.oauth2.rules import SERVICES
from orion_auth.oauth_connections import routes as oauth_connections
from orion_auth.own_devices import routes as own_devices
from orion_auth.own_passkeys import routes as own_passkeys
from orion_auth.password_policy import PasswordPolicy
from orion_auth.passwords import routes as passwords
from orion_auth.passwords.breached import breached_passwords
from orion_auth.phone_numbers import routes as phone_numbers
from orion_auth.places import Places
from orion_auth.proofs import passkey_routes as passkey_proofs
from orion_auth.proofs import routes as proofs
from orion_auth.providers.actions import Providers
from orion_auth.providers.discovery import Directory
from orion_auth.providers.http import ProviderHttp
from orion_auth.rate_limits import routes as rate_limits
from orion_auth.recoveries import routes as recoveries
from orion_auth.recovery_contacts import routes as recovery_contacts
from orion_auth.refresh_tokens.actions import Rotations
from orion_auth.registrations import routes as registrations
from orion_auth.risk import routes as risk
from orion_auth.security_events import routes as security_events
from orion_auth.service import service
from orion_auth.sessions import routes as sessions
from orion_auth.sessions.blacklist import Blacklist
from orion_auth.sessions.idle import keep_idle_ended
from orion_auth.settings import AuthSettings
from orion_auth.signer import AccessTokenSigner, SigningKey
from orion_auth.signing_keys import actions as signing_keys
from orion_auth.signing_keys import routes as signing_key_routes
from orion_auth.signing_keys.actions import KeyPolicy
from orion_auth.social import routes as social
from orion_auth.social.accounts import take_back as linked_accounts_taken_back
from orion_auth.social.keeping import keep_linked_accounts
from orion_auth.successors import Successors
from orion_auth.suspensions import routes as suspensions
from orion_auth.two_factor import routes as two_factor
from orion_auth.two_factor.taking_back import take_back as second_factors_taken_back
from orion_auth.two_factor_methods import FactorPolicy, TwoFactorMethod
from orion_auth.user_feed import OwnTokens, UserFeed
from orion_auth.usernames import routes as usernames
from orion_auth.verifications import routes as verifications
from orion_contracts.api_keys import ApiKeyUsed
from orion_contracts.audit import AuthAuditRecorded
from orion_core.access_tokens import TokenVerifier, audience_of
from orion_core.api_key_uses import Uses, telling
from orion_core.api_keys import STAGES
from orion_core.clock import Clock, system_clock
from orion_core.database import Database
from orion_core.denied_attempts import DeniedAttempts
from orion_core.dpop import ProofReader
from orion_core.events.feed import Feed
from orion_core.events.outbox import Outbox
from orion_core.http.application import create_application, routes_of
from orion_core.http.authentication import Authenticator
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
from orion_core.settings import retention_policy
from orion_core.wakeup import Wakeup

EXPENSIVE = (("POST", "/auth/v1/identities"),)
"""What anybody may ask for, and what ends in a hash. A sign-in enters by itself, once it knows who it is."""


def _ways_in(*routers: APIRouter) -> APIRouter:
    """What may begin a session, which is bound to the key that the request proves."""
    ways = APIRouter(dependencies=[Depends(read_proof)])
    for router in routers:
        ways.include_router(router)
    return ways


SHORTCUTS = (oauth2.shortcut(), sessions.shortcut(), admission.shortcut())

ROUTES = routes_of(
    oauth2.router,  # first, since it is asked most, and routes are tried in their order
    registrations.router,
    verifications.router,
    passwords.router,
    _ways_in(admission.router, passkey_routes.router, magic_links.router, social.router),
    email_changes.router,
    usernames.router,
    phone_numbers.router,
    invitations.router,
    sessions.router,
    proofs.router,
    passkey_proofs.router,
    suspensions.router,
    erasures.router,
    imports.router,
    own_devices.router,
    own_passkeys.router,
    own_sign_ins.router,
    risk.router,
    disavowals.router,
    oauth2.metadata_router,
    oauth_connections.router,
    login_attempts.router,
    rate_limits.router,
    security_events.router,
    signing_key_routes.router,
    two_factor.router,
    recovery_contacts.router,
    recoveries.router,
)


def create_app() -> FastAPI:
    """The application as its settings in the environment say; what the server calls."""
    settings = AuthSettings.load()
    configure_logs(settings, "auth")
    return build(settings)


def build(settings: AuthSettings, clock: Clock = system_clock, to_user: httpx.AsyncClient | None = None) -> FastAPI:
    """The application for these settings, which reaches user through `to_user` and closes it at the end."""
    policy = retention_policy(service, settings.retention)
    user_agents.warm()
    url = settings.database_url
    database = Database.connect(url, role=service_role("auth"), application="orion auth", pool_size=settings.pool_size)
    wakeup = Wakeup(url, "outbox")
    to_user = to_user or httpx.AsyncClient()
    components = _components(settings, clock, database, Feed(database, wakeup, "auth"), to_user)
    user_feed = components.keys.feed

    async def signing_key_fault() -> str | None:
        return components.signer.fault

    async def stop() -> None:
        await to_user.aclose()
        components.lane.close()
        components.gate.places.close()
        await components.providers.close()
        if components.password_policy.breached is not None:
            await components.password_policy.breached.close()

    application = create_application(
        name="auth",
        title="Orion auth",
        settings=settings,
        database=database,
        components=components,
        routes=ROUTES,
        shortcuts=SHORTCUTS,
        routers=[feed_routes(components.feed, components.authenticate, "/auth/v1")],
        background=[
            wakeup.run,
            components.signer.run,
            user_feed.follower.run,
            partial(keep_idle_ended, database, components.outbox),
            partial(keep_unfinished_told, components.gate),
            partial(keep_linked_accounts, social.bridge_of(components), clock),
            partial(keep_partitions_ahead, database),
            partial(keep_pruned, database, policy),
            components.keys.uses.run,
        ],
        checks={
            "signing_key": signing_key_fault,
            "user feed": user_feed.fault,
            "schema": schema_check(database, service),
        },
        on_stop=stop,
        expensive=EXPENSIVE,
    )
    return components.guard.denied.write_down_scopes(application)


def _components(
    settings: AuthSettings, clock: Clock, database: Database, feed: Feed, to_user: httpx.AsyncClient
) -> Components:
    key_policy = KeyPolicy(settings.sealing_keys, settings.signing_algorithm, timedelta(days=settings.signing_key_days))

    async def load_key() -> SigningKey:
        return await signing_keys.tend(database, key_policy, clock())

    async def public_keys() -> dict[str, Any]:
        return await signing_keys.public_keys(database)

    outbox = Outbox(feed)
    mailing = Mailing(outbox, settings.sealing_keys, settings.event_sealing_keys, settings.link_prefix)
    signer = AccessTokenSigner(load_key, settings.issuer)
    http = ProviderHttp(local=settings.allows_local_providers, seconds=settings.provider_timeout)
    verifier = TokenVerifier(public_keys, settings.issuer, audience_of("auth"), clock)
    of_all = TokenVerifier(public_keys, settings.issuer, audience_of("auth"), clock, *map(audience_of, SERVICES))
    proofs = ProofReader(settings.public_urls)
    stage = STAGES[settings.environment]
    bound_only = settings.dpop_required == "all"
    followed = handlers(outbox, stage, clock)
    own_tokens = OwnTokens(signer, clock, bound=bound_only)
    user_feed = UserFeed(settings.user_url, to_user, own_tokens, database, clock, followed)
    rights = RightsClient(to_user, settings.user_url, own_tokens)
    return Components(
        settings=settings,
        database=database,
        clock=clock,
        feed=feed,
        outbox=outbox,
        mailing=mailing,
        lane=HashingLane(settings.threads_to_hash, settings.hashing_patience_ms / 1000),
        address_policy=make_policy(settings.refused_domains, requires_mx=settings.requires_mx),
        password_policy=_password_policy(settings),
        signer=signer,
        gate=Gate(
            database,
            outbox,
            signer,
            mailing,
            _factor_policy(settings),
            settings.session_policy,
            settings.product_name,
            Places(settings.places_database),
            Networks.read(settings.anonymising_networks),
        ),
        visitors=visitors.make(database),
        rotations=Rotations.make(database, Successors(settings.sealing_keys), clock),
        providers=Providers(http, Directory(http, clock)),
        relying_party=settings.relying_party,
        authenticate=Authenticator(verifier, Blacklist(database, clock), proofs, clock, bound_only=bound_only),
        examine_any=Authenticator(of_all, Blacklist(database, clock), proofs, clock, bound_only=bound_only).examine,
        proofs=proofs,
        idempotency=IdempotencyKeys(database, settings.sealing_keys, clock),
        cursors=Cursors(settings.sealing_keys),
        binds_all=bound_only,
        guard=Guard(Decider(rights.refresh), DeniedAttempts(database, AuthAuditRecorded, clock), clock),
        keys=KeyDesk(stage, user_feed, Uses(telling(database, outbox, ApiKeyUsed, clock))),
        taken_back=(second_factors_taken_back, linked_accounts_taken_back, email_changes_taken_back),
    )


def _password_policy(settings: AuthSettings) -> PasswordPolicy:
    breached = breached_passwords(settings.breached_passwords)
    return PasswordPolicy(settings.password_minimum_score, settings.product_name, breached)


def _factor_policy(settings: AuthSettings) -> FactorPolicy:
    # Where no page may use passkeys, nobody can be asked to show a key.
    keys = frozenset[TwoFactorMethod]() if settings.relying_party else frozenset({TwoFactorMethod.HARDWARE_KEY})
    return FactorPolicy(
        settings.second_factors - keys,
        is_required=settings.two_factor_required == "all",
        totp_drift=settings.totp_drift,
        recovers_by_email=settings.recovery_by_email,
    )

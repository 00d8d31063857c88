"""How auth describes itself to the tools that migrate, seed, start and document it."""

from pathlib import Path

from orion_auth.api_keys import tables as api_keys
from orion_auth.base import Table
from orion_auth.devices import tables as devices
from orion_auth.disavowals import tables as disavowals
from orion_auth.dpop import tables as dpop
from orion_auth.email_changes import tables as email_changes
from orion_auth.erasures import tables as erasures
from orion_auth.identities import tables as identities
from orion_auth.invitations import tables as invitations
from orion_auth.login_attempts import tables as login_attempts
from orion_auth.oauth_connections import tables as oauth_connections
from orion_auth.passkeys import tables as passkeys
from orion_auth.passwords import tables as passwords
from orion_auth.rate_limits import tables as rate_limits
from orion_auth.recoveries import tables as recoveries
from orion_auth.risk import tables as risk
from orion_auth.security_events import tables as security_events
from orion_auth.sessions import tables as sessions
from orion_auth.signing_keys import tables as signing_keys
from orion_auth.social import tables as social
from orion_auth.tokens import tables as tokens
from orion_auth.two_factor import tables as two_factor
from orion_core.imports import deferred
from orion_core.service import Commands, Service

# Importing a slice's tables declares them in the metadata.
SLICES = (
    api_keys,
    devices,
    disavowals,
    dpop,
    email_changes,
    erasures,
    identities,
    invitations,
    login_attempts,
    oauth_connections,
    passkeys,
    passwords,
    rate_limits,
    recoveries,
    risk,
    security_events,
    sessions,
    signing_keys,
    social,
    tokens,
    two_factor,
)

service = Service(
    name="auth",
    title="Orion auth",
    database="orion_auth",
    url_variable="AUTH_DATABASE_URL",
    port=7101,
    metadata=Table.metadata,
    migrations=Path(__file__).parent / "migrations",
    seed=deferred("orion_auth.seeds:seed"),
    demo="orion_auth.seeds.demo:DEMO",
    package=Path(__file__).parents[2],
    application="orion_auth.app:create_app",
    settings="orion_auth.settings:AuthSettings",
    old_keys_open="backup codes that users have printed",
    commands={
        "auth": Commands(
            "orion_auth.commands:commands",
            "Look after accounts and what guards them: unlock, end sessions, reset factors, import users, rotate keys, "
            "simulate risk, prune.",
        )
    },
)

"""What the tools need to know of this service."""

from pathlib import Path

from orion_core.imports import deferred
from orion_core.service import Commands, Service
from orion_user.access import tables as access
from orion_user.api_keys import tables as api_keys
from orion_user.assignments import tables as assignments
from orion_user.audit import tables as audit
from orion_user.audit_streams import tables as audit_streams
from orion_user.base import Table
from orion_user.elevations import tables as elevations
from orion_user.erasures import tables as erasures
from orion_user.imports import tables as imports
from orion_user.organizations import tables as organizations
from orion_user.permissions import tables as permissions
from orion_user.preferences import tables as preferences
from orion_user.roles import tables as roles
from orion_user.separation import tables as separation
from orion_user.sessions import tables as sessions
from orion_user.users import tables as users

# Importing a slice's tables declares them in the metadata.
SLICES = (
    access,
    api_keys,
    assignments,
    audit,
    audit_streams,
    elevations,
    erasures,
    imports,
    organizations,
    permissions,
    preferences,
    roles,
    separation,
    sessions,
    users,
)

service = Service(
    name="user",
    title="Orion user",
    database="orion_users",
    url_variable="USER_DATABASE_URL",
    port=7102,
    metadata=Table.metadata,
    migrations=Path(__file__).parent / "migrations",
    seed=deferred("orion_user.seeds:seed"),
    demo="orion_user.seeds.demo:DEMO",
    package=Path(__file__).parents[2],
    application="orion_user.app:create_app",
    settings="orion_user.settings:UserSettings",
    commands={
        "user": Commands(
            "orion_user.commands:commands",
            "Bring over the users of another system; tell the other services again what users have chosen.",
        ),
        "audit": Commands(
            "orion_user.audit_commands:commands",
            "The audit trail: verify it where it stands or in a file, write it out with its proof, show its head.",
        ),
    },
)

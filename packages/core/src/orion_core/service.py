"""How a service describes itself to the tools that migrate, seed, start and document it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.seeds import Profile, SeedReport

ENTRY_POINT_GROUP = "orion.services"

Seed = Callable[[AsyncConnection, Profile], Awaitable[SeedReport]]


@dataclass(frozen=True)
class Commands:
    """Where a command of `orion` is, or an application of several, and what it is for: listed without its import."""

    where: str
    """`module:attribute` of a function, or of a Typer application."""
    summary: str
    """What `orion --help` says of it."""


@dataclass(frozen=True)
class Service:
    """One service: its names, its database and where its parts are.

    What serves, works and commands is named by import strings (`orion_core.imports`), so that a tool reads the
    description without importing any of it.
    """

    name: str
    """The word used in commands and paths: `auth`, `user`, `notifications`."""
    title: str
    database: str
    """Default database name, as in the seed document: `orion_auth`."""
    url_variable: str
    """Environment variable with the URL the service itself connects with."""
    port: int
    metadata: MetaData
    """Every table of the service; the one source for migrations, generated documents and drift checks."""
    migrations: Path
    """Folder of revision files `NNNN_name.py`."""
    seed: Seed
    package: Path
    """Root of the service's distribution in the source tree (`packages/auth`); generated files are written below it."""
    application: str
    """`module:factory` of a function without arguments that returns the ASGI application."""
    settings: str
    """`module:class` of the `Settings` that the application reads."""
    worker: str | None = None
    """`module:function` of what works in the background, if anything does: `async def run(stop, host, port)`.

    It works until the event `stop`, and serves its health at `host` and `port`.
    """
    worker_port: int | None = None
    commands: Mapping[str, Commands] = field(default_factory=dict[str, Commands], hash=False)
    """What operators do to this service, by the word they call it with: its name, or that of a part (`audit`)."""
    old_keys_open: str | None = None
    """What is kept only by its HMAC, or was given away sealed, in words: no `orion keys rotate` brings that under a new
    key, so old ones stay in the keyring. None: of what lasts there is nothing of the kind."""
    demo: str | None = None
    """`module:attribute`, a `Demo`: how `orion db seed demo` makes users; None: the service has no such data."""

    @property
    def owner_url_variable(self) -> str:
        """Environment variable with the URL that `orion db` connects with; falls back to `url_variable`."""
        return self.url_variable.removesuffix("_URL") + "_OWNER_URL"

    @property
    def sealing_variable(self) -> str:
        """Environment variable with the keyring that seals this service's fields: `AUTH_SEALING_KEYS`."""
        return self.url_variable.removesuffix("_DATABASE_URL") + "_SEALING_KEYS"

    @property
    def retention_variable(self) -> str:
        """Environment variable that says how long tables keep their rows: `AUTH_RETENTION`."""
        return self.url_variable.removesuffix("_DATABASE_URL") + "_RETENTION"

    @property
    def owner_role(self) -> str:
        """The role that owns the database and everything in it; migrations run as it."""
        return f"orion_{self.name}_owner"

    @property
    def service_role(self) -> str:
        """The role that the running service acts as: reads and writes rows, owns nothing, changes no schema."""
        return service_role(self.name)


def service_role(name: str) -> str:
    """Name of the least-privilege role of the service called `name`."""
    return f"orion_{name}_service"


def installed_services() -> dict[str, Service]:
    """All services installed in this environment, by name, in the order auth, notifications, user."""
    found = (entry.load() for entry in entry_points(group=ENTRY_POINT_GROUP))
    return {service.name: service for service in sorted(found, key=lambda service: service.name)}

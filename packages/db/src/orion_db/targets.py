"""Which databases a command is about: the installed services and the URLs that the environment gives them."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from orion_core.service import Service, installed_services
from orion_db.errors import Exit, Problem

ENVIRONMENT_VARIABLE = "ORION_ENV"
PRODUCTION = "production"


@dataclass(frozen=True)
class Target:
    """One service's database: as the service connects to it, and as the tool does."""

    service: Service
    url: str = field(repr=False)
    """What the service connects with; `init` creates its login when there is none."""
    owner_url: str = field(repr=False)
    """What the tool connects with: a member of the owner role; `init` wants one that may create databases and roles."""

    @property
    def database(self) -> str:
        return _parsed(self.owner_url, self.service.owner_url_variable).database or self.service.database

    @property
    def login(self) -> str:
        """The role that the tool signs in as."""
        return _parsed(self.owner_url, self.service.owner_url_variable).username or ""

    @property
    def service_login(self) -> str:
        return _parsed(self.url, self.service.url_variable).username or ""

    @property
    def service_password(self) -> str | None:
        password = _parsed(self.url, self.service.url_variable).password
        return None if password is None else str(password)

    def address(self) -> str:
        """Where the server is, for messages: `localhost:5432`, without login and password."""
        return address(self.owner_url)


def address(url: str) -> str:
    """Host and port of a URL."""
    parsed = make_url(url)
    host = parsed.host or parsed.query.get("host") or "localhost"
    return f"{host}:{parsed.port or 5432}"


def read_environment(start: Path | None = None) -> dict[str, str]:
    """The process's environment over the `.env` file nearest to `start` (default: the current directory) and above it.

    Outside of any project the `.env` of the source tree that the services are installed from is read, so that
    scripts/db-migrate.sh works from any directory.
    """
    file = _nearest(Path(".env"), (start or Path.cwd()).absolute())
    try:
        found = dotenv_values(file) if file else {}
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "It is not text in UTF-8."
        raise Problem("env_unreadable", Exit.USAGE, f"{file} cannot be read.", why or "", "Correct it.") from None
    return {name: value for name, value in found.items() if value is not None} | dict(os.environ)


def select_services(names: Sequence[str], directory: Path | None = None) -> list[Service]:
    """The services meant by the words of a command; none and `all` mean every installed one.

    Without a word inside `packages/<service>`, that service is meant, as in the seed document's manual workflow.
    Raises Problem `unknown_service`.
    """
    installed = installed_services()
    if not installed:
        raise Problem(
            "no_services",
            Exit.USAGE,
            "No Orion service is installed here.",
            "`orion db` finds services by the entry point group orion.services.",
            "Run `make` in the repository, or install orion-auth, orion-user or orion-notifications.",
        )
    unknown = [name for name in names if name != "all" and name not in installed]
    if unknown:
        raise Problem(
            "unknown_service",
            Exit.USAGE,
            f"There is no service called {unknown[0]!r}.",
            f"Installed are: {', '.join(installed)}.",
            "Name one of these, several, or `all`.",
        )
    if not names:
        here = (directory or Path.cwd()).absolute()
        return [service for service in installed.values() if here.is_relative_to(service.package)] or [
            *installed.values()
        ]
    return [service for name, service in installed.items() if "all" in names or name in names]


def read_targets(
    services: Sequence[Service], environment: Mapping[str, str], local: Mapping[str, str] | None = None
) -> list[Target]:
    """The databases of the services; those that the environment does not name are looked for in `local`.

    Raises Problem `url_missing`, `url_unreadable` or `urls_disagree`, naming the variable.
    """
    return [_target(service, environment, local or {}) for service in services]


def read_up_state(start: Path | None = None) -> dict[str, str]:
    """The URLs of the local server that `orion up` has started for this directory or one above; empty when none has."""
    file = _nearest(Path(".orion") / "up.json", (start or Path.cwd()).absolute())
    if file is None:
        return {}
    try:
        found: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # gone or being written at this moment
        return {}
    return found.get("environment", {})


def is_production(environment: Mapping[str, str]) -> bool:
    """Whether ORION_ENV says that this is production."""
    return environment.get(ENVIRONMENT_VARIABLE, "").strip().lower() == PRODUCTION


def _target(service: Service, environment: Mapping[str, str], local: Mapping[str, str]) -> Target:
    if not environment.get(service.url_variable, "").strip():
        environment = local  # all or nothing: the login of one server is none on another
    url = environment.get(service.url_variable, "").strip()
    owner_url = environment.get(service.owner_url_variable, "").strip() or url
    if not url:
        raise Problem(
            "url_missing",
            Exit.USAGE,
            f"{service.url_variable} is not set, so the {service.name} database is unknown.",
            "Neither the environment nor a .env file has it, and no `orion up` is running here.",
            f'Set it, as in {service.url_variable}="postgresql://user:password@localhost:5432/{service.database}", '
            "or run `make up` for a local server.",
        )
    named, owned = _parsed(url, service.url_variable), _parsed(owner_url, service.owner_url_variable)
    if named.database and owned.database and named.database != owned.database:
        raise Problem(
            "urls_disagree",
            Exit.USAGE,
            f"{service.url_variable} and {service.owner_url_variable} name different databases.",
            f"They say {named.database!r} and {owned.database!r}.",
            "Make both end in the same name.",
        )
    return Target(service, url, owner_url)


def _parsed(url: str, variable: str) -> URL:
    """The parts of a URL. The message quotes none of it: what cannot be read may be a password."""
    example = 'an example is "postgresql://user:password@localhost:5432/name"'
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise Problem(
            "url_unreadable", Exit.USAGE, f"{variable} is not a URL.", "", f"Correct it; {example}."
        ) from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise Problem(
            "url_unreadable",
            Exit.USAGE,
            f"{variable} is not a PostgreSQL URL: it begins with {parsed.drivername}://.",
            "Orion keeps its data in PostgreSQL.",
            f"Correct it; {example}.",
        )
    return parsed


def _nearest(name: Path, start: Path) -> Path | None:
    """The file in `start` or above, else in the source tree that the services are installed from."""
    source_trees = [service.package.parents[1] for service in installed_services().values()]
    folders = [start, *start.parents, *source_trees]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)

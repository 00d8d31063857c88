"""What the processes of `orion up` are told by their environment: the user's own values, ours where he has none."""

import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

import orjson
from dotenv import dotenv_values

from orion_cli.project import write_private
from orion_core.local.ports import LOOPBACK
from orion_core.sealing import Keyring
from orion_core.secrets import new_secret
from orion_core.service import Service

Make = Callable[[], str]

ISSUER = "auth"
"""The service that knows the others by the hashes of their keys."""

OPERATOR_KEY = "AUTH_OPERATOR_KEY"
"""What whoever runs Orion shows to auth, as the client `operator`, to administer accounts."""


def generated_variables(services: Sequence[Service]) -> dict[str, Make]:
    """What every installation needs and nobody should have to invent, with how it is made."""
    # Auth seals what it tells notifications in events, so the two share one of these; user and notifications the other.
    made: dict[str, Make] = {"EVENT_SEALING_KEYS": _new_key, "USER_EVENT_SEALING_KEYS": _new_key}
    for service in services:
        made[service.sealing_variable] = _new_key
        made[password_variable(service)] = new_secret
        if service.name != ISSUER:
            made[_prefix(service) + "_SERVICE_KEY"] = new_secret
        else:
            made[OPERATOR_KEY] = new_secret
    return made


def _new_key() -> str:
    """A sealing key under an id of its own, so that another installation's key is told from a damaged seal."""
    return Keyring.new_key(f"local-{token_hex(4)}")


def password_variable(service: Service) -> str:
    """Where the password of the service's login on the embedded server is kept."""
    return _prefix(service) + "_DATABASE_PASSWORD"


def read_environment(directory: Path) -> dict[str, str]:
    """The process's environment over the project's `.env`."""
    return _read(directory / ".env") | dict(os.environ)


def read_secrets(file: Path) -> dict[str, str]:
    """The generated variables that `file` keeps."""
    return _read(file)


def ensure_secrets(file: Path, services: Sequence[Service], environment: Mapping[str, str]) -> dict[str, str]:
    """The generated variables: those in `file`, and new ones for what neither it nor the environment has."""
    kept = read_secrets(file)
    missing = {
        variable: make()
        for variable, make in generated_variables(services).items()
        if variable not in kept and variable not in environment
    }
    if missing:
        lines = [f"{name}={value}" for name, value in (kept | missing).items()]
        header = "# Made by `orion up` for this machine. Losing it loses what it sealed; nobody else may read it."
        write_private(file, "\n".join([header, *lines, ""]).encode())
    return kept | missing


def service_key_hashes(services: Sequence[Service], environment: Mapping[str, str]) -> dict[str, str]:
    """`AUTH_SERVICE_KEY_HASHES`: by what auth recognizes the services that call it."""
    keys = {service.name: environment.get(_prefix(service) + "_SERVICE_KEY") for service in services}
    keys["operator"] = environment.get(OPERATOR_KEY)
    hashes = {name: sha256(key.encode()).hexdigest() for name, key in keys.items() if key}
    return {"AUTH_SERVICE_KEY_HASHES": orjson.dumps(hashes).decode()}


def without_url(services: Sequence[Service], environment: Mapping[str, str]) -> list[Service]:
    """The services whose database nobody has named: they get one on the embedded server."""
    return [service for service in services if not environment.get(service.url_variable, "").strip()]


def addresses(services: Sequence[Service], ports: Mapping[str, int]) -> dict[str, str]:
    """Base URL of everything that speaks HTTP."""
    names = [*(service.name for service in services), "mailbox"]
    return {name: f"http://{LOOPBACK}:{ports[name]}" for name in names}


def address_variables(services: Sequence[Service], ports: Mapping[str, int]) -> dict[str, str]:
    """`AUTH_URL` and so on: where the services find each other. What we start listens where we say."""
    urls = addresses(services, ports)
    return {_prefix(service) + "_URL": urls[service.name] for service in services}


def defaults(ports: Mapping[str, int]) -> dict[str, str]:
    """What holds unless the user's environment says otherwise."""
    auth = f"http://{LOOPBACK}:{ports[ISSUER]}" if ISSUER in ports else ""
    of_auth = {"AUTH_ISSUER": auth, "NOTIFICATION_APP_URL": auth} if auth else {}
    own = f"http://{LOOPBACK}:{ports['notifications']}" if "notifications" in ports else ""
    of_notifications = {"NOTIFICATION_PUBLIC_URL": own} if own else {}
    of_mailbox = {
        "NOTIFICATION_SMTP_HOST": LOOPBACK,
        "NOTIFICATION_SMTP_PORT": str(ports["smtp"]),
        "NOTIFICATION_SMS_URL": f"http://{LOOPBACK}:{ports['mailbox']}/sms",
        "NOTIFICATION_SINK_URL": f"http://{LOOPBACK}:{ports['mailbox']}",
    }
    return of_auth | of_notifications | of_mailbox


def _prefix(service: Service) -> str:
    return service.url_variable.removesuffix("_DATABASE_URL")


def _read(file: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(file).items() if value is not None}

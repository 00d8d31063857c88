"""`orion api`: the documents of what Orion speaks: OpenAPI of each service, AsyncAPI of the events."""

import os
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from orion_cli.services import find_service, service_names
from orion_contracts.cloud_event import BATCH_MEDIA_TYPE
from orion_contracts.event import Event
from orion_contracts.events import EVENTS
from orion_core.imports import load
from orion_core.sealing import Keyring
from orion_core.service import Service

STALE = 1

FOLDER = Path("docs/api")

DESCRIPTION = (
    "What the services tell each other. Each serves its events in order, as CloudEvents batches with long poll; "
    "the header Orion-Next-Position says where to read on."
)


def api(
    directory: Annotated[Path, typer.Option(exists=True, file_okay=False, help="The source tree.")] = Path(),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; end with 1 when a document is stale.")] = False,
) -> None:
    """Write docs/api: what each service answers (OpenAPI 3.1) and what they tell each other (AsyncAPI 3.0)."""
    documents = {f"{name}.openapi.json": _openapi(find_service(name)) for name in service_names()}
    documents["events.asyncapi.json"] = asyncapi()
    stale = False
    for name, document in documents.items():
        path = directory / FOLDER / name
        content = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        if path.exists() and path.read_bytes() == content:
            typer.echo(f"{path} is up to date")
        elif check:
            stale = True
            typer.secho(f"{path} is stale; run: make generate", fg="red", err=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            typer.echo(f"{path} written")
    if stale:
        raise typer.Exit(STALE)


def _openapi(service: Service) -> dict[str, Any]:
    """What the application serves. Nothing is connected to; the settings only have to be well-formed."""
    os.environ.update(_settings(service))
    application: Any = load(service.application)()
    return application.openapi()


def _settings(service: Service) -> dict[str, str]:
    prefix = service.url_variable.removesuffix("_DATABASE_URL")
    return {
        "ORION_LOG_LEVEL": "error",
        service.url_variable: f"postgresql://localhost/{service.database}",
        service.sealing_variable: Keyring.example(),
        "EVENT_SEALING_KEYS": Keyring.example(),
        "USER_EVENT_SEALING_KEYS": Keyring.example(),
        f"{prefix}_SERVICE_KEY": "none",
        "AUTH_SERVICE_KEY_HASHES": orjson.dumps({"none": sha256(b"none").hexdigest()}).decode(),
    }


def asyncapi() -> dict[str, Any]:
    """Every event, in the channel of the service that tells it: the feed at `/<service>/v1/events`."""
    producers = sorted({_producer(event) for event in EVENTS.values()})
    messages = {_name(event): _message(event) for event in EVENTS.values()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Orion events", "version": version("orion-contracts"), "description": DESCRIPTION},
        "defaultContentType": BATCH_MEDIA_TYPE,
        "channels": {producer: _channel(producer) for producer in producers},
        "operations": {
            f"follow_{producer}": {"action": "receive", "channel": {"$ref": f"#/channels/{producer}"}}
            for producer in producers
        },
        "components": {"messages": messages},
    }


def _channel(producer: str) -> dict[str, Any]:
    names = [_name(event) for event in EVENTS.values() if _producer(event) == producer]
    return {
        "address": f"/{producer}/v1/events",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.type,
        "summary": (event.__doc__ or "").strip().partition("\n")[0],
        "payload": event.model_json_schema(),
    }


def _name(event: type[Event]) -> str:
    return event.__name__


def _producer(event: type[Event]) -> str:
    return event.type.split(".")[1]

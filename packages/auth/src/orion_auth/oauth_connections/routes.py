"""Configuring providers, over HTTP. For administrators."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from orion_auth.components import Claims, Configurer, Reader, Wired
from orion_auth.oauth_connections import actions
from orion_auth.oauth_connections.actions import Configuration
from orion_auth.oauth_connections.shapes import (
    Connection,
    ConnectionChanges,
    Connections,
    Discovered,
    NewConnection,
)
from orion_core.http.etags import etag, require_match
from orion_core.http.openapi import refusals
from orion_core.rights.caller import caller

router = APIRouter(prefix="/auth/v1", tags=["social login"])

Name = Annotated[str, Path(max_length=50, description="The connection's name.")]


async def _configuration(wired: Wired, claims: Claims) -> Configuration:
    settings = wired.settings
    return Configuration(
        wired.database,
        settings.sealing_keys,
        settings.link_prefix,
        local=settings.allows_local_providers,
        by_operator=caller(claims).holds_everything,
    )


Configured = Annotated[Configuration, Depends(_configuration)]

_CHANGING = refusals(HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)


@router.get("/oauth-connections")
async def list_connections(_: Reader, configuration: Configured) -> Connections:
    """All configured providers."""
    return Connections(items=await actions.list_all(configuration))


@router.post("/oauth-connections", status_code=HTTPStatus.CREATED, responses=refusals(HTTPStatus.CONFLICT))
async def create_connection(
    body: NewConnection, _: Configurer, configuration: Configured, wired: Wired, response: Response
) -> Connection:
    """Configure a provider, from a preset or by its issuer; with `auto_link_domains` the operator alone."""
    said = body.model_dump(exclude_unset=True, exclude={"name", "preset"})
    created = await actions.create(configuration, body.name, body.preset, said, wired.clock())
    response.headers["ETag"] = etag(created)
    response.headers["Location"] = f"/auth/v1/oauth-connections/{created.name}"
    return created


@router.get("/oauth-connections/{name}", responses=refusals(HTTPStatus.NOT_FOUND))
async def read_connection(name: Name, _: Reader, configuration: Configured, response: Response) -> Connection:
    """One configured provider; its secret is not among what is shown."""
    found = await actions.read(configuration, name)
    response.headers["ETag"] = etag(found)
    return found


@router.patch("/oauth-connections/{name}", responses=_CHANGING | refusals(HTTPStatus.CONFLICT))
async def change_connection(
    name: Name,
    body: ConnectionChanges,
    _: Configurer,
    configuration: Configured,
    wired: Wired,
    request: Request,
    response: Response,
) -> Connection:
    """Change a provider. `If-Match` with the ETag that was read is required.

    While accounts are linked through it nobody else comes to say whose they are (409); a change by which the secret
    would be sent to another host says it again (422). One with `auto_link_domains` the operator alone changes, but
    that anybody may switch it off.
    """
    said = body.model_dump(exclude_unset=True)
    changed = await actions.change(configuration, name, said, partial(require_match, request), wired.clock())
    response.headers["ETag"] = etag(changed)
    return changed


@router.delete(
    "/oauth-connections/{name}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=_CHANGING | refusals(HTTPStatus.CONFLICT),
)
async def remove_connection(
    name: Name, _: Configurer, configuration: Configured, wired: Wired, request: Request
) -> None:
    """Delete a provider that nobody is linked through. `If-Match` is required."""
    await actions.remove(configuration, name, partial(require_match, request), wired.clock())


@router.get("/oauth-connections/{name}/discovery", responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY))
async def discover(name: Name, _: Configurer, configuration: Configured, wired: Wired) -> Discovered:
    """Ask the provider now for its endpoints and keys, to see whether the configuration is right."""
    return await actions.discover(configuration, wired.providers, name)

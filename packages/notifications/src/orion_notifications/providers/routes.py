"""`/providers`: by whom messages are carried; for who may `provider:read` and `provider:configure`."""

from functools import partial
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from orion_core.http.etags import require_match
from orion_core.http.openapi import refusals
from orion_notifications import provider_settings
from orion_notifications.components import Claims, Wired
from orion_notifications.providers import actions
from orion_notifications.providers.actions import Office
from orion_notifications.providers.shapes import (
    AccountChanges,
    Accounts,
    AccountShape,
    NewAccount,
    Providers,
    ProviderShape,
    account_etag,
)

router = APIRouter(prefix="/providers", tags=["providers"])

READING, CONFIGURING = "provider:read", "provider:configure"
FORBIDDEN = refusals(HTTPStatus.FORBIDDEN)
ONE = FORBIDDEN | refusals(HTTPStatus.NOT_FOUND)
CHANGING = ONE | refusals(HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)


def _let_in(permission: str) -> object:
    async def office(wired: Wired, claims: Claims) -> Office:
        await wired.require(claims, permission)
        return Office(wired.database, wired.desk.keyring, wired.clock(), wired.providers_bell)

    return Depends(office)


Reader = Annotated[Office, _let_in(READING)]
Configurer = Annotated[Office, _let_in(CONFIGURING)]


@router.get("", responses=FORBIDDEN)
async def list_accounts(office: Reader) -> Accounts:
    """All accounts with providers, and how they are doing."""
    return Accounts(items=await actions.list_all(office))


@router.get("/kinds", responses=FORBIDDEN)
async def list_kinds(office: Reader) -> Providers:
    """All providers that there can be accounts with, and what each of them asks for."""
    kinds = [
        ProviderShape.model_validate(
            {"channel": channel.name, "provider": provider, "settings_schema": shape.model_json_schema()}
        )
        for (channel, provider), shape in provider_settings.SETTINGS.items()
    ]
    return Providers(items=kinds)


@router.post("", status_code=HTTPStatus.CREATED, responses=FORBIDDEN | refusals(HTTPStatus.CONFLICT))
async def create_account(body: NewAccount, office: Configurer, response: Response) -> AccountShape:
    """Set up an account. From then on it carries its share of the channel; a second one of its name is refused."""
    made = await actions.create(office, body)
    response.headers["Location"] = f"/notifications/v1/providers/{made.id}"
    response.headers["ETag"] = account_etag(made)
    return made


@router.get("/{account_id}", responses=ONE)
async def read_account(account_id: UUID, office: Reader, response: Response) -> AccountShape:
    """An account, without its secrets."""
    found = await actions.read(office, account_id)
    response.headers["ETag"] = account_etag(found)
    return found


@router.patch("/{account_id}", responses=CHANGING)
async def change_account(
    account_id: UUID, body: AccountChanges, office: Configurer, request: Request, response: Response
) -> AccountShape:
    """Change an account, or switch it off and on. `If-Match` with the ETag that was read is required."""
    changed = await actions.change(office, account_id, body, partial(require_match, request))
    response.headers["ETag"] = account_etag(changed)
    return changed


@router.delete("/{account_id}", status_code=HTTPStatus.NO_CONTENT, responses=CHANGING)
async def remove_account(account_id: UUID, office: Configurer, request: Request) -> None:
    """End an account. `If-Match` is required."""
    await actions.remove(office, account_id, partial(require_match, request))

"""`/callbacks/{account_id}`: what providers tell of messages. They sign it; nobody signs in."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request

from orion_core.http.openapi import refusals
from orion_notifications.callbacks import actions
from orion_notifications.callbacks.actions import Clerk
from orion_notifications.callbacks.rules import Posted
from orion_notifications.components import Wired

router = APIRouter(prefix="/callbacks", tags=["call-backs"])

REFUSALS = refusals(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
BODY = {"required": True, "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}


@router.post(
    "/{account_id}", status_code=HTTPStatus.NO_CONTENT, responses=REFUSALS, openapi_extra={"requestBody": BODY}
)
async def take_callback(account_id: UUID, request: Request, wired: Wired) -> None:
    """Take down what the provider of an account tells; the form is the provider's own, and so is the signature."""
    path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    posted = Posted(
        await request.body(), dict(request.headers.items()), f"{path}?{query}" if query else path, wired.clock()
    )
    clerk = Clerk(wired.database, wired.desk.keyring, wired.certificates, wired.clock())
    await actions.take(clerk, account_id, posted)

"""`/me/push-subscriptions`: the browsers and devices that the user who asks may be called by."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from orion_core.errors import not_found
from orion_core.http.authentication import user_id
from orion_core.http.openapi import refusals
from orion_notifications.components import Claims, Wired
from orion_notifications.providers import actions as providers
from orion_notifications.push import actions
from orion_notifications.push.shapes import NewSubscription, PublicKey, Subscriptions, SubscriptionShape

router = APIRouter(prefix="/me/push-subscriptions", tags=["my push subscriptions"])


@router.get("")
async def list_subscriptions(wired: Wired, claims: Claims) -> Subscriptions:
    """My browsers and devices that may be called."""
    return Subscriptions(items=await actions.list_all(wired.database, user_id(claims)))


@router.get("/public-key", responses=refusals(HTTPStatus.NOT_FOUND))
async def read_public_key(wired: Wired, claims: Claims) -> PublicKey:
    """What a browser subscribes with; 404 while nobody has set up an account for Web Push."""
    user_id(claims)
    key = await providers.web_push_key(wired.database, wired.desk.keyring)
    if key is None:
        raise not_found("account for Web Push")
    return PublicKey(public_key=key)


@router.post("", status_code=HTTPStatus.CREATED, responses=refusals(HTTPStatus.CONFLICT))
async def subscribe(body: NewSubscription, wired: Wired, claims: Claims, response: Response) -> SubscriptionShape:
    """Let a browser or device be called. Sent again, also by somebody else who has signed in there, it is replaced."""
    made = await actions.subscribe(
        wired.database, wired.desk.keyring, user_id(claims), body, wired.clock(), local=wired.allows_local_targets
    )
    response.headers["Location"] = f"/notifications/v1/me/push-subscriptions/{made.id}"
    return made


@router.delete("/{subscription_id}", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.NOT_FOUND))
async def unsubscribe(subscription_id: UUID, wired: Wired, claims: Claims) -> None:
    """Call one of my browsers or devices no more."""
    await actions.unsubscribe(wired.database, user_id(claims), subscription_id, wired.clock())

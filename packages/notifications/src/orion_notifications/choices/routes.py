"""What somebody wants to hear: `/me/preferences`, the pages behind links in mails, and what administrators see."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from starlette.requests import Request
from starlette.responses import HTMLResponse

from orion_core.errors import Problem, invalid_field, not_found
from orion_core.http.authentication import user_id
from orion_core.http.etags import etag
from orion_core.http.openapi import refusals
from orion_notifications.choices import actions, links, pages
from orion_notifications.choices.actions import Saying
from orion_notifications.choices.links import CHOOSES_FOR, LONGEST_TOKEN, UNSUBSCRIBES_FOR, About
from orion_notifications.choices.rules import ConsentSource
from orion_notifications.choices.shapes import (
    Address,
    Choices,
    ChoicesShape,
    ConsentShape,
    ConsentsShape,
    NewSuppression,
    SuppressionsShape,
)
from orion_notifications.components import Claims, Components, Wired
from orion_notifications.kinds import ALWAYS_ON, Category, Channel
from orion_notifications.labels import CategoryLabel
from orion_notifications.preferences.rules import Contact, wants

Token = Annotated[str, Path(max_length=LONGEST_TOKEN, description="From the link in a message.")]
HTML = {"text/html": {"schema": {"type": "string"}}}
PAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": HTML},
    404: {"content": HTML, "description": "A link that was not made here"},
    410: {"content": HTML, "description": "A link that has ended"},
}

router = APIRouter()


@router.get("/me/preferences", tags=["my preferences"])
async def my_preferences(response: Response, wired: Wired, claims: Claims) -> ChoicesShape:
    """All that has a say in what reaches me."""
    found = await actions.read(wired.database, user_id(claims))
    response.headers["ETag"] = etag(found)
    return found


@router.patch("/me/preferences", tags=["my preferences"])
async def choose(request: Request, response: Response, wired: Wired, claims: Claims, wanted: Choices) -> ChoicesShape:
    """Choose what reaches me when, also of what waits already. What is named is replaced."""
    saying = Saying(ConsentSource.ACCOUNT, request.scope["orion.context"].ip_address)
    found = await actions.choose(wired.database, wired.desk, user_id(claims), wanted, saying, wired.clock())
    response.headers["ETag"] = etag(found)
    return found


@router.get("/unsubscribe/{token}", tags=["links"], response_class=HTMLResponse, responses=PAGE)
@router.head("/unsubscribe/{token}", include_in_schema=False)
async def ask_to_unsubscribe(wired: Wired, token: Token) -> HTMLResponse:
    """The page behind "unsubscribe". Nothing changes by opening it: mail programs and scanners open every link."""
    about = _about(wired, token, UNSUBSCRIBES_FOR)
    return await _unsubscribing(wired, about, token) if isinstance(about, About) else about


@router.post("/unsubscribe/{token}", tags=["links"], response_class=HTMLResponse, responses=PAGE)
async def unsubscribe(request: Request, wired: Wired, token: Token) -> HTMLResponse:
    """Unsubscribe in one click (RFC 8058): nobody has to sign in or say anything more."""
    about = _about(wired, token, UNSUBSCRIBES_FOR)
    if not isinstance(about, About):
        return about
    is_program = b"One-Click" in await request.body()
    saying = _saying(request, about, ConsentSource.ONE_CLICK if is_program else ConsentSource.PAGE)
    await actions.unsubscribe(wired.database, wired.desk, about, saying, wired.clock())
    return await _unsubscribing(wired, about, token)


@router.post("/resubscribe/{token}", tags=["links"], response_class=HTMLResponse, responses=PAGE)
async def subscribe_again(request: Request, wired: Wired, token: Token) -> HTMLResponse:
    """Take back having unsubscribed."""
    about = _about(wired, token, UNSUBSCRIBES_FOR)
    if not isinstance(about, About):
        return about
    saying = _saying(request, about, ConsentSource.PAGE)
    await actions.subscribe_again(wired.database, wired.desk, about, saying, wired.clock())
    return await _unsubscribing(wired, about, token)


@router.get("/preferences/{token}", tags=["links"], response_class=HTMLResponse, responses=PAGE)
@router.head("/preferences/{token}", include_in_schema=False)
async def preferences_page(wired: Wired, token: Token) -> HTMLResponse:
    """The page on which everything is chosen, for whoever has the link from a message to a user's own address."""
    about = _about(wired, token, CHOOSES_FOR)
    if not isinstance(about, About):
        return about
    reader = await actions.reader(wired.database, about)
    if reader is None:
        return await _unsubscribing(wired, about, token)
    return _choosing(reader, token, is_saved=False)


@router.post("/preferences/{token}", tags=["links"], response_class=HTMLResponse, responses=PAGE)
async def save_preferences(request: Request, wired: Wired, token: Token) -> HTMLResponse:
    """Save what was chosen on the page; ways that it does not show stay as they are."""
    about = _about(wired, token, CHOOSES_FOR)
    if not isinstance(about, About):
        return about
    try:
        on = parse_qs((await request.body()).decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise Problem(400, "invalid_form", "Invalid form", "Send the form as the page has it.") from None
    categories = {
        category.name: {channel.name: f"{category.name}.{channel.name}" in on for channel in pages.SHOWN}
        for category in pages.CHOOSABLE
    }
    saying = _saying(request, about, ConsentSource.PAGE)
    reader = await actions.choose_by_link(wired.database, wired.desk, about, categories, saying, wired.clock())
    return pages.unknown() if reader is None else _choosing(reader, token, is_saved=True)


@router.post("/suppressions/search", tags=["suppressions"])
async def suppressions(wired: Wired, claims: Claims, address: Address) -> SuppressionsShape:
    """What stands against an address. It comes in the body: URLs stand in logs."""
    await wired.require(claims, "suppression:read")
    channel = Channel[address.channel]
    return SuppressionsShape(
        items=await actions.standing_against(wired.database, wired.desk, channel, address.recipient)
    )


@router.post("/suppressions", tags=["suppressions"], status_code=HTTPStatus.NO_CONTENT)
async def suppress(wired: Wired, claims: Claims, wanted: NewSuppression) -> None:
    """Have an address written to no more, of one category or of any."""
    await wired.require(claims, "suppression:update")
    await actions.suppress_by_hand(
        wired.database,
        wired.desk,
        Channel[wanted.channel],
        wanted.recipient,
        _category(wanted.category),
        wanted.expires_at,
        wired.clock(),
    )


@router.post(
    "/suppressions/release",
    tags=["suppressions"],
    status_code=HTTPStatus.NO_CONTENT,
    responses=refusals(HTTPStatus.NOT_FOUND),
)
async def release(wired: Wired, claims: Claims, address: Address, category: CategoryLabel | None = None) -> None:
    """Have an address written to again."""
    await wired.require(claims, "suppression:update")
    channel = Channel[address.channel]
    by = _category(category)
    if not await actions.release_by_hand(wired.database, wired.desk, channel, address.recipient, by, wired.clock()):
        raise not_found("suppression")


@router.get("/consents", tags=["suppressions"])
async def consents(
    wired: Wired,
    claims: Claims,
    user_id: UUID | None = None,
    recipient: Annotated[str | None, Query(max_length=2048)] = None,
) -> ConsentsShape:
    """What a user or an address has agreed to and taken back, the last first."""
    await wired.require(claims, "suppression:read")
    if user_id is None and recipient is None:
        raise invalid_field("user_id", "missing", "Say whose: by user_id, by recipient or by both.")
    found = await actions.consents(wired.database, wired.desk, user_id, recipient)
    return ConsentsShape(items=[ConsentShape.model_validate(dict(row)) for row in found])


def _about(wired: Components, token: str, good_for: timedelta) -> About | HTMLResponse:
    """What a link is about, or the page that says why it is good for nothing."""
    link = links.read(wired.desk.keyring, token)
    if link is None:
        return pages.unknown()
    return pages.ended() if link.is_over(wired.clock(), good_for, wired.links_since) else link.about


def _category(label: CategoryLabel | None) -> Category | None:
    return None if label is None else Category[label]


def _saying(request: Request, about: About, source: ConsentSource) -> Saying:
    return Saying(source, request.scope["orion.context"].ip_address, about.notification_id)


async def _unsubscribing(wired: Components, about: About, token: str) -> HTMLResponse:
    if about.category in ALWAYS_ON:
        return pages.required(about.category)
    is_off = await actions.is_unsubscribed(wired.database, wired.desk, about, wired.clock())
    base = "/notifications/v1"
    return pages.unsubscribing(
        about.category,
        f"{base}/unsubscribe/{token}",
        f"{base}/preferences/{token}",
        is_off=is_off,
        again=f"{base}/resubscribe/{token}",
    )


def _choosing(contact: Contact, token: str, *, is_saved: bool) -> HTMLResponse:
    wanted = {
        (category, channel): wants(contact, category, channel)
        for category in pages.CHOOSABLE
        for channel in pages.SHOWN
    }
    return pages.choosing(f"/notifications/v1/preferences/{token}", wanted, is_saved=is_saved)

"""The page behind the link of an invitation, where the product has none."""

from http import HTTPStatus

from starlette.responses import HTMLResponse

from orion_core.http.pages import button, html, page


def question(token: str, organization: str, email: str) -> HTMLResponse:
    """A button, since opening a link must change nothing."""
    text = f"You were invited to {organization}. Whoever has the address {email} becomes a member."
    return html(page("Your invitation", text, button(f"/user/v1/invitation-links/{token}", "Join")), HTTPStatus.OK)


def unknown_address(organization: str, email: str, status: HTTPStatus) -> HTMLResponse:
    """What to do, for whoever has no account yet."""
    text = (
        f"You were invited to {organization}, but there is no account with the address {email} yet. "
        "Register with it, confirm the address by the mail that you get then, and open this link once more."
    )
    return html(page("First you need an account", text), status)


def joined(organization: str) -> HTMLResponse:
    """What became of it."""
    text = f"You are a member of {organization} now. You can close this page."
    return html(page("Welcome", text), HTTPStatus.OK)


def dead() -> HTMLResponse:
    """What a link leads to that is of no use any more."""
    text = (
        "It was used, was taken back, has expired or was never one of ours, or whoever sent it may not invite any "
        "more. Ask whoever invited you, or somebody else there, for another."
    )
    return html(page("This link no longer works", text), HTTPStatus.GONE)

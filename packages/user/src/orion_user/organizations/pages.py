"""The page behind the link of an invitation, where the product has none. It loads nothing and runs nothing."""

from html import escape
from http import HTTPStatus

from starlette.responses import HTMLResponse

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}
STYLE = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:30rem;margin:4rem auto;padding:0 1rem}button{font:inherit}"


def question(organization: str, email: str) -> HTMLResponse:
    """A button, since opening a link must change nothing; it posts to the page itself."""
    text = f"You were invited to {organization}. Whoever has the address {email} becomes a member."
    return _page("Your invitation", text, '<form method="post"><button>Join</button></form>')


def unknown_address(organization: str, email: str, status: HTTPStatus) -> HTMLResponse:
    """What to do, for whoever has no account yet."""
    text = (
        f"You were invited to {organization}, but there is no account with the address {email} yet. "
        "Register with it, confirm the address by the mail that you get then, and open this link once more."
    )
    return _page("First you need an account", text, status=status)


def joined(organization: str) -> HTMLResponse:
    """What became of it."""
    return _page("Welcome", f"You are a member of {organization} now. You can close this page.")


def refused(title: str, text: str, status: int) -> HTMLResponse:
    """Why it did not work."""
    return _page(title, text, status=status)


def dead() -> HTMLResponse:
    """What a link leads to that is of no use any more."""
    text = "It was used, was taken back, has expired or was never one of ours. Ask whoever invited you for another."
    return _page("This link no longer works", text, status=HTTPStatus.GONE)


def _page(title: str, text: str, rest: str = "", status: int = HTTPStatus.OK) -> HTMLResponse:
    content = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta name="robots" content="noindex"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{escape(title)}</h1><p>{escape(text)}</p>{rest}</html>"
    )
    return HTMLResponse(content, int(status), HEADERS)

"""The pages behind the link in a verification mail. They load nothing and run nothing."""

from base64 import b64encode
from hashlib import sha256
from html import escape

_STYLE = """
:root { color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center }
main { max-width: 26rem; padding: 2rem; text-align: center }
h1 { font-size: 1.5rem; margin: 0 0 .5rem }
button { font: inherit; padding: .7rem 1.6rem; border: 0; border-radius: .5rem; background: #1d4ed8; color: #fff }
button:focus-visible { outline: .2rem solid #f59e0b; outline-offset: .2rem }
"""

POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of these pages: this one style sheet, and a form that is sent to us."""


def question(token: str) -> str:
    """Asks for the press of a button: mail scanners follow links, but press nothing."""
    action = f"/auth/v1/verifications/{escape(token)}/confirmation"
    button = f'<form method="post" action="{action}"><button>Verify my e-mail address</button></form>'
    return _page("Verify your e-mail address", "One press, and you can sign in.", button)


def verified() -> str:
    """The press did it."""
    return _page("Your e-mail address is verified", "You can close this page and sign in.")


def used() -> str:
    """The link has done its work before."""
    return _page("This link was used already", "If you pressed the button, your address is verified: just sign in.")


def dead() -> str:
    """The link does not work (any more)."""
    return _page("This link no longer works", "It may have expired. Ask for a new mail where you registered.")


def _page(title: str, text: str, rest: str = "") -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1><p>{escape(text)}</p>{rest}</main></body></html>"
    )

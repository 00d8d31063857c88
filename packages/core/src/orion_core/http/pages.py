"""The pages behind links in mails. They load nothing and run nothing."""

from base64 import b64encode
from hashlib import sha256
from html import escape
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from orion_core.http.openapi import refusals

_STYLE = """
:root { color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center }
main { max-width: 26rem; padding: 2rem; text-align: center }
h1 { font-size: 1.5rem; margin: 0 0 .5rem }
button { font: inherit; padding: .7rem 1.6rem; border: 0; border-radius: .5rem; background: #1d4ed8; color: #fff }
table { border-collapse: collapse; text-align: left }
td, th { padding: .4rem .8rem; border-bottom: 1px solid #8886 }
button:focus-visible { outline: .2rem solid #f59e0b; outline-offset: .2rem }
"""

POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of these pages: this one style sheet, and a form that is sent to us."""

PAGE: dict[str, Any] = {
    "description": "A page, for a browser",
    "content": {"text/html": {"schema": {"type": "string"}}},
}
"""How the answer that shows a page is documented."""


def page_or_problem(status: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """How a refusal is documented that is a page for a browser, and a problem for everybody else."""
    return {int(status): PAGE | {"content": PAGE["content"] | refusals(status)[int(status)]["content"]}}


def wants_page(request: Request) -> bool:
    """Whether it is a browser that has pressed a button, and not an application that asks for data."""
    return "text/html" in request.headers.get("accept", "")


def html(content: str, status: int) -> HTMLResponse:
    """The answer that shows a page."""
    return HTMLResponse(content, int(status), headers={"Content-Security-Policy": POLICY})


def button(action: str, label: str) -> str:
    """A button that posts: mail scanners follow links, but press nothing."""
    return f'<form method="post" action="{escape(action)}"><button>{escape(label)}</button></form>'


def page(title: str, text: str, rest: str = "") -> str:
    """A page with a title, a sentence, and `rest`, which is HTML."""
    return document(title, f"<p>{escape(text)}</p>{rest}")


def document(title: str, body: str) -> str:
    """A page with a title; `body` is HTML, in which everything is escaped that is not ours."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )

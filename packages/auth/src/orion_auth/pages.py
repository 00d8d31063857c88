"""The form of a new password, on pages behind links in mails."""

from html import escape
from typing import Any
from urllib.parse import parse_qsl

PASSWORD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["password"],
                    "properties": {"password": {"type": "string"}},
                }
            }
        },
    }
}
"""`openapi_extra=` of a route that gets the form of a new password."""


def form(action: str, label: str) -> str:
    """A field for a new password, and a button that posts it."""
    field = (
        '<p><label>New password<br><input type="password" name="password" autocomplete="new-password" '
        'minlength="8" maxlength="256" required autofocus></label></p>'
    )
    return f'<form method="post" action="{escape(action)}">{field}<button>{escape(label)}</button></form>'


def posted(body: bytes, name: str) -> str:
    """One field of a form that one of these pages has posted; empty when it is not there or cannot be read."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10, errors="strict")).get(name, "")
    except ValueError:
        return ""

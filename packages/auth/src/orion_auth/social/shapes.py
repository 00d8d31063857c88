"""What is sent to and from the routes of social login."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from orion_auth.bearers import SigningIn
from orion_core.http.shapes import RequestShape, ResponseShape

Secret = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,100}$")]


class SignInOption(ResponseShape):
    """A provider to sign in through, for a button."""

    name: str
    display_name: str | None


class SignInOptions(ResponseShape):
    """All that are switched on."""

    items: list[SignInOption]


class NewAuthorization(RequestShape):
    """Begin a journey to a provider."""

    return_to: str = Field(min_length=1, max_length=1500, examples=["https://app.example.com/signed-in"])
    """Where the browser comes back to in the end, with `authorization` and `code`, or `error`; must be allowed."""
    started_by: Literal["BROWSER", "BACKEND"] = "BROWSER"
    """BROWSER: it is asked by the browser that travels, which gets a cookie, and is known by it on its way back.
    BACKEND: by a server, which keeps `flow` in its own session with that browser."""


class Authorization(ResponseShape):
    """A journey that has begun."""

    id: UUID
    authorization_url: str
    """Where to send the browser."""
    flow: str
    """A secret of whoever began it: whoever ends it has to show it. Never put it in a URL."""
    expires_in: int


class ProvedBy(RequestShape):
    """What shows that a journey is one's own."""

    flow: Secret = Field(repr=False, examples=["qvKk0t4rHJ9w1Jw2G7hO6n1cQ0v2c0m8m4YyqQ1xwzE"])
    code: Secret = Field(repr=False, examples=["9QkZ0t4rHJ9w1Jw2G7hO6n1cQ0v2c0m8m4YyqQ1xwzE"])
    """Came back in the URL."""


class NewSocialSession(SigningIn, ProvedBy):
    """Sign in by what the provider has proved."""

    email: str | None = Field(None, min_length=1, max_length=255, examples=["ada@example.com"])
    """Only where the provider names no address (`email_needed`)."""
    email_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] | None = Field(None, repr=False)
    """The code that was mailed (`email_code_needed`)."""


class NewLinkedAccount(ProvedBy):
    """Link the account of a journey to one's own."""

    authorization: UUID


class LinkedAccount(ResponseShape):
    """One account elsewhere that is linked."""

    id: UUID
    provider: str
    email: str | None
    name: str | None
    username: str | None
    is_primary: bool
    linked_at: datetime
    last_used_at: datetime | None
    last_synced_at: datetime | None
    access_ended_at: datetime | None
    """Since when the provider takes our tokens no more; signing in through it again mends that."""


class LinkedAccounts(ResponseShape):
    """All of them; there are never many."""

    items: list[LinkedAccount]

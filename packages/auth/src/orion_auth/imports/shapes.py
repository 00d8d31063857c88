"""What one line of an import says of one user. docs/import.md explains it."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, field_validator

from orion_auth.addresses import normalise_email
from orion_auth.imports.formats import HashParts, KeycloakCredential
from orion_auth.registrations.shapes import Locale, PersonName, TimeZoneName, Username
from orion_core.http.shapes import RequestShape


class ImportedUser(RequestShape):
    """One user of another system. Unknown fields are refused, so that nothing is lost by a misspelling."""

    id: UUID | None = None
    """The id that the user is to have; made here when there is none."""
    email: str = Field(min_length=3, max_length=255)
    email_verified: bool = False
    """Whether the other system knows that the address is the user's own; if not, it is verified before he signs in."""
    username: Username | None = None
    name: Annotated[PersonName, Field(max_length=100)] | None = None
    locale: Locale = "en"
    timezone: TimeZoneName = "UTC"
    password_hash: str | HashParts | KeycloakCredential | None = Field(default=None, repr=False)
    """None: the user sets a password by a mail, or comes in another way."""

    @field_validator("email")
    @classmethod
    def _normalised(cls, text: str) -> str:
        email = normalise_email(text)
        if email is None:
            raise ValueError("not an e-mail address")
        return email

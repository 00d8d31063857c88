"""What one line of an import says of one user. docs/import.md explains it."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from orion_auth.addresses import normalise_email
from orion_auth.imports.formats import HashParts, KeycloakCredential
from orion_auth.registrations.shapes import Locale, TimeZoneName, Username
from orion_contracts.imports import MOST
from orion_core.http.shapes import RequestShape, ResponseShape
from orion_core.person_names import PersonName


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


class BulkIdentity(BaseModel):
    """One user as the user service has read and checked them; the address is brought into its form here."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    id: UUID
    email: str = Field(max_length=255)
    email_verified: bool
    username: Username | None
    name: Annotated[PersonName, Field(max_length=100)] | None
    locale: Locale
    timezone: str = Field(pattern=r"^[A-Za-z0-9_+/-]{1,64}$")


class BulkImport(BaseModel):
    """Up to a thousand users. No field takes what cannot be stored, so that need not be looked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    import_id: UUID
    identities: list[BulkIdentity] = Field(min_length=1, max_length=MOST)


class BulkOutcome(ResponseShape):
    """What became of one user."""

    outcome: Literal["CREATED", "EXISTS", "REFUSED"]
    user_id: UUID | None = None
    """Theirs, or that of whoever has the address."""
    email: str | None = None
    """As it is kept, when it was created."""
    reason: str | None = None

"""Users that are brought over from another system many at a time."""

from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from orion_contracts.event import Event
from orion_contracts.types import AwareDatetime, Email, Locale, Name, TimeZone, Username

MOST = 1000
"""Users in one event, and in one request to auth."""


class ImportedIdentity(BaseModel):
    """One user whom auth has taken in."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    user_id: UUID
    email: Email
    is_verified: bool
    """Whether the other system knew that the address is the user's own."""
    username: Username | None = None
    name: Name | None = None
    locale: Locale
    timezone: TimeZone


class IdentitiesImported(Event):
    """auth: users were brought over, at the wish of user. It is no news to them: nobody is welcomed.

    It stands for an `IdentityRegistered` of each, and an `EmailVerified` of those who are verified.
    """

    type: ClassVar[str] = "orion.auth.identities.imported.v1"

    import_id: UUID
    identities: list[ImportedIdentity] = Field(max_length=MOST)
    imported_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The import's id."""
        return str(self.import_id)

"""What user has notifications mail about invitations to organizations."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from orion_contracts.event import Event, UserEvent
from orion_contracts.types import AwareDatetime, Email, Locale

OrganizationName = Annotated[str, Field(max_length=100)]


class InvitationSecrets(BaseModel):
    """What is sealed into `InvitationMailRequested.secrets`, as JSON."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    link: str = Field(max_length=2000, repr=False)
    """The product's page on which the invitation is accepted; the token is in it."""


class InvitationMailRequested(Event):
    """user: somebody is to be mailed an invitation to an organization, for the first time or again.

    `secrets` is a sealed envelope around the JSON of `InvitationSecrets`, for notifications alone, bound to this
    event's type, membership and message by `associated_data`.
    """

    type: ClassVar[str] = "orion.user.invitation_mail.requested.v1"

    message_id: UUID
    """One mail for each; asking twice with the same id sends once."""
    membership_id: UUID
    organization_id: UUID
    organization: OrganizationName
    recipient: Email
    user_id: UUID | None = None
    """Whose address it is known to be; empty: nobody's here."""
    locale: Locale
    requested_at: AwareDatetime
    expires_at: AwareDatetime
    secrets: str = Field(max_length=8000, repr=False)

    @property
    def subject(self) -> str:
        """The membership's id."""
        return str(self.membership_id)

    def associated_data(self) -> str:
        """The associated data of the envelope."""
        return invitation_place(self.membership_id, self.message_id)


def invitation_place(membership_id: UUID, message_id: UUID) -> str:
    """The associated data under which the link of an invitation is sealed."""
    return f"{InvitationMailRequested.type}:{membership_id}:{message_id}"


class InvitationExpired(UserEvent):
    """user: nobody has accepted an invitation in time; `user_id` is whoever sent it, and is told."""

    type: ClassVar[str] = "orion.user.invitation.expired.v1"

    membership_id: UUID
    organization_id: UUID
    organization: OrganizationName
    email: Email
    """The address that was invited."""
    expired_at: AwareDatetime


class ExpiryTold(BaseModel):
    """An `InvitationExpired`, by its membership and moment."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    membership_id: UUID
    expired_at: AwareDatetime


class InvitationsForgotten(UserEvent):
    """user: what it has told of invitations to a person's address is to be forgotten, for the person was erased.

    It comes behind all of them; those that nobody has heard of yet are not in the feed any more. There can be several.
    """

    type: ClassVar[str] = "orion.user.invitations.forgotten.v1"

    message_ids: list[UUID] = Field(max_length=1000)
    """Of `InvitationMailRequested`."""
    expiries: list[ExpiryTold] = Field(max_length=1000)
    """Told to whoever had invited the person."""
    forgotten_at: AwareDatetime

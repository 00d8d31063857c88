"""What auth has notifications send about an account: messages with a secret in them, and notices of what happened."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from orion_contracts.event import UserEvent
from orion_contracts.types import AwareDatetime, City, Country, DeviceName, Email, IpAddress, Label, Locale, Phone

Purpose = Literal[
    "EMAIL_CHANGE",
    "INVITATION",
    "PASSWORD_RESET",
    "PHONE_VERIFICATION",
    "RECOVERY",
    "RECOVERY_CONTACT",
    "SIGN_IN",
    "TWO_FACTOR_CODE",
]
"""What the secret in a message leads to."""


class MessageSecrets(BaseModel):
    """What is sealed into `AccountMessageRequested.secrets`, as JSON. One of the two is there at least."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    link: str | None = Field(default=None, max_length=2000, repr=False)
    """The URL to send; opening it changes nothing, its page has the button that does."""
    code: str | None = Field(default=None, max_length=20, repr=False)
    """The short code for those who would rather type."""


class AccountMessageRequested(UserEvent):
    """auth: a message with a secret is to be sent to one address of a user.

    `secrets` is a sealed envelope around the JSON of `MessageSecrets`, for notifications alone, bound to this event's
    type, purpose and user by `associated_data`.
    """

    type: ClassVar[str] = "orion.auth.message.requested.v1"

    message_id: UUID
    """One message for each; asking twice with the same id sends once."""
    purpose: Purpose
    channel: Literal["EMAIL", "SMS"]
    recipient: Email | Phone
    locale: Locale
    requested_at: AwareDatetime
    ip_address: IpAddress | None = None
    """From where it was asked for; the message tells, so that its reader can judge."""
    expires_at: AwareDatetime
    secrets: str = Field(max_length=8000, repr=False)

    def associated_data(self) -> str:
        """The associated data of the envelope."""
        return message_place(self.purpose, self.user_id)


def message_place(purpose: Purpose, user_id: UUID) -> str:
    """The associated data under which the secrets of a message are sealed."""
    return f"{AccountMessageRequested.type}:{purpose}:{user_id}"


class SecurityNoticeRaised(UserEvent):
    """auth: something happened to an account that its owner is to be told, wherever he can be reached.

    `secrets`, where there is one, is sealed like those of a message, and holds the link behind "this wasn't me".
    """

    type: ClassVar[str] = "orion.auth.security.notice_raised.v1"

    notice_id: UUID
    """Id of the security event that it tells of."""
    notice: str = Field(max_length=80)
    """The type of that event, such as `token.reused`."""
    email: Email
    locale: Locale
    occurred_at: AwareDatetime
    ip_address: IpAddress | None = None
    country: Country | None = None
    city: City | None = None
    device_name: DeviceName | None = None
    details: dict[Label, str] = Field(default_factory=dict[Label, str])
    secrets: str | None = Field(default=None, max_length=8000, repr=False)

    @classmethod
    def associated_data(cls, notice_id: UUID, user_id: UUID) -> str:
        """The associated data of the envelope."""
        return f"{cls.type}:{notice_id}:{user_id}"

"""Events that cross a service border, as they stand in the `data` of a CloudEvent.

A type ends in its version. Within a version only optional fields are added, and readers ignore what they do not know,
so producer and consumer are deployed in any order; anything else is a new version beside the old one.
"""

from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from orion_contracts.access_events import (
    ElevationChanged,
    MembershipChanged,
    OrganizationChanged,
    PermissionChanged,
    PermissionGranted,
    PermissionGrantEnded,
    RoleAssigned,
    RoleAssignmentEnded,
    RoleChanged,
    SeparationRuleChanged,
    TeamChanged,
)
from orion_contracts.account_messages import AccountMessageRequested, SecurityNoticeRaised
from orion_contracts.api_keys import ApiKeyChanged, ApiKeyEnded, ApiKeyUsed, NotificationsApiKeyUsed
from orion_contracts.audit import AuthAuditRecorded, NotificationsAuditRecorded
from orion_contracts.erasures import IdentityErased, MessagesErased
from orion_contracts.event import Event, SessionEvent, UserEvent
from orion_contracts.imports import IdentitiesImported
from orion_contracts.invitations import InvitationExpired, InvitationMailRequested, InvitationsForgotten
from orion_contracts.types import (
    AwareDatetime,
    City,
    Country,
    DeviceName,
    Email,
    IpAddress,
    Label,
    Locale,
    Name,
    Phone,
    TimeZone,
    UserAgent,
    Username,
)
from orion_contracts.user_events import (
    ErasureRequested,
    LocaleChanged,
    NotificationPreferencesChanged,
    SecurityPreferencesChanged,
    SessionEndRequested,
    UserDeleted,
    UserReinstated,
    UserRestored,
    UserSuspended,
)


class IdentityRegistered(UserEvent):
    """auth: somebody has registered; the e-mail address is not verified yet."""

    type: ClassVar[str] = "orion.auth.identity.registered.v1"

    email: Email
    username: Username | None = None
    name: Name | None = None
    phone: Phone | None = None
    locale: Locale
    timezone: TimeZone
    registered_at: AwareDatetime
    is_imported: bool = False
    """Brought over from another system by an operator: it is no news to the user, who is not welcomed."""


class VerificationSecrets(BaseModel):
    """What is sealed into `EmailVerificationRequested.secrets`, as JSON."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    link: str = Field(max_length=2000, repr=False)
    """The URL to send; opening it changes nothing, its page has the button that does."""
    code: str = Field(max_length=20, repr=False)
    """The short code for those who would rather type."""


class EmailVerificationRequested(UserEvent):
    """auth: a verification mail is to be sent.

    `secrets` is a sealed envelope around the JSON of `VerificationSecrets`, for notifications alone: the outbox, its
    backups and every other reader of the feed see only the envelope. It is bound to this event's type and user by
    `associated_data`, so it cannot be opened as part of another event.
    """

    type: ClassVar[str] = "orion.auth.email.verification_requested.v1"

    email: Email
    locale: Locale
    requested_at: AwareDatetime
    ip_address: IpAddress | None = None
    """From where it was asked for; the mail tells, so that its reader can judge."""
    expires_at: AwareDatetime
    secrets: str = Field(max_length=8000, repr=False)

    @classmethod
    def associated_data(cls, user_id: UUID) -> str:
        """The associated data of the envelope: the event's type, a colon, the user's id."""
        return f"{cls.type}:{user_id}"


class EmailVerified(UserEvent):
    """auth: the user has shown that this address is theirs."""

    type: ClassVar[str] = "orion.auth.email.verified.v1"

    email: Email
    username: Username | None = None
    """The user's from now on, and nobody else's; before, a registration with the same name could take it."""
    verified_at: AwareDatetime
    is_imported: bool = False
    """As in `IdentityRegistered`."""


class IdentityProfileChanged(UserEvent):
    """auth: a provider that the user signs in through has told something new about him."""

    type: ClassVar[str] = "orion.auth.identity.profile_changed.v1"

    provider: str = Field(max_length=50)
    """The name of the connection."""
    name: Name | None = None
    username: str | None = Field(default=None, max_length=100)
    """What he is called there; here the name may be somebody else's."""
    picture_url: str | None = Field(default=None, max_length=500)
    locale: Locale | None = None
    changed_at: AwareDatetime


class EmailChanged(UserEvent):
    """auth: the user has another address, and has shown that it is theirs."""

    type: ClassVar[str] = "orion.auth.email.changed.v1"

    email: Email
    previous: Email
    changed_at: AwareDatetime


class UsernameChanged(UserEvent):
    """auth: the user has another username, which is nobody else's."""

    type: ClassVar[str] = "orion.auth.username.changed.v1"

    username: Username
    changed_at: AwareDatetime


class PhoneChanged(UserEvent):
    """auth: the user has another phone number, and has shown that it is theirs; or none any more."""

    type: ClassVar[str] = "orion.auth.phone.changed.v1"

    phone: Phone | None = None
    previous: Phone | None = None
    changed_at: AwareDatetime


class SessionStarted(SessionEvent):
    """auth: somebody has signed in."""

    type: ClassVar[str] = "orion.auth.session.started.v1"

    device_name: DeviceName | None = None
    device_type: DeviceName | None = None
    ip_address: IpAddress | None = None
    user_agent: UserAgent | None = None
    country: Country | None = None
    city: City | None = None
    started_at: AwareDatetime
    expires_at: AwareDatetime


class SignInFailed(UserEvent):
    """auth: somebody gave a wrong password for the user."""

    type: ClassVar[str] = "orion.auth.sign_in.failed.v1"

    failed_at: AwareDatetime


class SessionEnded(SessionEvent):
    """auth: the session is over.

    Its access tokens verify by signature until `tokens_expire_at`; until then every service refuses the session's id.
    """

    type: ClassVar[str] = "orion.auth.session.ended.v1"

    reason: Label
    """`SIGNED_OUT`, `REVOKED`, `EXPIRED`, `REUSE_DETECTED`, …"""
    ended_at: AwareDatetime
    tokens_expire_at: AwareDatetime


class SessionProved(SessionEvent):
    """auth: the session's owner has proved again who he is, and got a new access token.

    Those that the session had before (their `auth_time` is earlier than `proved_at`) verify by signature until
    `tokens_expire_at`; until then every service refuses them.
    """

    type: ClassVar[str] = "orion.auth.session.proved.v1"

    proved_at: AwareDatetime
    """A whole second, as `auth_time` is."""
    tokens_expire_at: AwareDatetime


class SecurityEpochRaised(UserEvent):
    """auth: all that the user was signed in with until now is over.

    Access tokens of epochs before `epoch` verify by signature until `tokens_expire_at`; until then every service
    refuses them. It comes beside a `SessionEnded` for each session, and also counts for one that is not known
    yet.
    """

    type: ClassVar[str] = "orion.auth.security_epoch.raised.v1"

    epoch: int = Field(ge=0)
    """The epoch that has begun."""
    reason: Label
    raised_at: AwareDatetime
    tokens_expire_at: AwareDatetime
    undone_since: AwareDatetime | None = None
    """Somebody else was in since then, the owner says: what he has made that lets him in again is to end."""


class IdentitySuspended(UserEvent):
    """auth: an administrator has shut the user out until further notice."""

    type: ClassVar[str] = "orion.auth.identity.suspended.v1"

    suspended_at: AwareDatetime


class IdentityReinstated(UserEvent):
    """auth: an administrator has ended the user's suspension."""

    type: ClassVar[str] = "orion.auth.identity.reinstated.v1"

    reinstated_at: AwareDatetime


class UserCreated(UserEvent):
    """user: the profile of a registered identity exists and may be addressed."""

    type: ClassVar[str] = "orion.user.user.created.v1"

    email: Email
    username: Username | None = None
    name: Name | None = None
    locale: Locale
    timezone: TimeZone
    created_at: AwareDatetime


class NotificationSent(Event):
    """notifications: a provider has taken the message."""

    type: ClassVar[str] = "orion.notifications.notification.sent.v1"

    notification_id: UUID
    user_id: UUID | None = None
    notification_type: str = Field(max_length=100)
    """What the message is about, such as `account.email_verification`."""
    channel: Label
    provider: str | None = Field(default=None, max_length=60)
    sent_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The notification's id."""
        return str(self.notification_id)


EVENTS: dict[str, type[Event]] = {
    event.type: event
    for event in (
        IdentityRegistered,
        EmailVerificationRequested,
        EmailVerified,
        IdentityProfileChanged,
        EmailChanged,
        PhoneChanged,
        UsernameChanged,
        SignInFailed,
        SessionStarted,
        SessionEnded,
        SessionProved,
        SecurityEpochRaised,
        IdentitySuspended,
        IdentityReinstated,
        IdentityErased,
        IdentitiesImported,
        AccountMessageRequested,
        SecurityNoticeRaised,
        ApiKeyEnded,
        ApiKeyUsed,
        NotificationsApiKeyUsed,
        UserCreated,
        RoleChanged,
        PermissionChanged,
        RoleAssigned,
        RoleAssignmentEnded,
        PermissionGranted,
        PermissionGrantEnded,
        SeparationRuleChanged,
        ElevationChanged,
        UserSuspended,
        UserReinstated,
        UserDeleted,
        UserRestored,
        SessionEndRequested,
        SecurityPreferencesChanged,
        NotificationPreferencesChanged,
        LocaleChanged,
        ErasureRequested,
        ApiKeyChanged,
        OrganizationChanged,
        TeamChanged,
        MembershipChanged,
        InvitationMailRequested,
        InvitationExpired,
        InvitationsForgotten,
        NotificationSent,
        MessagesErased,
        AuthAuditRecorded,
        NotificationsAuditRecorded,
    )
}
"""Every event of Orion by its type."""

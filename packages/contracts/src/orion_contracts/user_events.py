"""What user has the other services do about a user: an administrator's decision, or the user's own."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from orion_contracts.event import UserEvent
from orion_contracts.types import AwareDatetime, Label, Locale, TimeZone

Actor = str
"""Who decided: the subject of their access token, a user's id or the name of a client."""


class UserSuspended(UserEvent):
    """user: an administrator has shut the user out until further notice; auth ends the sessions."""

    type: ClassVar[str] = "orion.user.user.suspended.v1"

    by: Actor = Field(max_length=100)
    suspended_at: AwareDatetime


class UserReinstated(UserEvent):
    """user: an administrator has ended the suspension; auth lets the user in again."""

    type: ClassVar[str] = "orion.user.user.reinstated.v1"

    by: Actor = Field(max_length=100)
    reinstated_at: AwareDatetime


class UserDeleted(UserEvent):
    """user: the user is put away and can be restored until they are purged; auth lets nobody in meanwhile.

    The address and the username stay theirs until then.
    """

    type: ClassVar[str] = "orion.user.user.deleted.v1"

    by: Actor = Field(max_length=100)
    deleted_at: AwareDatetime
    purge_after: AwareDatetime


class UserRestored(UserEvent):
    """user: the user is back, as they were before they were deleted; whoever was suspended then still is."""

    type: ClassVar[str] = "orion.user.user.restored.v1"

    by: Actor = Field(max_length=100)
    is_suspended: bool
    restored_at: AwareDatetime


class SessionEndRequested(UserEvent):
    """user: a session, or without `session_id` every session of the user, is to be ended by auth."""

    type: ClassVar[str] = "orion.user.session.end_requested.v1"

    session_id: UUID | None = None
    by: Actor = Field(max_length=100)
    requested_at: AwareDatetime


class SecurityPreferencesChanged(UserEvent):
    """user: what the user wants of every sign-in from now on; auth heeds it."""

    type: ClassVar[str] = "orion.user.security_preferences.changed.v1"

    requires_second_factor: bool
    sign_in_notices: Literal["NEW_DEVICE", "EVERY"]
    changed_at: AwareDatetime


class NotificationPreferencesChanged(UserEvent):
    """user: by which ways the user wants to be told of things from now on; notifications heeds it."""

    type: ClassVar[str] = "orion.user.notification_preferences.changed.v1"

    email: bool
    sms: bool
    push: bool
    in_app: bool
    muted_categories: list[Label] = Field(default_factory=list[Label], max_length=50)
    """What the user does not want at all; security and transactional messages come all the same."""
    digest: Label | None = None
    """`DAILY`, `WEEKLY` or `NONE` where that is what has changed: how often what can wait is told of, by mail. The
    latest of this and of what is chosen by category at notifications counts, so it is left out of what is told again.
    """
    changed_at: AwareDatetime


class LocaleChanged(UserEvent):
    """user: the user reads another language or lives by another clock from now on; notifications heeds it."""

    type: ClassVar[str] = "orion.user.locale.changed.v1"

    locale: Locale
    timezone: TimeZone
    changed_at: AwareDatetime


class ErasureRequested(UserEvent):
    """user: everything that tells of the user is to be erased (GDPR Art. 17), by auth first.

    auth answers with `IdentityErased` in its own feed, behind all that it has told of the user before; so whoever
    follows it hears of nothing afterwards that would have to be erased again.
    """

    type: ClassVar[str] = "orion.user.erasure.requested.v1"

    erasure_id: UUID
    requested_at: AwareDatetime

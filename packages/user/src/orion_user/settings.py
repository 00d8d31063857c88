"""What user can be told, from the environment and `.env`."""

from typing import Any

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from orion_core.sealing import Keyring
from orion_core.settings import (
    DatabaseUrl,
    ServiceSettings,
    Settings,
    database_url,
    keyring,
    parse_keyring,
    retention,
    service_private_key,
)


class UserSettings(ServiceSettings):
    """The settings of user."""

    database_url: DatabaseUrl = database_url("USER_DATABASE_URL", "orion_users")
    sealing_keys: Keyring = keyring("USER_SEALING_KEYS")
    """What cursors of lists are signed under, and the keys sealed that sign the audit trail."""
    event_sealing_keys: Keyring = keyring("USER_EVENT_SEALING_KEYS")
    """Shared with notifications alone: seals the links of invitations in its events. Not the one that auth shares with
    notifications: what opens the mails of auth is no business of this service."""
    invitation_url: str | None = Field(
        None,
        pattern=r"^https?://[^#\s]+$",
        max_length=1000,
        validate_default=True,
        validation_alias="USER_INVITATION_URL",
        examples=["https://app.example.com/invitations"],
    )
    """The application's page that invitations to organizations link to, with `#invitation=…` behind it: it signs its
    reader in or up, and sends the token to `/user/v1/me/invitation-acceptances`. Required in production, by https;
    unset: a page of this service, at `USER_URL`."""
    service_private_key: dict[str, Any] | None = service_private_key("USER_SERVICE_PRIVATE_KEY")
    """By what this service signs when it asks auth for tokens: a private JWK, whose public half auth has in
    AUTH_SERVICE_PUBLIC_KEYS. Unset: it shows the key below."""
    service_key: SecretStr = Field(
        validation_alias="USER_SERVICE_KEY", examples=["(make one with: orion keys service user)"]
    )
    """What this service shows to auth to get its tokens; auth has its SHA-256 in AUTH_SERVICE_KEY_HASHES."""
    notifications_url: str = Field(
        "http://127.0.0.1:7103", validation_alias="NOTIFICATION_URL", examples=["http://notifications.internal:7103"]
    )
    """Where user reaches notifications: for what it knows of a person, and for its word that it has forgotten them."""
    local_streams: bool | None = Field(None, validation_alias="USER_LOCAL_STREAMS", examples=["true"])
    """Whether the audit trail may be streamed to this machine and to private networks (then also unencrypted).

    Unset: not in production.
    """
    retention: dict[str, str] = retention("USER_RETENTION")
    """How long tables keep their rows, where it is not what they declare (docs/retention.md)."""

    _parse_keyring = field_validator("sealing_keys", "event_sealing_keys", mode="before")(parse_keyring)

    @field_validator("invitation_url")
    @classmethod
    def _is_encrypted(cls, value: str | None, info: ValidationInfo) -> str | None:
        """A link with a token in it leads nobody to a page that others on the way can write."""
        if info.data.get("environment") == "production" and not (value or "").startswith("https://"):
            raise ValueError("in production it must begin with https://")
        return value

    @property
    def before_invitation_token(self) -> str:
        """The link of an invitation, but for its token; behind a `#` it is sent to no server."""
        own = f"{self.user_url.rstrip('/')}/user/v1/invitation-links/"
        return f"{self.invitation_url}#invitation=" if self.invitation_url else own

    @property
    def allows_local_streams(self) -> bool:
        """Whether streams of the audit trail may go to addresses that are not public."""
        return self.environment != "production" if self.local_streams is None else self.local_streams


class TrailSettings(Settings):
    """What an auditor's machine needs to read the audit trail and to verify it: the database, and no key."""

    database_url: DatabaseUrl = database_url("USER_DATABASE_URL", "orion_users")


class TrailKeySettings(TrailSettings):
    """What bringing in another key for the audit trail needs besides."""

    sealing_keys: Keyring = keyring("USER_SEALING_KEYS")

    _parse_keyring = field_validator("sealing_keys", mode="before")(parse_keyring)

"""What this service can be told."""

from email.headerregistry import Address
from typing import Any

from pydantic import AwareDatetime, Field, SecretStr, field_validator

from orion_core.sealing import Keyring
from orion_core.service_token import Signing
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
from orion_notifications.provider_settings import parse_sender


class NotificationSettings(ServiceSettings):
    """Settings of notifications; the service and its worker read the same ones."""

    database_url: DatabaseUrl = database_url("NOTIFICATION_DATABASE_URL", "orion_notifications")
    sealing_keys: Keyring = keyring("NOTIFICATION_SEALING_KEYS")
    event_sealing_keys: Keyring = keyring("EVENT_SEALING_KEYS")
    """Shared with auth alone: opens the codes and links in its events."""
    user_event_sealing_keys: Keyring = keyring("USER_EVENT_SEALING_KEYS")
    """Shared with user alone: opens the links of invitations in its events."""
    service_private_key: dict[str, Any] | None = service_private_key("NOTIFICATION_SERVICE_PRIVATE_KEY")
    """By what this service signs when it asks auth for tokens: a private JWK, whose public half auth has in
    AUTH_SERVICE_PUBLIC_KEYS. Unset: it shows the key below."""
    service_key: SecretStr = Field(
        validation_alias="NOTIFICATION_SERVICE_KEY", examples=["(make one with: orion keys service notifications)"]
    )
    """What this service shows auth to get a token for its feed."""

    product_name: str = Field(
        "Orion", min_length=1, max_length=40, validation_alias="NOTIFICATION_PRODUCT_NAME", examples=["Orion"]
    )
    app_url: str = Field(
        "http://127.0.0.1:7101",
        pattern=r"^https?://",
        validation_alias="NOTIFICATION_APP_URL",
        examples=["https://app.example.com/"],
    )
    """Where recipients use the product; linked to in mails."""
    support_url: str = Field(
        "mailto:support@orion.local",
        pattern=r"^(https?://|mailto:)",
        validation_alias="NOTIFICATION_SUPPORT_URL",
        examples=["https://example.com/help"],
    )

    public_url: str = Field(
        "http://127.0.0.1:7103",
        pattern=r"^https?://",
        max_length=500,
        validation_alias="NOTIFICATION_PUBLIC_URL",
        examples=["https://api.example.com"],
    )
    """Where this service is reached from outside: links in messages by which somebody unsubscribes or chooses."""

    links_since: AwareDatetime | None = Field(
        None, validation_alias="NOTIFICATION_LINKS_SINCE", examples=["2026-03-01T12:00:00Z"]
    )
    """Ends every such link that was made before, where old messages are in wrong hands; unset: they end by age."""

    mail_from: str = Field(
        "Orion <no-reply@orion.local>",
        validation_alias="NOTIFICATION_FROM",
        examples=["Example <no-reply@example.com>"],
    )
    smtp_host: str = Field("127.0.0.1", validation_alias="NOTIFICATION_SMTP_HOST", examples=["smtp.example.com"])
    smtp_port: int = Field(7125, ge=1, le=65535, validation_alias="NOTIFICATION_SMTP_PORT", examples=["587"])
    smtp_user: str | None = Field(None, validation_alias="NOTIFICATION_SMTP_USER", examples=["orion"])
    smtp_password: SecretStr | None = Field(None, validation_alias="NOTIFICATION_SMTP_PASSWORD", examples=["…"])
    smtp_starttls: bool | None = Field(None, validation_alias="NOTIFICATION_SMTP_STARTTLS", examples=["true"])
    """True demands encryption, false forbids it; unset: demanded, but of a server on this machine."""
    sms_url: str | None = Field(
        None,
        pattern=r"^https?://",
        max_length=2000,
        validation_alias="NOTIFICATION_SMS_URL",
        examples=["https://sms.example.com/messages"],
    )
    """Where SMS are handed over, as JSON; unset: none is sent."""
    sms_token: SecretStr | None = Field(None, validation_alias="NOTIFICATION_SMS_TOKEN", examples=["…"])
    """Shown to that URL as a bearer token."""
    sink_url: str | None = Field(
        None,
        pattern=r"^https?://",
        max_length=2000,
        validation_alias="NOTIFICATION_SINK_URL",
        examples=["http://127.0.0.1:7104"],
    )
    """Where push, Slack and Discord messages go while these channels have no account: the mailbox of a developer."""
    local_targets: bool | None = Field(None, validation_alias="NOTIFICATION_LOCAL_TARGETS", examples=["true"])
    """Whether webhooks, push services and providers may be on this machine and in private networks (then also by
    http).

    Unset: not in production.
    """
    retention: dict[str, str] = retention("NOTIFICATION_RETENTION")
    """How long tables keep their rows, where it is not what they declare (docs/retention.md)."""

    _parse_keyrings = field_validator("sealing_keys", "event_sealing_keys", "user_event_sealing_keys", mode="before")(
        parse_keyring
    )

    @field_validator("mail_from")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parse_sender(value)
        return value

    @property
    def service_proof(self) -> str | Signing:
        """By what this service says to auth who it is."""
        jwk = self.service_private_key
        return self.service_key.get_secret_value() if jwk is None else Signing(jwk, self.issuer)

    @property
    def sender(self) -> Address:
        """`mail_from` as an address."""
        return parse_sender(self.mail_from)

    @property
    def allows_local_targets(self) -> bool:
        """Whether messages may go to addresses that are not public."""
        return self.environment != "production" if self.local_targets is None else self.local_targets


class OperatorSettings(Settings):
    """What operators' commands need: the database, and no key."""

    database_url: DatabaseUrl = database_url("NOTIFICATION_DATABASE_URL", "orion_notifications")


class BounceSettings(OperatorSettings):
    """What a mail server's pipe needs besides: the keys that the return paths of mails are made under."""

    sealing_keys: Keyring = keyring("NOTIFICATION_SEALING_KEYS")

    _parse_keyring = field_validator("sealing_keys", mode="before")(parse_keyring)

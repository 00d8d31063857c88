"""What accounts with providers are set up with: one shape for each provider. Kept sealed as a whole.

`base_url` is where a provider is reached when that is not its usual place: another region, a proxy, a stand-in.
"""

import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Annotated, Any, Literal, get_args

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)
from pydantic import AfterValidator, BaseModel, Field, SecretBytes, SecretStr, ValidationError

from orion_core.errors import FieldError
from orion_core.faults import code_and_sentence
from orion_core.http.shapes import RequestShape
from orion_notifications.kinds import Channel

LINE = r"^[^\x00-\x1f\x7f]*$"
DOMAIN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$"


def parse_sender(text: str) -> Address:
    """`Name <address>` or an address alone; raises ValueError."""
    name, address = parseaddr(text)
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("must be an address, or a name and an address in angle brackets")
    return Address(name, addr_spec=address)


def _sender(text: str) -> str:
    parse_sender(text)
    return text


def _filled(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if not value or len(value) > 10_000 or "\0" in value:
        raise ValueError("must have 1 to 10,000 characters")
    return secret


def _header_safe(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]{1,1000}", secret.get_secret_value()):
        raise ValueError("must be 1 to 1,000 visible ASCII characters")
    return secret


def _secret_url(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"https?://[^\s\x00-\x1f\x7f/?#]+[^\s\x00-\x1f\x7f]*", secret.get_secret_value()):
        raise ValueError("must be an https URL")
    return secret


def _p256(secret: SecretStr) -> SecretStr:
    key = _private_key(secret)
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("must be a private key on P-256 in PEM")
    return secret


def _dkim_key(secret: SecretStr) -> SecretStr:
    key = _private_key(secret)
    if not (isinstance(key, RSAPrivateKey) and key.key_size >= 1024) and not isinstance(key, Ed25519PrivateKey):
        raise ValueError("must be an RSA key of 1024 bits or more (RFC 8301), or an Ed25519 key, in PEM")
    return secret


def _private_key(secret: SecretStr) -> object:
    try:
        return load_pem_private_key(secret.get_secret_value().encode(), None)
    except (ValueError, TypeError) as error:
        raise ValueError("must be a private key in PEM without a password") from error


def _sendgrid_key(text: str) -> str:
    try:
        key = load_der_public_key(b64decode(text, validate=True))
    except ValueError:
        raise ValueError("must be the verification key as SendGrid shows it: base64 of DER") from None
    if not isinstance(key, EllipticCurvePublicKey):
        raise ValueError("must be an elliptic curve's public key")
    return text


Words = Annotated[str, Field(min_length=1, max_length=255, pattern=LINE)]
HttpUrl = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s\x00-\x1f\x7f/?#]+[^\s\x00-\x1f\x7f]*$")]
Secret = Annotated[SecretStr, AfterValidator(_filled)]
Token = Annotated[SecretStr, AfterValidator(_header_safe)]
Sender = Annotated[str, Field(max_length=320), AfterValidator(_sender)]
Domain = Annotated[str, Field(max_length=253, pattern=DOMAIN)]


class ProviderSettings(RequestShape):
    """What all of them have."""

    base_url: HttpUrl | None = None


class Dkim(RequestShape):
    """What mails are signed with (RFC 6376). The public key stands in DNS at `selector._domainkey.domain`."""

    domain: Domain
    selector: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$")]
    private_key: Annotated[SecretStr, AfterValidator(_dkim_key)]


class SmtpSettings(RequestShape):
    """A server that takes our mail."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")]
    port: int = Field(587, ge=1, le=65535, strict=True)
    user: Words | None = None
    password: Secret | None = None
    starttls: bool | None = None
    """False: nothing is encrypted, which private networks alone are for. Unset: demanded, but of this machine."""
    tls: bool = False
    """TLS from the first byte on (RFC 8314), as on port 465."""
    sender: Sender
    dkim: list[Dkim] = Field([], max_length=3)
    bounce_domain: Domain | None = None
    """Where mails that come back go to, each to an address of its own (VERP); unset: to the sender's address."""


class SesSettings(ProviderSettings):
    """Amazon SES, API v2."""

    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")]
    access_key_id: Annotated[str, Field(pattern=r"^[A-Z0-9]{16,128}$")]
    secret_access_key: Token
    sender: Sender
    configuration_set: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    topic_arn: Words | None = None
    """The SNS topic whose call-backs are believed; unset: none are."""


class SendGridSettings(ProviderSettings):
    """Twilio SendGrid, Mail Send v3."""

    api_key: Token
    sender: Sender
    verification_key: Annotated[str, AfterValidator(_sendgrid_key)] | None = None
    """Of the signed event webhook; unset: no call-back is believed."""


class PostmarkSettings(ProviderSettings):
    """Postmark."""

    server_token: Token
    sender: Sender
    message_stream: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")] = "outbound"
    callback_user: Words | None = None
    callback_password: Token | None = None


class MailgunSettings(ProviderSettings):
    """Mailgun. In Europe `base_url` is https://api.eu.mailgun.net."""

    api_key: Token
    domain: Domain
    sender: Sender
    signing_key: Secret | None = None
    """Of its webhooks; unset: no call-back is believed."""


class TwilioSettings(ProviderSettings):
    """Twilio Programmable Messaging."""

    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$")]
    auth_token: Token
    sender: Annotated[str, Field(pattern=r"^(\+[1-9][0-9]{4,14}|[0-9]{3,8}|[A-Za-z0-9 ]{1,11}|MG[0-9a-fA-F]{32})$")]
    """A number, a name, or the SID of a messaging service."""
    public_url: HttpUrl | None = None
    """Where this service is reached from outside: Twilio is told to call back there, and signs the URL."""


class VonageSettings(ProviderSettings):
    """Vonage SMS API."""

    api_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,32}$")]
    api_secret: Token
    sender: Annotated[str, Field(pattern=r"^(\+?[1-9][0-9]{4,14}|[A-Za-z0-9 ]{1,11})$")]
    signature_secret: Secret | None = None
    """Of signed webhooks (JWT); unset: no call-back is believed."""


class HttpSmsSettings(RequestShape):
    """Any gateway that takes JSON."""

    url: HttpUrl
    token: Token | None = None


class SlackWebhookSettings(RequestShape):
    """An incoming webhook of Slack: one channel."""

    url: Annotated[SecretStr, AfterValidator(_secret_url)]


class SlackBotSettings(ProviderSettings):
    """A Slack app's bot, which writes to whom the message names."""

    token: Token
    channel: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,40}$")] | None = None
    """Whom to write to where the message names nobody."""


class DiscordWebhookSettings(RequestShape):
    """A webhook of Discord: one channel."""

    url: Annotated[SecretStr, AfterValidator(_secret_url)]


class AppriseSettings(RequestShape):
    """Any of the services that Apprise knows, by its URL, which holds the secrets."""

    url: Secret


class WebPushSettings(RequestShape):
    """What browsers' push services know us by (VAPID, RFC 8292)."""

    private_key: Annotated[SecretStr, AfterValidator(_p256)]
    subject: Annotated[str, Field(max_length=255, pattern=r"^(mailto:[^\s]+@[^\s]+|https://[^\s]+)$")]
    """Whom a push service turns to when something is wrong."""


class FcmSettings(ProviderSettings):
    """Firebase Cloud Messaging, HTTP v1: what stands in the service account's file."""

    project_id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,61}$")]
    client_email: Annotated[str, Field(max_length=255, pattern=r"^[^\s]+@[^\s]+$")]
    private_key: Secret
    token_uri: HttpUrl = "https://oauth2.googleapis.com/token"


class ApnsSettings(ProviderSettings):
    """Apple's push service, by a token's key (.p8)."""

    team_id: Annotated[str, Field(pattern=r"^[A-Z0-9]{10}$")]
    key_id: Annotated[str, Field(pattern=r"^[A-Z0-9]{10}$")]
    private_key: Annotated[SecretStr, AfterValidator(_p256)]
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,155}$")]
    """The app's bundle id."""
    environment: Literal["production", "development"] = "production"


SETTINGS: Mapping[tuple[Channel, str], type[RequestShape]] = {
    (Channel.EMAIL, "smtp"): SmtpSettings,
    (Channel.EMAIL, "ses"): SesSettings,
    (Channel.EMAIL, "sendgrid"): SendGridSettings,
    (Channel.EMAIL, "postmark"): PostmarkSettings,
    (Channel.EMAIL, "mailgun"): MailgunSettings,
    (Channel.SMS, "twilio"): TwilioSettings,
    (Channel.SMS, "vonage"): VonageSettings,
    (Channel.SMS, "http_sms"): HttpSmsSettings,
    (Channel.PUSH, "web_push"): WebPushSettings,
    (Channel.PUSH, "fcm"): FcmSettings,
    (Channel.PUSH, "apns"): ApnsSettings,
    (Channel.SLACK, "slack_webhook"): SlackWebhookSettings,
    (Channel.SLACK, "slack_bot"): SlackBotSettings,
    (Channel.DISCORD, "discord_webhook"): DiscordWebhookSettings,
    **{(channel, "apprise"): AppriseSettings for channel in (Channel.SMS, Channel.SLACK, Channel.DISCORD)},
}
"""Every provider that there can be accounts with."""

HIDDEN = "•••"


class UnusableSettingsError(ValueError):
    """Settings that are not what the provider asks for."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.detail}" for error in errors))
        self.errors = errors


def parse(channel: Channel, provider: str, settings: Mapping[str, Any]) -> RequestShape:
    """The settings of an account; raises UnusableSettingsError, whose words repeat no value."""
    shape = SETTINGS.get((channel, provider))
    if shape is None:
        known = ", ".join(sorted(name for its, name in SETTINGS if its is channel)) or "none"
        detail = f"{channel.name} has no such provider; there are: {known}."
        raise UnusableSettingsError([FieldError(field="/provider", code="unknown_provider", detail=detail)])
    try:
        return shape.model_validate(settings)
    except ValidationError as error:
        raise UnusableSettingsError(
            [
                FieldError(field="/settings/" + "/".join(str(part) for part in fault["loc"]), code=code, detail=detail)
                for fault in error.errors(include_input=False, include_url=False)
                for code, detail in (code_and_sentence(fault),)
            ]
        ) from None


PLACES = frozenset({"base_url", "host", "port", "url", "token_uri"})
"""The settings that say where a provider is, and so who gets to see the secrets."""


def secrets_led_astray(
    channel: Channel, provider: str, present: Mapping[str, Any], wanted: Mapping[str, Any]
) -> list[str]:
    """The secrets that are kept while the place that they are sent to changes.

    Back to a provider's usual place (null) they may go.
    """
    shape = SETTINGS.get((channel, provider))
    moved = [name for name in PLACES & wanted.keys() if wanted[name] not in (None, present.get(name))]
    if shape is None or not moved:
        return []
    secret = [name for name, field in shape.model_fields.items() if _holds_secrets(field.annotation)]
    return [name for name in secret if present.get(name) is not None and name not in wanted]


def _holds_secrets(kind: object) -> bool:
    """Whether values of a type are secrets or hold some: as an alternative, in a list, or in a shape of their own."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return any(_holds_secrets(field.annotation) for field in kind.model_fields.values())
    if isinstance(kind, type) and issubclass(kind, SecretStr | SecretBytes):
        return True
    return any(_holds_secrets(part) for part in get_args(kind))


def vapid_point(settings: WebPushSettings) -> str:
    """What browsers subscribe with, and what push services know us by: the point on P-256, in base64url."""
    key = load_pem_private_key(settings.private_key.get_secret_value().encode(), None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError("the settings have been checked")
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return urlsafe_b64encode(point).rstrip(b"=").decode()


def plain(settings: RequestShape) -> dict[str, Any]:
    """All of the settings, with the secrets, as JSON."""
    return _opened(settings.model_dump(exclude_unset=True))


def without_secrets(settings: RequestShape) -> dict[str, Any]:
    """The settings as they may be shown."""
    return _opened(settings.model_dump(exclude_unset=True), hide=True)


def _opened(value: Any, *, hide: bool = False) -> Any:
    match value:
        case SecretStr():
            return HIDDEN if hide else value.get_secret_value()
        case dict():
            return {name: _opened(part, hide=hide) for name, part in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [_opened(part, hide=hide) for part in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value

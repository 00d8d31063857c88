"""What auth can be told, from the environment and `.env`."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from orion_auth.relying_party import RelyingParty, relying_party
from orion_auth.session_policy import Lifetime, SessionPolicy
from orion_auth.two_factor_methods import TwoFactorMethod
from orion_core.sealing import Keyring
from orion_core.settings import DatabaseUrl, ServiceSettings, database_url, keyring, parse_keyring, retention
from orion_core.signatures import ALGORITHMS, Algorithm, verifying_key

Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class AuthSettings(ServiceSettings):
    """The settings of auth."""

    database_url: DatabaseUrl = database_url("AUTH_DATABASE_URL", "orion_auth")
    sealing_keys: Keyring = keyring("AUTH_SEALING_KEYS")
    """Seals signing keys; also what the codes in mails are hashed under."""
    event_sealing_keys: Keyring = keyring("EVENT_SEALING_KEYS")
    """Shared with notifications: seals the secrets of mails inside events."""
    service_key_hashes: dict[str, Sha256Hex] = Field(
        default={},
        validation_alias="AUTH_SERVICE_KEY_HASHES",
        examples=['{"user": "<SHA-256 of the key, 64 hexadecimal digits>", "notifications": "…"}'],
    )
    """Who may act as which service, by the SHA-256 of its key; the keys themselves are with those services."""
    service_public_keys: dict[str, dict[str, Any]] = Field(
        default={},
        validation_alias="AUTH_SERVICE_PUBLIC_KEYS",
        examples=['{"user": {"kty": "EC", "crv": "P-256", "alg": "ES256", "x": "…", "y": "…"}}'],
    )
    """The public keys (JWK, with `alg`) of services that sign instead of showing a key (private_key_jwt, RFC 7523)."""
    client_authentication: Literal["any", "private_key_jwt"] = Field(
        "any", validation_alias="AUTH_CLIENT_AUTHENTICATION", examples=["private_key_jwt"]
    )
    """How services say who they are: `private_key_jwt` takes no key that is shown, of which the hash is kept."""
    public_url: str | None = Field(None, validation_alias="AUTH_PUBLIC_URL", examples=["https://auth.example.com"])
    """Prefix of the links in mails; unset: the same as `AUTH_URL`."""
    refused_domains: Path | None = Field(
        None, validation_alias="AUTH_REFUSED_DOMAINS", examples=["/etc/orion/disposable-domains.txt"]
    )
    """A file with one domain a line, such as those of disposable mailboxes: no address of it, or below it, is taken."""
    requires_mx: bool = Field(default=False, validation_alias="AUTH_REQUIRES_MX", examples=["true"])
    """Whether the domain of a new address must take mail, by its MX records. A slow name server keeps nobody out."""
    sign_in_url: str | None = Field(
        None, validation_alias="AUTH_SIGN_IN_URL", examples=["https://app.example.com/sign-in"]
    )
    """The application's page that sign-in mails link to, with `#token=…`; unset: they hold a code only."""
    sign_in_mails: bool = Field(default=True, validation_alias="AUTH_SIGN_IN_MAILS", examples=["false"])
    """Whether a code or a link in a mail lets somebody in; false where nothing may rest on mail."""
    second_factors: frozenset[TwoFactorMethod] = Field(
        default=frozenset(TwoFactorMethod),
        validation_alias="AUTH_SECOND_FACTORS",
        examples=['["TOTP", "HARDWARE_KEY", "BACKUP_CODE"]'],
    )
    """What may be a second factor. Without EMAIL, nobody is mailed a code when his sign-in looks risky."""
    two_factor_required: Literal["off", "all"] = Field(
        default="off", validation_alias="AUTH_TWO_FACTOR_REQUIRED", examples=["all"]
    )
    """Whether everybody must have a second factor: who has none sets one up before his next session begins. It can be
    required of single users besides."""
    totp_drift: int = Field(1, ge=0, le=1, validation_alias="AUTH_TOTP_DRIFT", examples=["0"])
    """Time steps of 30 seconds that the clock of an authenticator app may be apart, either way. 0: a code is good for
    its own 30 seconds alone, and whoever types slowly types twice."""
    recovery_by_email: bool = Field(default=True, validation_alias="AUTH_RECOVERY_BY_EMAIL", examples=["false"])
    """Whether a code to another address can take the place of lost second factors; a phone still can."""
    workers: int = Field(1, ge=1, le=256, validation_alias="ORION_WORKERS", examples=["2"])
    """Processes of auth on this machine; `orion serve --workers` says it by itself."""
    hashing_threads: int | None = Field(None, ge=1, le=256, validation_alias="AUTH_HASHING_THREADS", examples=["2"])
    """Passwords hashed at the same moment by one process; each costs a core and 19 MiB meanwhile. Unset: the processors
    shared out among the workers, at least one for each."""
    hashing_patience_ms: int = Field(
        1000, ge=10, le=60_000, validation_alias="AUTH_HASHING_PATIENCE_MS", examples=["1000"]
    )
    """How long a password may wait to be hashed; whoever would wait longer gets 503 and `Retry-After` at once."""
    local_providers: bool | None = Field(None, validation_alias="AUTH_LOCAL_PROVIDERS", examples=["true"])
    """Whether providers of social login may be on this machine (then also by plain http) and in private networks.

    Unset: not in production.
    """
    provider_timeout: float = Field(8.0, gt=0, le=60, validation_alias="AUTH_PROVIDER_TIMEOUT_SECONDS", examples=["8"])
    """How long a provider of social login may take for one answer."""
    product_name: str = Field(
        "Orion", min_length=1, max_length=40, validation_alias="AUTH_PRODUCT_NAME", examples=["Orion"]
    )
    """What users call the product, and authenticator apps their accounts; a password made of it is easy to guess."""
    password_minimum_score: int = Field(2, ge=0, le=4, validation_alias="AUTH_PASSWORD_MINIMUM_SCORE", examples=["2"])
    """What zxcvbn has to make of a new password, 0 to 4. 2 is what eight random characters reach; 3 asks for more."""
    breached_passwords: str | None = Field(
        None,
        min_length=1,
        validation_alias="AUTH_BREACHED_PASSWORDS",
        examples=["/var/lib/pwned-passwords", "https://api.pwnedpasswords.com/range"],
    )
    """Passwords known from breaches, in the range format of Have I Been Pwned; unset: only the most common are refused.

    A folder of range files, one file of sorted hashes, or the URL of the service, which is sent five digits of a hash.
    """
    return_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias="AUTH_RETURN_URLS", examples=["https://app.example.com/signed-in,https://example.com"]
    )
    """Where the browser may be sent after social login: to these origins, at these paths or below; else nowhere."""
    session_days: int = Field(30, ge=1, le=400, validation_alias="AUTH_SESSION_DAYS", examples=["30"])
    """A session ends this long after sign-in, however much it is used."""
    session_idle_days: int = Field(14, ge=1, le=400, validation_alias="AUTH_SESSION_IDLE_DAYS", examples=["14"])
    """A session ends when it is not used for this long."""
    brief_session_minutes: int = Field(
        720, ge=15, le=10_080, validation_alias="AUTH_BRIEF_SESSION_MINUTES", examples=["720"]
    )
    """A session that is not to be remembered (`"remember": false`) ends this long after sign-in."""
    brief_session_idle_minutes: int = Field(
        60, ge=15, le=10_080, validation_alias="AUTH_BRIEF_SESSION_IDLE_MINUTES", examples=["60"]
    )
    """A session that is not to be remembered ends when it is not used for this long."""
    sessions_per_user: int = Field(50, ge=1, le=1000, validation_alias="AUTH_SESSIONS_PER_USER", examples=["50"])
    """Sessions of one user at a time; the next one ends the one that was not used for longest."""
    signing_algorithm: Algorithm = Field("ES256", validation_alias="AUTH_SIGNING_ALGORITHM", examples=["ES256"])
    """What access tokens are signed with: ES256, EdDSA or RS256. ES256 costs least for a token that is signed once and
    checked once by each of a few processes (bench/signatures.py). A change comes into force as a rotation does."""
    signing_key_days: int = Field(90, ge=1, le=3650, validation_alias="AUTH_SIGNING_KEY_DAYS", examples=["90"])
    """How long a key signs before the next one takes over."""
    places_database: Path | None = Field(
        None, validation_alias="AUTH_PLACES_DATABASE", examples=["/var/lib/GeoIP/GeoLite2-City.mmdb"]
    )
    """Where addresses are looked up: a database in MaxMind's format. Unset: no place is known."""
    anonymising_networks: Path | None = Field(
        None, validation_alias="AUTH_ANONYMISING_NETWORKS", examples=["/var/lib/orion/anonymising.txt"]
    )
    """Networks through which people hide where they are, one a line; unset: no address is taken for one."""
    device_trust_days: int = Field(30, ge=1, le=365, validation_alias="AUTH_DEVICE_TRUST_DAYS", examples=["30"])
    """How long a device that its owner trusts is spared the second factor."""
    passkey_domain: str | None = Field(
        None, min_length=1, max_length=253, validation_alias="AUTH_PASSKEY_DOMAIN", examples=["example.com"]
    )
    """What passkeys are bound to (the RP ID): a domain that all pages below are on. Unset: the host of the first.
    Whoever changes it makes every passkey worthless."""
    passkey_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias="AUTH_PASSKEY_ORIGINS", examples=["https://app.example.com,https://example.com"]
    )
    """The origins of the pages that may use passkeys, each https or http://localhost. Unset: passkeys are off."""
    recovery_delay_hours: int = Field(72, ge=1, le=720, validation_alias="AUTH_RECOVERY_DELAY_HOURS", examples=["72"])
    """How long the recovery of an account waits whose second factors are lost; its owner, who is told at once, can
    refuse it meanwhile. Long enough to read one's mail after a weekend."""
    retention: dict[str, str] = retention("AUTH_RETENTION")
    """How long tables keep their rows, where it is not what they declare (docs/retention.md)."""

    @field_validator("service_public_keys")
    @classmethod
    def _are_keys(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, jwk in value.items():
            if jwk.get("alg") not in ALGORITHMS or "d" in jwk:
                raise ValueError(f"the key of {name} is no public JWK with alg one of {', '.join(ALGORITHMS)}")
            verifying_key(jwk, jwk["alg"])
        return value

    _parse_keyrings = field_validator("sealing_keys", "event_sealing_keys", mode="before")(parse_keyring)

    @field_validator("return_urls", "passkey_origins", mode="before")
    @classmethod
    def _split_urls(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("passkey_origins")
    @classmethod
    def _fit_the_domain(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        relying_party(info.data.get("passkey_domain"), value, "")
        return value

    @property
    def relying_party(self) -> RelyingParty | None:
        """Who we are to authenticators; None when no page may use passkeys."""
        return relying_party(self.passkey_domain, self.passkey_origins, self.product_name)

    @property
    def threads_to_hash(self) -> int:
        """How many threads of this process hash."""
        return self.hashing_threads or max(1, (os.cpu_count() or 1) // self.workers)

    @property
    def session_policy(self) -> SessionPolicy:
        """How long sessions last, and how many a user may have."""
        return SessionPolicy(
            remembered=Lifetime(timedelta(days=self.session_days), timedelta(days=self.session_idle_days)),
            unremembered=Lifetime(
                timedelta(minutes=self.brief_session_minutes), timedelta(minutes=self.brief_session_idle_minutes)
            ),
            most=self.sessions_per_user,
        )

    @property
    def recovery_delay(self) -> timedelta:
        """How long a recovery waits."""
        return timedelta(hours=self.recovery_delay_hours)

    @property
    def link_prefix(self) -> str:
        """What links in mails begin with, without a slash at the end."""
        return (self.public_url or self.auth_url).rstrip("/")

    @property
    def allows_local_providers(self) -> bool:
        """Whether providers may be where the public internet is not."""
        return self.environment != "production" if self.local_providers is None else self.local_providers

"""Settings from the environment and `.env`, read once, with errors that a person can act on."""

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as UndecodableError

from orion_core.database import asyncpg_arguments
from orion_core.faults import code_and_words
from orion_core.retention.policy import Policy, read_policy
from orion_core.sealing import Keyring
from orion_core.service import Service

_RETENTION_EXAMPLE = '{"outbox": "60 days"}'

Environment = Literal["development", "test", "production"]


class SettingsError(Exception):
    """One or more settings are missing or wrong; the message names each variable, its fault and an example."""


class Settings(BaseSettings):
    """What every process of Orion can be told. A service adds its own; each field names its environment variable."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True
    )

    environment: Environment = Field("development", validation_alias="ORION_ENV", examples=["production"])
    log_format: Literal["json", "text"] = Field("json", validation_alias="ORION_LOG_FORMAT", examples=["json"])
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", validation_alias="ORION_LOG_LEVEL", examples=["info"]
    )

    @classmethod
    def load(cls) -> Self:
        """Read the settings, or raise `SettingsError` that says for each wrong variable what to do."""
        try:
            return cls()  # pyright: ignore[reportCallIssue] - the values come from the environment
        except ValidationError as error:
            faults = [_fault(cls, dict(entry)) for entry in error.errors(include_url=False, include_input=False)]
            raise SettingsError("\n".join(faults)) from None
        except UndecodableError as error:
            raise SettingsError(_undecodable(cls, str(error))) from None

    def __repr__(self) -> str:
        """The name alone: settings hold passwords and keys, and end up in tracebacks."""
        return f"{type(self).__name__}(…)"

    __str__ = __repr__


class ServiceSettings(Settings):
    """What the three services share."""

    auth_url: str = Field("http://127.0.0.1:7101", validation_alias="AUTH_URL", examples=["http://auth.internal:7101"])
    """Where the other services reach auth; also the prefix of the links in its mails unless that is said."""
    user_url: str = Field("http://127.0.0.1:7102", validation_alias="USER_URL", examples=["http://user.internal:7102"])
    """Where the other services reach user: they follow what is decided there about users."""
    issuer: str = Field("http://127.0.0.1:7101", validation_alias="AUTH_ISSUER", examples=["https://auth.example.com"])
    """`iss` of access tokens (RFC 9068); the same value for all services."""
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (), validation_alias="ORION_TRUSTED_PROXIES", examples=["10.0.0.0/8,fd00::/8"]
    )
    """Networks whose `X-Forwarded-For` is believed. Nobody's, unless it is said."""
    public_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias="ORION_PUBLIC_URLS", examples=["https://api.example.com"]
    )
    """What clients' URLs of this service begin with, for the proofs of RFC 9449 (docs/dpop.md). Unset: any host."""
    dpop_required: Literal["off", "all"] = Field("off", validation_alias="ORION_DPOP_REQUIRED", examples=["all"])
    """Whether every token must be bound to a key of its holder (docs/dpop.md), also those of services: auth gives no
    others, and no service takes others."""
    pool_size: int = Field(10, ge=1, le=200, validation_alias="ORION_POOL_SIZE", examples=["10"])
    """Database connections of one worker process."""
    body_limit: int = Field(262_144, ge=1024, validation_alias="ORION_BODY_LIMIT", examples=["262144"])
    """Largest request body in bytes."""

    @field_validator("public_urls")
    @classmethod
    def _have_scheme_and_host(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", url) for url in urls):
            raise ValueError("each must begin with https:// or http:// and name a host")
        return urls

    @field_validator("trusted_proxies", "public_urls", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def database_url(variable: str, example_database: str) -> Any:
    """A required PostgreSQL URL from `variable`."""
    return Field(validation_alias=variable, examples=[f"postgresql://user:password@localhost:5432/{example_database}"])


def keyring(variable: str) -> Any:
    """A required keyring from `variable`: `id:base64,…`, the first key seals, all of them open."""
    return Field(validation_alias=variable, examples=[f"{Keyring.example()} (make one with: orion keys new 2026a)"])


def service_private_key(variable: str) -> Any:
    """A service's own key from `variable`, by which it signs instead of showing one (private_key_jwt, RFC 7523)."""
    return Field(
        default=None, validation_alias=variable, examples=["(make one with: orion keys service user --signing)"]
    )


def retention(variable: str) -> Any:
    """How long tables keep their rows, where it is not what they declare, from `variable`: `{"table": "90 days"}`."""
    return Field(default=dict[str, str](), validation_alias=variable, examples=[_RETENTION_EXAMPLE])


def retention_policy(service: Service, overrides: Mapping[str, str]) -> Policy:
    """What goes from the tables of `service` under its setting of retention. Raises `SettingsError`."""
    try:
        return read_policy(service.metadata, overrides)
    except ValueError as error:
        variable = service.retention_variable
        raise SettingsError(f"{variable} is wrong: {error}. Example: {variable}={_RETENTION_EXAMPLE}") from None


def parse_keyring(value: object, info: ValidationInfo) -> object:
    """Validator for keyring fields: text from the environment becomes a `Keyring`. The example's key seals nothing in
    production: everybody has it.
    """
    if not isinstance(value, str):
        return value
    keys = Keyring.parse(value)
    published = Keyring.parse(Keyring.example()).keys.values()
    if info.data.get("environment") == "production" and not set(published).isdisjoint(keys.keys.values()):
        raise ValueError("it holds the key of the example; make one with: orion keys new 2026a")
    return keys


def _postgres_url(value: str) -> str:
    asyncpg_arguments(value)
    return value


DatabaseUrl = Annotated[str, AfterValidator(_postgres_url)]
"""A URL as libpq and Prisma write it; see `orion_core.database.asyncpg_arguments`."""


def _fault(settings: type[Settings], entry: dict[str, Any]) -> str:
    named = str(entry["loc"][0])  # the variable; of a default that is not good enough, the field
    fields = settings.model_fields
    field = fields.get(named) or next((each for each in fields.values() if each.validation_alias == named), None)
    reason = "is not set" if entry["type"] == "missing" else f"is wrong: {code_and_words(entry)[1]}"
    return f"{field.validation_alias} {reason}.{_example(field)}" if field else f"{named} {reason}."


def _undecodable(settings: type[Settings], message: str) -> str:
    """The source of settings reads JSON for lists and mappings, and its error names the field, not the variable."""
    name = re.search(r'field "(\w+)"', message)
    field = settings.model_fields.get(name[1]) if name else None
    return f"{field.validation_alias} is wrong: it is not JSON.{_example(field)}" if field else message


def _example(field: FieldInfo) -> str:
    return f" Example: {field.validation_alias}={field.examples[0]}" if field.examples else ""

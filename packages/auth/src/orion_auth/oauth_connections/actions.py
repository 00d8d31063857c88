"""Configuring providers, and reading them for those who sign in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth import audit_trail
from orion_auth.audit_trail import Entry
from orion_auth.base import AnyRow
from orion_auth.oauth_connections import store
from orion_auth.oauth_connections.presets import Preset, beginning
from orion_auth.oauth_connections.rules import Fault, faults, is_of_others, leads_elsewhere
from orion_auth.oauth_connections.shapes import Connection, Discovered
from orion_auth.providers.actions import Providers
from orion_auth.providers.rules import Provider, ProviderError
from orion_core.database import Database
from orion_core.errors import FieldError, Problem, not_found
from orion_core.http.etags import etag
from orion_core.ids import uuid7
from orion_core.sealing import Keyring, place

RequireMatch = Callable[[str], None]
"""Given the present ETag, raises unless the caller has seen it."""


@dataclass(frozen=True)
class Configuration:
    """What configuring needs: where connections are kept, what seals their secrets, and what is allowed."""

    database: Database
    keyring: Keyring
    public_prefix: str
    local: bool
    """Whether providers may be on this machine and in private networks."""
    by_operator: bool = False
    """Whether it is the operator who configures."""

    def redirect_uri(self, name: str) -> str:
        """Where the provider sends people back to; to be registered there to the letter."""
        return f"{self.public_prefix}/auth/v1/oauth-connections/{name}/callback"


async def list_all(configuration: Configuration) -> list[Connection]:
    """Every connection."""
    async with configuration.database.autocommit() as connection:
        return [_shown(configuration, row) for row in await store.list_all(connection)]


async def read(configuration: Configuration, name: str) -> Connection:
    """One connection; a 404 Problem when there is none of that name."""
    async with configuration.database.autocommit() as connection:
        return _shown(configuration, _found(await store.find(connection, name)))


async def create(
    configuration: Configuration, name: str, preset: Preset | None, said: dict[str, Any], now: datetime
) -> Connection:
    """Add a connection from a preset and what is said beside it; a 403 Problem as for `change`."""
    connection_id = uuid7()
    values = beginning(preset) | said | {"name": name}
    _refuse_faults(configuration, values)
    _refuse_deciding(configuration, values)
    sealed = {"id": connection_id, "client_secret": _seal(configuration, connection_id, values["client_secret"])}
    try:
        async with configuration.database.transaction() as transaction:
            await store.insert_connection(transaction.connection, values | sealed)
            await audit_trail.record(transaction, _entry("create", connection_id, name, {}, _told(values)), now)
    except IntegrityError:
        error = FieldError(field="/name", code="name_taken", detail="There is a connection of this name.")
        raise Problem(409, "name_taken", "Name taken", "Choose another name.", errors=[error]) from None
    return await read(configuration, name)


async def change(
    configuration: Configuration, name: str, said: dict[str, Any], require: RequireMatch, now: datetime
) -> Connection:
    """Change a connection. What results is judged as a whole.

    A 409 Problem when by the change others would say who the people are that are linked through it; 422 when the secret
    that is kept would go to another place than it was given for; 403 for anybody but the operator where the provider
    lets people into the accounts of others' addresses, unless it is only switched off.
    """
    async with configuration.database.transaction() as transaction:
        row = _found(await store.hold(transaction.connection, name))
        require(etag(_shown(configuration, row)))
        secret = said.get("client_secret", "kept" if row.client_secret is not None else None)
        values = {**row._mapping, **said, "client_secret": secret}  # noqa: SLF001
        _refuse_faults(configuration, values)
        if said != {"is_enabled": False}:
            _refuse_deciding(configuration, values)
        before, after = _as_provider(dict(row._mapping)), _as_provider(values)  # noqa: SLF001
        if "client_secret" not in said and secret is not None and leads_elsewhere(before, after):
            raise _secret_needed()
        if is_of_others(before, after) and await store.is_in_use(transaction.connection, name, now):
            detail = (
                "Accounts are linked through this provider, and by this change another one, or another claim, would "
                "say whose they are. Add a connection of another name for it, and switch this one off."
            )
            raise Problem(409, "connection_in_use", "Connection in use", detail)
        if "client_secret" in said:
            said = {**said, "client_secret": _seal(configuration, row.id, said["client_secret"])}
        await store.change(transaction.connection, row.id, said, now)
        old = {field: row._mapping[field] for field in said}  # noqa: SLF001
        await audit_trail.record(transaction, _entry("update", row.id, name, _told(old), _told(said)), now)
    return await read(configuration, name)


async def remove(configuration: Configuration, name: str, require: RequireMatch, now: datetime) -> None:
    """Delete a connection; a 409 Problem while accounts are linked through it."""
    try:
        async with configuration.database.transaction() as transaction:
            row = _found(await store.hold(transaction.connection, name))
            require(etag(_shown(configuration, row)))
            await store.remove(transaction.connection, row.id)
            shown = _shown(configuration, row).model_dump(mode="json")
            await audit_trail.record(transaction, _entry("delete", row.id, name, shown, {}), now)
    except IntegrityError:
        detail = "Accounts are linked through this provider; switch it off (is_enabled) instead of deleting it."
        raise Problem(409, "connection_in_use", "Connection in use", detail) from None


async def discover(configuration: Configuration, providers: Providers, name: str) -> Discovered:
    """Ask the provider now what it says of itself; a 502 Problem that says what is wrong with it."""
    async with configuration.database.autocommit() as connection:
        provider = _provider(configuration.keyring, _found(await store.find(connection, name)))
    try:
        endpoints, keys = await providers.directory.examine(provider)
    except ProviderError as error:
        raise Problem(502, "provider_unusable", "Provider unusable", f"{error.reason}: {error.detail}.") from error
    return Discovered(
        issuer=provider.issuer,
        authorization_url=endpoints.authorization,
        token_url=endpoints.token,
        userinfo_url=endpoints.userinfo,
        jwks_url=endpoints.jwks,
        keys=keys,
        answers_with_issuer=endpoints.answers_with_issuer,
    )


async def enabled(connection: AsyncConnection, keyring: Keyring, name: str) -> Provider | None:
    """The provider of that name, ready to be spoken to; None when there is none, or it is switched off."""
    row = await store.find(connection, name)
    return _provider(keyring, row) if row is not None and row.is_enabled else None


async def list_enabled(connection: AsyncConnection) -> list[tuple[str, str | None]]:
    """Name and display name of every provider that is switched on."""
    return [(row.name, row.display_name) for row in await store.list_enabled(connection)]


def _entry(verb: str, connection_id: UUID, name: str, old: dict[str, Any], new: dict[str, Any]) -> Entry:
    told = new | {"name": name} if verb == "create" else new
    return Entry(f"oauth_connection.{verb}", "oauth_connection", str(connection_id), old=old, new=told)


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """What the audit trail tells of a connection: of the secret, that it was set."""
    return {field: "[set]" if field == "client_secret" and value else value for field, value in values.items()}


def _found(row: AnyRow | None) -> AnyRow:
    if row is None:
        raise not_found("connection")
    return row


def _provider(keyring: Keyring, row: AnyRow) -> Provider:
    secret = row.client_secret
    opened = keyring.open(secret, _place(row.id)).decode() if secret is not None else None
    return _as_provider({**row._mapping, "client_secret": opened})  # noqa: SLF001


def _as_provider(values: dict[str, Any]) -> Provider:
    known: dict[str, Any] = {name: values[name] for name in Provider.__dataclass_fields__}
    known |= {name: tuple(values[name]) for name in ("scopes", "auto_link_domains")}
    return Provider(**known)


def _refuse_faults(configuration: Configuration, values: dict[str, Any]) -> None:
    found = faults(_as_provider(values), local=configuration.local)
    if found:
        raise _unusable(found)


def _refuse_deciding(configuration: Configuration, values: dict[str, Any]) -> None:
    """Whoever says who decides whose an address is could be anybody who has one like it, and may what they may."""
    if values["auto_link_domains"] and not configuration.by_operator:
        detail = (
            "A provider with auto_link_domains lets people into accounts that others have, so only the operator "
            "configures it. Leave them out, or ask whoever has the operator's key. Nothing was changed."
        )
        raise Problem(403, "operator_only", "Not allowed", detail)


def _unusable(found: list[Fault]) -> Problem:
    errors = [FieldError(field=f"/{field}", code="unusable", detail=f"{fault}.") for field, fault in found]
    detail = f"{len(errors)} field{'s are' if len(errors) > 1 else ' is'} wrong; see errors. Nothing was changed."
    return Problem(422, "invalid_fields", "Invalid fields", detail, errors=errors)


def _secret_needed() -> Problem:
    return _unusable([("client_secret", "it is sent to another place by this change; give it again")])


def _seal(configuration: Configuration, connection_id: UUID, secret: str | None) -> bytes | None:
    return configuration.keyring.seal(secret.encode(), _place(connection_id)) if secret is not None else None


def _place(connection_id: UUID) -> str:
    return place("oauth_connections", "client_secret", connection_id)


def _shown(configuration: Configuration, row: AnyRow) -> Connection:
    values = {name: row._mapping[name] for name in Connection.model_fields if name in row._mapping}  # noqa: SLF001
    return Connection(
        **values, has_client_secret=row.client_secret is not None, redirect_uri=configuration.redirect_uri(row.name)
    )

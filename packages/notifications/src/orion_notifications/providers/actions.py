"""What can be done with provider accounts: administrators set them up, workers read them and share their limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError

from orion_core.database import Database
from orion_core.errors import FieldError, Problem, not_found
from orion_core.http.shapes import RequestShape
from orion_core.ids import uuid7
from orion_core.sealing import Keyring, SealError, place
from orion_core.wakeup import Wakeup
from orion_notifications import audit_trail, provider_settings
from orion_notifications.audit_trail import Entry
from orion_notifications.kinds import Channel
from orion_notifications.provider_settings import UnusableSettingsError, WebPushSettings, vapid_point
from orion_notifications.providers import store
from orion_notifications.providers.rules import ProviderHealth, burst
from orion_notifications.providers.shapes import AccountChanges, AccountShape, NewAccount, account_etag, shown

PROVIDERS_CHANNEL = "providers"
"""NOTIFY channel on which workers hear that accounts have changed."""
CALLBACKS = frozenset({"ses", "sendgrid", "postmark", "mailgun", "twilio", "vonage"})

log = structlog.get_logger()


@dataclass(frozen=True)
class Account:
    """An account as those see it who send through it."""

    id: UUID
    channel: Channel
    provider: str
    name: str
    settings: RequestShape = field(repr=False)
    weight: int
    rate_limit: int | None
    rate_limit_seconds: int
    is_enabled: bool
    health: ProviderHealth
    health_changed_at: datetime | None


@dataclass(frozen=True)
class Office:
    """What setting accounts up needs; whoever asks has been let in."""

    database: Database
    keyring: Keyring = field(repr=False)
    now: datetime
    bell: Wakeup
    """Rung after a change, so that workers take it up at once."""


async def list_all(office: Office) -> list[AccountShape]:
    """Every account."""
    async with office.database.autocommit() as connection:
        return [_shown(row, office.keyring) for row in await store.list_all(connection)]


async def read(office: Office, account_id: UUID) -> AccountShape:
    """One account; a 404 Problem when there is none of that id."""
    async with office.database.autocommit() as connection:
        return _shown(_found(await store.find(connection, account_id)), office.keyring)


async def create(office: Office, wanted: NewAccount) -> AccountShape:
    """A new account; 422 when its settings are not what the provider asks for, 409 when its name is taken."""
    account_id = uuid7()
    settings = _parse(Channel[wanted.channel], wanted.provider, wanted.settings)
    values = wanted.model_dump(exclude={"settings"}) | {"id": account_id, "channel": Channel[wanted.channel]}
    values["sealed_credentials"] = _seal(settings, account_id, office.keyring)
    async with office.database.transaction() as transaction:
        await _unless_taken(store.add(transaction.connection, values))
        made = _shown(_found(await store.find(transaction.connection, account_id)), office.keyring)
        entry = Entry("provider.create", "provider", str(account_id), new=_told(made))
        await audit_trail.record(transaction, entry, office.now)
        transaction.after_commit(office.bell.ring)
    return made


async def change(
    office: Office, account_id: UUID, changes: AccountChanges, require: Callable[[str], None]
) -> AccountShape:
    """Change an account. Settings are changed one by one; null takes one out."""
    async with office.database.transaction() as transaction:
        row = _found(await store.find(transaction.connection, account_id, lock=True))
        before = _shown(row, office.keyring)
        require(account_etag(before))
        values = changes.model_dump(exclude_unset=True, exclude={"settings"})
        if changes.settings:
            present = _opened(row, office.keyring)
            _keep_secrets_to_their_place(row, present, changes.settings)
            merged = {name: value for name, value in {**present, **changes.settings}.items() if value is not None}
            settings = _parse(row["channel"], row["provider"], merged)
            values["sealed_credentials"] = _seal(settings, account_id, office.keyring)
        if values:
            await _unless_taken(store.change(transaction.connection, account_id, values))
        after = _shown(_found(await store.find(transaction.connection, account_id)), office.keyring)
        entry = Entry("provider.update", "provider", str(account_id), old=_told(before), new=_told(after))
        await audit_trail.record(transaction, entry, office.now)
        transaction.after_commit(office.bell.ring)
    return after


async def remove(office: Office, account_id: UUID, require: Callable[[str], None]) -> None:
    """End an account. What it has sent stays on record under its provider's name."""
    async with office.database.transaction() as transaction:
        before = _shown(_found(await store.find(transaction.connection, account_id, lock=True)), office.keyring)
        require(account_etag(before))
        await store.remove(transaction.connection, account_id)
        entry = Entry("provider.delete", "provider", str(account_id), old=_told(before))
        await audit_trail.record(transaction, entry, office.now)
        transaction.after_commit(office.bell.ring)


async def accounts(database: Database, keyring: Keyring) -> list[Account]:
    """Every account that can be opened. One that cannot is said so, and keeps nobody from the others."""
    async with database.autocommit() as connection:
        rows = await store.list_all(connection)
    found = (_account(row, keyring) for row in rows)
    return [account for account in found if account is not None]


async def account(database: Database, keyring: Keyring, account_id: UUID) -> Account | None:
    """One account, where there is one that can be opened."""
    async with database.autocommit() as connection:
        row = await store.find(connection, account_id)
    return None if row is None else _account(row, keyring)


async def is_only(database: Database, account: Account) -> bool:
    """Whether there is no other account with its provider."""
    async with database.autocommit() as connection:
        return await store.is_only(connection, account.provider)


async def web_push_key(database: Database, keyring: Keyring) -> str | None:
    """The public key that browsers subscribe with; None while there is no account for Web Push."""
    found = (account.settings for account in await accounts(database, keyring) if account.is_enabled)
    return next((vapid_point(settings) for settings in found if isinstance(settings, WebPushSettings)), None)


async def take_tokens(database: Database, account: Account, wanted: int) -> tuple[int, float]:
    """How many messages may leave through an account now, `wanted` at most, and in how many seconds the next may."""
    if account.rate_limit is None:
        return wanted, 0.0
    interval = account.rate_limit_seconds / account.rate_limit
    size = burst(account.rate_limit)
    async with database.autocommit() as connection:
        return await store.take(connection, account.id, wanted=wanted, burst=size, interval=interval)


async def tell_health(database: Database, account_id: UUID, health: ProviderHealth) -> None:
    """Let the other workers and administrators know how an account is doing."""
    async with database.autocommit() as connection:
        await store.tell_health(connection, account_id, health)


def _account(row: RowMapping, keyring: Keyring) -> Account | None:
    try:
        settings = provider_settings.parse(row["channel"], row["provider"], _opened(row, keyring))
    except (SealError, UnusableSettingsError) as error:
        log.error("provider.unusable", account_id=str(row["id"]), reason=type(error).__name__)
        return None
    names = ("id", "channel", "provider", "name", "weight", "rate_limit", "rate_limit_seconds", "is_enabled")
    values = {name: row[name] for name in (*names, "health", "health_changed_at")}
    return Account(settings=settings, **values)


def _seal(settings: RequestShape, account_id: UUID, keyring: Keyring) -> bytes:
    return keyring.seal(orjson.dumps(provider_settings.plain(settings)), _place(account_id))


def _opened(row: RowMapping, keyring: Keyring) -> dict[str, Any]:
    sealed = row["sealed_credentials"]
    return {} if sealed is None else orjson.loads(keyring.open(sealed, _place(row["id"])))


def _place(account_id: UUID) -> str:
    return place("provider_accounts", "sealed_credentials", account_id)


def _shown(row: RowMapping, keyring: Keyring) -> AccountShape:
    """An account that cannot be opened (its key is gone, its provider is) is shown without settings, to be mended."""
    try:
        parsed = provider_settings.parse(row["channel"], row["provider"], _opened(row, keyring))
        settings = provider_settings.without_secrets(parsed)
    except (SealError, UnusableSettingsError):
        settings = {}
    path = f"/notifications/v1/callbacks/{row['id']}" if row["provider"] in CALLBACKS else None
    return shown(row, settings, path)


def _told(account: AccountShape) -> dict[str, Any]:
    """What the audit trail keeps: which settings there are, not what they say."""
    told = account.model_dump(mode="json", exclude={"settings", "health", "health_changed_at", "created_at"})
    return told | {"settings": sorted(account.settings)}


def _parse(channel: Channel, provider: str, settings: Mapping[str, Any]) -> RequestShape:
    try:
        return provider_settings.parse(channel, provider, settings)
    except UnusableSettingsError as error:
        number = len(error.errors)
        words = "1 field is wrong" if number == 1 else f"{number} fields are wrong"
        raise Problem(422, "invalid_fields", "Invalid fields", f"{words}; see errors.", errors=error.errors) from None


def _keep_secrets_to_their_place(row: RowMapping, present: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """422 when a secret that is not given anew would go somewhere else: nobody who lacks it may have it sent to him."""
    if missing := provider_settings.secrets_led_astray(row["channel"], row["provider"], present, wanted):
        detail = "It would be sent to another place than it was given for: give it again, with the place."
        errors = [FieldError(field=f"/settings/{name}", code="secret_required", detail=detail) for name in missing]
        raise Problem(422, "invalid_fields", "Invalid fields", detail, errors=errors)


async def _unless_taken(writing: Any) -> None:
    try:
        await writing
    except IntegrityError as error:
        fault = FieldError(field="/name", code="name_taken", detail="The channel has an account of this name.")
        raise Problem(409, "name_taken", "Name taken", "Choose another name.", errors=[fault]) from error


def _found(row: RowMapping | None) -> RowMapping:
    if row is None:
        raise not_found("provider account")
    return row

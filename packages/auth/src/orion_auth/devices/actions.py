"""Recognising the device somebody comes from, and how far its owner trusts it, inside the transactions of others."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.devices import store
from orion_auth.devices.rules import MOST_UNTRUSTED, DeviceStatus, KnownDevice, has_changed, is_proved, is_trusted
from orion_auth.tokens.actions import Bearer
from orion_core.database import Database, Transaction
from orion_core.ids import uuid7
from orion_core.secrets import hash_secret, new_secret
from orion_core.statement import Look


@dataclass(frozen=True)
class Recognised:
    """What is known of the device of an attempt, before the attempt succeeds."""

    device_id: str | None
    """The client's own stable id; None when it sent none, which is never recognised."""
    is_known: bool
    is_trusted: bool
    """Trusted by its owner, proved by its secret, and for how long has not run out: no second factor is asked for."""
    is_blocked: bool
    has_changed: bool = False
    """It looks like another one than before: its id may have been copied."""


@dataclass(frozen=True)
class Trust:
    """What a trusted device is given."""

    secret: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class DeviceName:
    """What its owner knows a device by."""

    name: str | None
    type: str


def recognised(user_id: UUID, bearer: Bearer, now: datetime) -> Look[Recognised]:
    """The device among those of the user.

    A client that names no device is never recognised: what else it shows, many others show too. Nor is one that names
    a trusted device and does not prove to be it.
    """

    def meaning(row: AnyRow | None) -> Recognised:
        if row is None:
            return Recognised(bearer.device_id, is_known=False, is_trusted=False, is_blocked=False)
        has_secret = row.secret_hash is not None and is_trusted(row.status, row.trust_expires_at, now)
        proves_it = has_secret and is_proved(row.secret_hash, _shown(bearer))
        return Recognised(
            bearer.device_id,
            is_known=proves_it or not has_secret,
            is_trusted=proves_it,
            is_blocked=row.status is DeviceStatus.BLOCKED,
            has_changed=has_changed(row.fingerprint, bearer.fingerprint),
        )

    return Look(store.FIND, {"user_id": user_id, "device_id": bearer.device_id or ""}, meaning)


def known(email: str | None, bearer: Bearer) -> Look[KnownDevice | None]:
    """The device when it is one that the holder of an address has signed in from and has not blocked.

    One that was given a secret is known by that alone: whoever shows only its id may have read it somewhere.
    """

    values = {"email": email or "", "device_id": bearer.device_id or "", "nobody": uuid7()}
    return Look(store.FIND_BY_EMAIL, values, partial(_known, bearer))


def known_to(user_id: UUID, bearer: Bearer) -> Look[KnownDevice | None]:
    """The same for a user who has shown a first proof already."""
    return Look(store.FIND, {"user_id": user_id, "device_id": bearer.device_id or ""}, partial(_known, bearer))


async def begun_on(database: Database, user_id: UUID, device_id: str | None, bearer: Bearer) -> KnownDevice | None:
    """The same for the device that a sign-in began on, whoever goes on with it."""
    async with database.autocommit() as connection:
        return await known_to(user_id, replace(bearer, device_id=device_id)).alone(connection)


def _known(bearer: Bearer, row: AnyRow | None) -> KnownDevice | None:
    if row is None or row.status is DeviceStatus.BLOCKED:
        return None
    name = f"{row.user_id} {bearer.device_id}"
    if row.secret_hash is None:
        return KnownDevice(name, is_proved=False)
    return KnownDevice(name, is_proved=True) if is_proved(row.secret_hash, _shown(bearer)) else None


async def names(connection: AsyncConnection, user_id: UUID, device_ids: Collection[str]) -> dict[str, DeviceName]:
    """What these devices of a user are called, by their ids; those that are not known are left out."""
    if not device_ids:
        return {}
    rows = await store.list_names(connection, user_id, list(device_ids))
    return {row.device_id: DeviceName(row.name, row.type.value) for row in rows}


def note_sign_in(transaction: Transaction, user_id: UUID, bearer: Bearer, now: datetime) -> None:
    """Remember, before the transaction is committed, that the user signed in from this device.

    A client without an id leaves nothing. Those of the user's untrusted devices are forgotten that are too many.
    """
    if bearer.device_id is None:
        return
    client, place = bearer.client, bearer.place.columns
    values = {
        "id": uuid7(),
        "user_id": user_id,
        "device_id": bearer.device_id,
        "fingerprint": bearer.fingerprint,
        "name": client.name,
        "type": client.type,
        "os": client.os,
        "os_version": client.os_version,
        "browser": client.browser,
        "browser_version": client.browser_version,
        "last_ip_address": bearer.ip_address,
        "last_country": place["country"],
        "last_city": place["city"],
        "last_location": place["location"],
        "first_seen_at": now,
        "last_seen_at": now,
    }
    transaction.later(store.SEE, values)
    others = {"user_id": user_id, "device_id": bearer.device_id, "most_others": MOST_UNTRUSTED - 1}
    transaction.later(store.FORGET_OLDEST, others)


async def trust(
    transaction: Transaction, user_id: UUID, device_id: str, *, now: datetime, lifetime: timedelta
) -> Trust | None:
    """Trust a device for a while, and give it a new secret to prove itself with; one given before is worthless.

    None when the user has no such device, or has blocked it.
    """
    given = Trust(new_secret(), now + lifetime)
    secret_hash = hash_secret(given.secret)
    trusted = await store.trust(transaction.connection, user_id, device_id, secret_hash, now, given.expires_at)
    return given if trusted else None


async def end_trust(transaction: Transaction, user_id: UUID, device_id: str) -> bool:
    """Trust a device no more, and let a blocked one in again; False when the user has no such device."""
    return await store.set_status(transaction.connection, user_id, device_id, DeviceStatus.UNTRUSTED)


async def end_all_trust(transaction: Transaction, user_id: UUID) -> None:
    """Trust none of the user's devices any more."""
    await store.end_all_trust(transaction.connection, user_id)


async def block(transaction: Transaction, user_id: UUID, device_id: str) -> bool:
    """Let nobody in from a device; False when the user has no such device."""
    return await store.set_status(transaction.connection, user_id, device_id, DeviceStatus.BLOCKED)


async def forget(transaction: Transaction, user_id: UUID, device_id: str) -> bool:
    """Remember nothing of a device; False when there is nothing to forget."""
    return await store.forget(transaction.connection, user_id, device_id)


async def list_of(connection: AsyncConnection, user_id: UUID) -> Sequence[AnyRow]:
    """The devices of a user, the one seen last first."""
    return await store.list_of(connection, user_id)


async def hold(transaction: Transaction, user_id: UUID, row_id: UUID) -> AnyRow | None:
    """A device of the user, kept from changing until the transaction ends."""
    return await store.hold(transaction.connection, user_id, row_id)


async def rename(transaction: Transaction, user_id: UUID, row_id: UUID, name: str) -> AnyRow | None:
    """Call a device something else; None when the user has none of that id."""
    return await store.rename(transaction.connection, user_id, row_id, name)


def _shown(bearer: Bearer) -> bytes | None:
    return hash_secret(bearer.device_secret) if bearer.device_secret else None

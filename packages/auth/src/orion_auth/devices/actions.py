"""Recognising the device somebody comes from, inside the transactions of other slices."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.devices import store
from orion_auth.devices.rules import DeviceStatus, is_trusted
from orion_auth.tokens.actions import Bearer
from orion_core.database import Transaction


@dataclass(frozen=True)
class Recognised:
    """What is known of the device of an attempt, before the attempt succeeds."""

    device_id: str | None
    """The client's own stable id; None when it sent none, which is never recognised."""
    is_known: bool
    is_trusted: bool
    """Trusted by its owner, and for how long has not run out: no second factor is asked for."""
    is_blocked: bool


@dataclass(frozen=True)
class DeviceName:
    """What its owner knows a device by."""

    name: str | None
    type: str


async def recognise(transaction: Transaction, user_id: UUID, bearer: Bearer, now: datetime) -> Recognised:
    """Look the device up among those of the user; changes nothing."""
    row = await store.find(transaction.connection, user_id, bearer.device_id or "")
    if row is None:
        return Recognised(bearer.device_id, is_known=False, is_trusted=False, is_blocked=False)
    return Recognised(
        bearer.device_id,
        is_known=True,
        is_trusted=is_trusted(row.status, row.trust_expires_at, now),
        is_blocked=row.status is DeviceStatus.BLOCKED,
    )


async def known(connection: AsyncConnection, user_id: UUID, bearer: Bearer) -> str | None:
    """A name for the device when it is one that the user has signed in from and has not blocked; changes nothing."""
    row = await store.find(connection, user_id, bearer.device_id or "")
    if row is None or row.status is DeviceStatus.BLOCKED:
        return None
    return f"{user_id} {bearer.device_id}"


async def names(connection: AsyncConnection, user_id: UUID, device_ids: Collection[str]) -> dict[str, DeviceName]:
    """What these devices of a user are called, by their ids; those that are not known are left out."""
    if not device_ids:
        return {}
    rows = await store.list_names(connection, user_id, list(device_ids))
    return {row.device_id: DeviceName(row.name, row.type.value) for row in rows}


async def note_sign_in(transaction: Transaction, user_id: UUID, bearer: Bearer, now: datetime) -> None:
    """Remember that the user signed in from this device; a client without an id leaves nothing."""
    if bearer.device_id is not None:
        await store.see(transaction.connection, user_id, bearer.device_id, bearer.ip_address, now)

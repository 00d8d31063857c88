"""What a user does with his own devices."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from orion_auth import audit_trail
from orion_auth.audit_trail import Entry
from orion_auth.base import AnyRow
from orion_auth.callers import actions as callers
from orion_auth.devices import actions as devices
from orion_auth.devices.actions import Trust
from orion_auth.devices.rules import DeviceStatus, is_trusted
from orion_auth.devices.shapes import DeviceList, DeviceShape
from orion_auth.identities import actions as identities
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import (
    DEVICE_BLOCKED,
    DEVICE_REMOVED,
    DEVICE_TRUST_ENDED,
    DEVICE_TRUSTED,
    DEVICE_UNBLOCKED,
    Kind,
)
from orion_auth.sessions import actions as sessions
from orion_auth.tokens.actions import Bearer
from orion_core.database import Database, Transaction
from orion_core.errors import Problem
from orion_core.events.outbox import Outbox


@dataclass(frozen=True)
class Owner:
    """A signed-in user who looks after his devices, and from where he does."""

    user_id: UUID
    session_id: UUID
    bearer: Bearer
    now: datetime


async def list_devices(database: Database, user_id: UUID, now: datetime) -> DeviceList:
    """All devices of the user."""
    async with database.autocommit() as connection:
        rows = await devices.list_of(connection, user_id)
    return DeviceList(items=[shape(row, now) for row in rows])


async def rename(database: Database, owner: Owner, row_id: UUID, name: str) -> DeviceShape:
    """Call a device something else; 404 when the user has none of that id."""
    async with database.transaction() as transaction:
        before = await _hold(transaction, owner, row_id)
        row = await devices.rename(transaction, owner.user_id, row_id, name)
        if row is None:
            raise _unknown()
        old, new = {"name": before.name}, {"name": name}
        entry = Entry("device.update", "device", str(row_id), owner.user_id, old=old, new=new)
        await audit_trail.record(transaction, entry, owner.now)
    return shape(row, owner.now)


async def trust(database: Database, outbox: Outbox, owner: Owner, row_id: UUID, lifetime: timedelta) -> Trust:
    """Trust a device; 409 when it is blocked."""
    async with database.transaction() as transaction:
        device = await _hold(transaction, owner, row_id)
        given = await devices.trust(transaction, owner.user_id, device.device_id, now=owner.now, lifetime=lifetime)
        if given is None:
            raise _is_blocked()
        await _note(transaction, outbox, DEVICE_TRUSTED, owner, device)
    return given


async def end_trust(database: Database, outbox: Outbox, owner: Owner, row_id: UUID) -> None:
    """Trust a device no more; its sessions go on."""
    async with database.transaction() as transaction:
        device = await _hold(transaction, owner, row_id)
        if device.status is DeviceStatus.TRUSTED:
            await devices.end_trust(transaction, owner.user_id, device.device_id)
            await _note(transaction, outbox, DEVICE_TRUST_ENDED, owner, device)


async def block(database: Database, outbox: Outbox, owner: Owner, row_id: UUID) -> None:
    """Let nobody in from a device, and end the sessions that were begun on it."""
    async with database.transaction() as transaction:
        device = await _hold(transaction, owner, row_id)
        if device.status is not DeviceStatus.BLOCKED:
            await devices.block(transaction, owner.user_id, device.device_id)
            await _end_sessions(transaction, outbox, owner, device, "DEVICE_BLOCKED")
            await _note(transaction, outbox, DEVICE_BLOCKED, owner, device)


async def unblock(database: Database, outbox: Outbox, owner: Owner, row_id: UUID) -> None:
    """Let a blocked device in again, untrusted."""
    async with database.transaction() as transaction:
        device = await _hold(transaction, owner, row_id)
        if device.status is DeviceStatus.BLOCKED:
            await devices.end_trust(transaction, owner.user_id, device.device_id)
            await _note(transaction, outbox, DEVICE_UNBLOCKED, owner, device)


async def remove(database: Database, outbox: Outbox, owner: Owner, row_id: UUID) -> None:
    """Forget a device and end the sessions that were begun on it. 409 for a blocked one: it would no longer be."""
    async with database.transaction() as transaction:
        device = await _hold(transaction, owner, row_id)
        if device.status is DeviceStatus.BLOCKED:
            raise _is_blocked()
        await devices.forget(transaction, owner.user_id, device.device_id)
        await _end_sessions(transaction, outbox, owner, device, "DEVICE_REMOVED")
        await _note(transaction, outbox, DEVICE_REMOVED, owner, device)


def shape(row: AnyRow, now: datetime) -> DeviceShape:
    """A device as its owner sees it; trust that has run out is none."""
    trusted = is_trusted(row.status, row.trust_expires_at, now)
    status = "BLOCKED" if row.status is DeviceStatus.BLOCKED else "TRUSTED" if trusted else "UNTRUSTED"
    return DeviceShape(
        id=row.id,
        device_id=row.device_id,
        name=row.name,
        type=row.type.value,
        os=row.os,
        os_version=row.os_version,
        browser=row.browser,
        browser_version=row.browser_version,
        status=status,
        trusted_until=row.trust_expires_at if trusted else None,
        last_ip_address=str(row.last_ip_address) if row.last_ip_address else None,
        last_country=row.last_country,
        last_city=row.last_city,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        login_count=row.login_count,
    )


async def _hold(transaction: Transaction, owner: Owner, row_id: UUID) -> AnyRow:
    """The device, after the account: a sign-in under way holds that, and is waited for."""
    await callers.hold(transaction, owner.user_id, owner.session_id, owner.now)
    device = await devices.hold(transaction, owner.user_id, row_id)
    if device is None:
        raise _unknown()
    return device


async def _end_sessions(transaction: Transaction, outbox: Outbox, owner: Owner, device: AnyRow, reason: str) -> None:
    await sessions.end_on_device(transaction, outbox, owner.user_id, device.device_id, reason=reason, now=owner.now)


async def _note(transaction: Transaction, outbox: Outbox, kind: Kind, owner: Owner, device: AnyRow) -> None:
    identity = await identities.find(transaction.connection, owner.user_id, owner.now)
    if identity is None:
        return
    circumstances = Circumstances.of(
        owner.bearer,
        device_id=device.device_id,
        session_id=owner.session_id,
        details={"device_name": device.name} if device.name else {},
    )
    await security_events.note(transaction, outbox, kind, identity, circumstances, owner.now)


def _unknown() -> Problem:
    return Problem(404, "device_unknown", "No such device", "You have no device of that id; GET /auth/v1/me/devices.")


def _is_blocked() -> Problem:
    detail = "You have blocked this device; unblock it first, with DELETE on its block."
    return Problem(409, "device_blocked", "The device is blocked", detail)

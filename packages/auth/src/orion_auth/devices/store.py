"""The statements of devices."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, String, Uuid, any_, bindparam, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.devices.rules import DeviceStatus
from orion_auth.devices.tables import Device
from orion_core.statement import Statement

MOST_LISTED = 200


_KNOWN_BY = Device.user_id, Device.status, Device.trust_expires_at, Device.secret_hash, Device.fingerprint

FIND = Statement(
    select(*_KNOWN_BY).where(Device.user_id == bindparam("user_id"), Device.device_id == bindparam("device_id"))
)
"""One device of one user (uq_devices_user_id_device_id)."""

FIND_BY_EMAIL = Statement(
    text("""
    SELECT user_id, status, trust_expires_at, secret_hash, fingerprint
    FROM devices                                                                -- uq_devices_user_id_device_id
    WHERE device_id = :device_id AND user_id = coalesce(
      (SELECT id FROM identities WHERE email = :email AND deleted_at IS NULL),  -- uq_identities_email
      CAST(:nobody AS uuid)
    )
""")
    .bindparams(bindparam("device_id", type_=String), bindparam("email", type_=String), bindparam("nobody", type_=Uuid))
    .columns(*_KNOWN_BY)
)
"""One device of whoever has an address; where nobody has it, `nobody` is looked for, so that it costs the same.

It reads across slices, so that it need not wait for who that is.
"""


_NAMES = Statement(
    select(Device.device_id, Device.name, Device.type).where(
        Device.user_id == bindparam("user_id"), Device.device_id == any_(bindparam("device_ids", type_=ARRAY(String)))
    )
)


async def list_names(connection: AsyncConnection, user_id: UUID, device_ids: Sequence[str]) -> Sequence[AnyRow]:
    """Some devices of one user (uq_devices_user_id_device_id)."""
    return await _NAMES.all(connection, {"user_id": user_id, "device_ids": device_ids})


FORGET_OLDEST = Statement(
    text("""
    DELETE FROM devices
    WHERE id IN (
      SELECT id
      FROM devices
      WHERE user_id = :user_id AND status = 'UNTRUSTED' AND device_id <> :device_id  -- ix_devices_user_id_status
      ORDER BY last_seen_at DESC
      OFFSET :most_others
    )
""")
)
"""Those of a user's untrusted devices that are too many beside the one that he signs in from."""

_SEE = text("""
    INSERT INTO devices AS device (
      id, user_id, device_id, fingerprint, name, type, os, os_version, browser, browser_version,
      last_ip_address, last_country, last_city, last_location, first_seen_at, last_seen_at, login_count
    )
    VALUES (
      :id, :user_id, :device_id, :fingerprint, :name, :type, :os, :os_version, :browser, :browser_version,
      :last_ip_address, :last_country, :last_city, :last_location, :first_seen_at, :last_seen_at, 1
    )
    ON CONFLICT (user_id, device_id) DO UPDATE                           -- uq_devices_user_id_device_id
    SET
      fingerprint = excluded.fingerprint,
      type = excluded.type,
      os = excluded.os,
      os_version = excluded.os_version,
      browser = excluded.browser,
      browser_version = excluded.browser_version,
      last_ip_address = excluded.last_ip_address,
      last_country = excluded.last_country,
      last_city = excluded.last_city,
      last_location = excluded.last_location,
      last_seen_at = greatest(device.last_seen_at, excluded.last_seen_at),
      login_count = device.login_count + 1
""")
SEE = Statement(
    _SEE.bindparams(*(bindparam(name, type_=Device.__table__.c[name].type) for name in _SEE.compile().params))
)
"""A sign-in from a device, which is made when it is new (uq_devices_user_id_device_id)."""


async def list_of(connection: AsyncConnection, user_id: UUID) -> Sequence[AnyRow]:
    """The devices of a user, the one seen last first (ix_devices_user_id_status)."""
    statement = select(Device.__table__).where(Device.user_id == user_id)
    return (await connection.execute(statement.order_by(Device.last_seen_at.desc()).limit(MOST_LISTED))).all()


async def hold(connection: AsyncConnection, user_id: UUID, row_id: UUID) -> AnyRow | None:
    """A device of the user, kept from changing until the transaction ends (pk_devices)."""
    statement = select(Device.__table__).where(Device.id == row_id, Device.user_id == user_id)
    return (await connection.execute(statement.with_for_update(key_share=True))).one_or_none()


async def rename(connection: AsyncConnection, user_id: UUID, row_id: UUID, name: str) -> AnyRow | None:
    """Call a device something else (pk_devices); None when the user has none of that id."""
    statement = update(Device).where(Device.id == row_id, Device.user_id == user_id).values(name=name)
    return (await connection.execute(statement.returning(Device.__table__))).one_or_none()


async def trust(
    connection: AsyncConnection, user_id: UUID, device_id: str, secret_hash: bytes, now: datetime, expires_at: datetime
) -> bool:
    """Trust a device unless it is blocked (uq_devices_user_id_device_id); says whether it was done."""
    statement = (
        update(Device)
        .where(Device.user_id == user_id, Device.device_id == device_id, Device.status != DeviceStatus.BLOCKED)
        .values(status=DeviceStatus.TRUSTED, secret_hash=secret_hash, verified_at=now, trust_expires_at=expires_at)
        .returning(Device.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def set_status(connection: AsyncConnection, user_id: UUID, device_id: str, status: DeviceStatus) -> bool:
    """Block a device, or make it an untrusted one (uq_devices_user_id_device_id); its secret is worth nothing then."""
    statement = (
        update(Device)
        .where(Device.user_id == user_id, Device.device_id == device_id)
        .values(status=status, secret_hash=None, trust_expires_at=None)
        .returning(Device.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def end_all_trust(connection: AsyncConnection, user_id: UUID) -> None:
    """Trust none of the user's devices any more (ix_devices_user_id_status)."""
    statement = update(Device).where(Device.user_id == user_id, Device.status == DeviceStatus.TRUSTED)
    await connection.execute(statement.values(status=DeviceStatus.UNTRUSTED, secret_hash=None, trust_expires_at=None))


async def forget(connection: AsyncConnection, user_id: UUID, device_id: str) -> bool:
    """Remember nothing of a device (uq_devices_user_id_device_id); says whether it was there."""
    statement = delete(Device).where(Device.user_id == user_id, Device.device_id == device_id)
    return (await connection.execute(statement.returning(Device.id))).one_or_none() is not None

"""The statements of devices."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.devices.rules import MOST_UNTRUSTED, DeviceStatus
from orion_auth.devices.tables import Device
from orion_core.ids import uuid7

MOST_LISTED = 200


async def find(connection: AsyncConnection, user_id: UUID, device_id: str) -> AnyRow | None:
    """One device of one user (uq_devices_user_id_device_id)."""
    columns = (Device.status, Device.trust_expires_at, Device.secret_hash, Device.fingerprint)
    statement = select(*columns).where(Device.user_id == user_id, Device.device_id == device_id)
    return (await connection.execute(statement)).one_or_none()


async def list_names(connection: AsyncConnection, user_id: UUID, device_ids: Sequence[str]) -> Sequence[AnyRow]:
    """Some devices of one user (uq_devices_user_id_device_id)."""
    statement = select(Device.device_id, Device.name, Device.type).where(
        Device.user_id == user_id, Device.device_id.in_(device_ids)
    )
    return (await connection.execute(statement)).all()


async def see(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Note a sign-in from a device, which is made when it is new (uq_devices_user_id_device_id).

    In the same statement, those of the user's untrusted devices are forgotten that are too many
    (ix_devices_user_id_status).
    """
    # The id is said: with a CTE beside it, SQLAlchemy leaves the column's default out.
    first = upsert(Device).values(values | {"id": uuid7(), "login_count": 1})
    again = {name: getattr(first.excluded, name) for name in values if name not in ("user_id", "device_id", "name")} | {
        "first_seen_at": Device.first_seen_at,
        "last_seen_at": func.greatest(Device.last_seen_at, first.excluded.last_seen_at),
        "login_count": Device.login_count + 1,
    }
    too_many = (
        select(Device.id)
        .where(
            Device.user_id == values["user_id"],
            Device.status == DeviceStatus.UNTRUSTED,
            Device.device_id != values["device_id"],
        )
        .order_by(Device.last_seen_at.desc())
        .offset(MOST_UNTRUSTED - 1)
    )
    forgotten = delete(Device).where(Device.id.in_(too_many)).cte("forgotten")
    statement = first.on_conflict_do_update(index_elements=[Device.user_id, Device.device_id], set_=again)
    await connection.execute(statement.add_cte(forgotten))


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

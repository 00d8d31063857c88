"""The statements of devices."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.devices.tables import Device
from orion_core.tables import IpAddress


async def find(connection: AsyncConnection, user_id: UUID, device_id: str) -> AnyRow | None:
    """One device of one user (uq_devices_user_id_device_id)."""
    statement = select(Device.status, Device.trust_expires_at).where(
        Device.user_id == user_id, Device.device_id == device_id
    )
    return (await connection.execute(statement)).one_or_none()


async def list_names(connection: AsyncConnection, user_id: UUID, device_ids: Sequence[str]) -> Sequence[AnyRow]:
    """Some devices of one user (uq_devices_user_id_device_id)."""
    statement = select(Device.device_id, Device.name, Device.type).where(
        Device.user_id == user_id, Device.device_id.in_(device_ids)
    )
    return (await connection.execute(statement)).all()


async def see(connection: AsyncConnection, user_id: UUID, device_id: str, ip_address: IpAddress, now: datetime) -> None:
    """Note a sign-in from a device, which is made when it is new (uq_devices_user_id_device_id)."""
    first = upsert(Device).values(
        user_id=user_id,
        device_id=device_id,
        last_ip_address=ip_address,
        first_seen_at=now,
        last_seen_at=now,
        login_count=1,
    )
    again = {
        "last_ip_address": first.excluded.last_ip_address,
        "last_seen_at": func.greatest(Device.last_seen_at, first.excluded.last_seen_at),
        "login_count": Device.login_count + 1,
    }
    await connection.execute(first.on_conflict_do_update(index_elements=[Device.user_id, Device.device_id], set_=again))

"""The devices a user signs in from."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table, owner
from orion_auth.devices.rules import DeviceStatus
from orion_auth.user_agents import DeviceType
from orion_core.retention.declarations import Follows
from orion_core.tables import Annotated, Identified, IpAddress, Timestamped, digest_check, native_enum


class Device(Identified, Timestamped, Annotated, Table):
    """One device of one user; the same machine used by two people is two rows."""

    __tablename__ = "devices"

    user_id: Mapped[UUID] = owner()
    device_id: Mapped[str] = mapped_column(String(128), comment="The client's own stable id")
    fingerprint: Mapped[str | None] = mapped_column(String(64), comment="SHA-256 of the client's traits, hexadecimal")
    name: Mapped[str | None] = mapped_column(String(100))
    type: Mapped[DeviceType] = mapped_column(native_enum(DeviceType), server_default="UNKNOWN")
    os: Mapped[str | None] = mapped_column(String(50))
    os_version: Mapped[str | None] = mapped_column(String(50))
    browser: Mapped[str | None] = mapped_column(String(50))
    browser_version: Mapped[str | None] = mapped_column(String(50))
    status: Mapped[DeviceStatus] = mapped_column(native_enum(DeviceStatus), server_default="UNTRUSTED")
    last_ip_address: Mapped[IpAddress | None] = mapped_column(INET)
    last_country: Mapped[str | None] = mapped_column(String(2), comment="ISO 3166-1 alpha-2")
    last_city: Mapped[str | None] = mapped_column(String(100))
    last_location: Mapped[dict[str, Any] | None]
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    login_count: Mapped[int] = mapped_column(server_default=text("0"))
    verified_at: Mapped[datetime | None]
    trust_expires_at: Mapped[datetime | None]
    secret_hash: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="SHA-256 of what a trusted device proves itself with"
    )

    __table_args__ = (
        UniqueConstraint("user_id", "device_id"),
        Index(None, "device_id"),
        Index(None, "fingerprint"),
        Index(None, "user_id", "status"),
        CheckConstraint("fingerprint ~ '^[0-9a-f]{64}$'", name="fingerprint"),
        CheckConstraint("first_seen_at <= last_seen_at", name="seen"),
        CheckConstraint("login_count >= 0", name="login_count"),
        CheckConstraint("status <> 'TRUSTED' OR verified_at IS NOT NULL", name="trusted"),
        CheckConstraint(digest_check("secret_hash"), name="secret_hash"),
        CheckConstraint("secret_hash IS NULL OR status = 'TRUSTED'", name="secret"),
        {
            "info": {"retention": Follows("identities", "what a user is known by; a device may come back after years")},
            "comment": "The devices a user signs in from",
        },
    )

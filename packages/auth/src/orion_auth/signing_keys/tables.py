"""The keys that sign access tokens."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table
from orion_auth.signing_keys.rules import SigningKeyStatus
from orion_core.retention.declarations import Forever
from orion_core.tables import Identified, Timestamped, native_enum


class SigningKey(Identified, Timestamped, Table):
    """One key pair; the private half is sealed."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(64), comment="RFC 7638 thumbprint")
    algorithm: Mapped[str] = mapped_column(String(20), comment="JOSE name, e.g. ES256")
    public_jwk: Mapped[dict[str, Any]]
    private_key: Mapped[bytes] = mapped_column(LargeBinary, info={"sealed": True})
    status: Mapped[SigningKeyStatus] = mapped_column(native_enum(SigningKeyStatus), server_default="PENDING")
    activated_at: Mapped[datetime | None]
    retires_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("kid"),
        Index(None, "status"),
        Index("uq_signing_keys_active", "algorithm", unique=True, postgresql_where=text("status = 'ACTIVE'")),
        CheckConstraint("NOT public_jwk ?| ARRAY['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']", name="public_jwk"),
        CheckConstraint("status = 'PENDING' OR activated_at IS NOT NULL", name="activated"),
        {
            "info": {"retention": Forever("a few rows a year; which key signed an old token can be told")},
            "comment": "The keys that sign access tokens",
        },
    )

"""Every attempt to sign in: append-only, partitioned by month."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, SmallInteger, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Origin, Place, Table
from orion_auth.login_attempts.rules import LoginAttemptStatus, LoginMethod
from orion_auth.two_factor_methods import TwoFactorMethod
from orion_core.networks import network_in_sql
from orion_core.retention.declarations import Months
from orion_core.tables import APPEND_ONLY, Annotated, Identified, Timestamped, native_enum


class LoginAttempt(Identified, Origin, Place, Timestamped, Annotated, Table):
    """One attempt, by somebody known or not. `user_id` has no foreign key: history outlives the user."""

    __tablename__ = "login_attempts"

    user_id: Mapped[UUID | None]
    email: Mapped[str | None] = mapped_column(String(255), comment="As typed, normalised; empty for a passkey")
    status: Mapped[LoginAttemptStatus] = mapped_column(native_enum(LoginAttemptStatus))
    method: Mapped[LoginMethod] = mapped_column(native_enum(LoginMethod))
    device_id: Mapped[str | None] = mapped_column(String(128), comment="The client's stable id, as in devices")
    is_suspicious: Mapped[bool] = mapped_column(server_default=text("false"))
    is_blocked: Mapped[bool] = mapped_column(server_default=text("false"))
    risk_score: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    risk_reasons: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    failure_reason: Mapped[str | None] = mapped_column(String(60))
    two_factor_used: Mapped[bool] = mapped_column(server_default=text("false"))
    two_factor_method: Mapped[TwoFactorMethod | None] = mapped_column(native_enum(TwoFactorMethod))
    attempted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    duration_ms: Mapped[int | None]

    __table_args__ = (
        Index(None, "email", "status", "attempted_at"),
        Index(None, "ip_address", "attempted_at"),
        Index("ix_login_attempts_network_attempted_at", text(network_in_sql("ip_address")), "attempted_at"),
        Index(None, "user_id", "attempted_at"),
        Index("ix_login_attempts_suspicious", "attempted_at", postgresql_where=text("is_suspicious")),
        CheckConstraint("email = lower(email)", name="email"),
        CheckConstraint("risk_score BETWEEN 0 AND 100", name="risk_score"),
        CheckConstraint("duration_ms >= 0", name="duration_ms"),
        CheckConstraint("status <> 'FAILED' OR failure_reason IS NOT NULL", name="failure_reason"),
        {
            "postgresql_partition_by": "RANGE (id)",
            "info": {
                "retention": Months(
                    keep=timedelta(days=180),
                    at_least=timedelta(days=30),
                    why="half a year of attempts shows every pattern",
                ),
                "grants": APPEND_ONLY,
            },
            "comment": "Every attempt to sign in, append-only",
        },
    )

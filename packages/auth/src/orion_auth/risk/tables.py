"""What an administrator says of risk: every version is a row, one of them is active."""

from typing import Any

from sqlalchemy import CheckConstraint, Index, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table
from orion_core.retention.declarations import Forever
from orion_core.tables import Identified, Timestamped


class RiskPolicy(Identified, Timestamped, Table):
    """One version of what the signals weigh."""

    __tablename__ = "risk_policies"

    version: Mapped[int]
    is_active: Mapped[bool] = mapped_column(server_default=text("false"))
    step_up_at: Mapped[int] = mapped_column(SmallInteger, comment="Score from which on a second factor is asked for")
    block_at: Mapped[int] = mapped_column(SmallInteger, comment="Score from which on the attempt is stopped")
    weights: Mapped[dict[str, Any]] = mapped_column(comment="What each signal weighs, 0 to 100")
    created_by: Mapped[str] = mapped_column(String(100), comment="A user id, or the name of a service")

    __table_args__ = (
        UniqueConstraint("version"),
        Index("uq_risk_policies_active", "is_active", unique=True, postgresql_where=text("is_active")),
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("step_up_at >= 1 AND step_up_at <= block_at AND block_at <= 101", name="thresholds"),
        CheckConstraint(
            "jsonb_typeof(weights) = 'object' "
            "AND NOT jsonb_path_exists(weights, '$.* ? (@.type() != \"number\" || @ < 0 || @ > 100)')",
            name="weights",
        ),
        {"info": {"retention": Forever("settings, and what they were")}, "comment": "What the signals of risk weigh"},
    )

"""Where the audit trail is streamed to, and how far each has got."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Forever
from orion_core.tables import Identified, Timestamped
from orion_user.base import LOOK, Table


class AuditStream(Identified, Timestamped, Table):
    """One receiver. It gets every checkpoint after the one that it began with, and the entries of each."""

    __tablename__ = "audit_streams"

    name: Mapped[str] = mapped_column(String(60), unique=True)
    url: Mapped[str] = mapped_column(String(2048))
    secret: Mapped[bytes | None] = mapped_column(
        LargeBinary, info={"sealed": True}, comment="What deliveries are signed with"
    )
    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    position: Mapped[int] = mapped_column(
        BigInteger, comment="Number of the last checkpoint that has arrived as a whole"
    )
    arrived: Mapped[int] = mapped_column(server_default=text("0"), comment="Entries of the next one that have arrived")
    leased_until: Mapped[datetime | None] = mapped_column(comment="Until then one process delivers")
    failures: Mapped[int] = mapped_column(server_default=text("0"), comment="In a row")
    next_attempt_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(500))

    __table_args__ = (
        CheckConstraint("position >= 0 AND arrived >= 0", name="position"),
        CheckConstraint("failures >= 0", name="failures"),
        Index("uq_audit_streams_look", text(LOOK), unique=True),
        {"info": {"retention": Forever("a handful, until somebody deletes them")}},
    )

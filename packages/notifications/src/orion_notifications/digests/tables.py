"""Tables of digests."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Follows, Rows
from orion_core.tables import Identified, Timestamped
from orion_notifications.base import Table


class Digest(Identified, Timestamped, Table):
    """One window of a user, which is over at `until`; `closed_at` is when its mail was ordered, which is once.

    One that could not be closed is tried again at `put_off_until`.
    """

    __tablename__ = "digests"

    user_id: Mapped[UUID]
    until: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    put_off_until: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("user_id", "until"),
        Index("ix_digests_open", "until", postgresql_where=text("closed_at IS NULL")),
        Index("ix_digests_closed_at", "closed_at", postgresql_where=text("closed_at IS NOT NULL")),
        {"info": {"retention": Rows("closed_at", timedelta(days=30), "its mail was sent")}},
    )


class DigestItem(Table):
    """A message that is told of in a digest. No foreign key to it: its month may go before."""

    __tablename__ = "digest_items"

    notification_id: Mapped[UUID] = mapped_column(primary_key=True)
    digest_id: Mapped[UUID] = mapped_column(ForeignKey("digests.id", ondelete="CASCADE"))

    __table_args__ = (
        Index("ix_digest_items_digest_id", "digest_id"),
        {"info": {"retention": Follows("digests", "it says what stood in one")}},
    )

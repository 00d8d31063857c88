"""The links by which an owner says that a sign-in was not his."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table, owner
from orion_core.retention.declarations import Rows
from orion_core.tables import Identified, Timestamped, digest_check


class Disavowal(Identified, Timestamped, Table):
    """One link; `id` is that of the security event whose notice it stands in."""

    __tablename__ = "disavowals"

    user_id: Mapped[UUID] = owner()
    device_id: Mapped[str | None] = mapped_column(String(128), comment="The client's stable id, as in devices")
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of the secret part of the link")
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "expires_at"),
        CheckConstraint(digest_check("secret_hash"), name="secret_hash"),
        {
            "info": {
                "retention": Rows("expires_at", timedelta(days=30), "a link that has ended says when it was used")
            },
            "comment": "Links by which an owner says that a sign-in was not his; each works once",
        },
    )

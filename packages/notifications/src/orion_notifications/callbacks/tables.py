"""Table of call-backs that count once."""

from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Rows
from orion_notifications.base import Table


class CallbackReceipt(Table):
    """That a call-back was taken down: by the hash of what its provider has signed, while that would be believed."""

    __tablename__ = "callback_receipts"

    signed_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    good_until: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("octet_length(signed_hash) = 32", "signed_hash"),
        Index("ix_callback_receipts_good_until", "good_until"),
        {"info": {"retention": Rows("good_until", timedelta(hours=1), "nobody believes it any more")}},
    )

"""How often the tokens of API keys came in."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.last_minute import PAIRS, Seconds
from orion_core.retention.declarations import Rows
from orion_core.tables import Identified, Timestamped
from orion_notifications.base import Table


class ApiKeyRate(Identified, Seconds, Timestamped, Table):
    """How often a key that has a limit of its own was used here.

    UNLOGGED: it is written with every such use, and after a crash counting from nothing is harmless.
    """

    __tablename__ = "api_key_rates"

    api_key_id: Mapped[UUID] = mapped_column(comment="No foreign key: user has the keys")
    counts_until: Mapped[datetime] = mapped_column(comment="From when on none of them counts", sort_order=52)

    __table_args__ = (
        UniqueConstraint("api_key_id"),
        CheckConstraint(PAIRS, name="pairs"),
        Index(None, "counts_until"),
        {
            "info": {"retention": Rows("counts_until", timedelta(hours=1), "a minute that is over counts nothing")},
            "prefixes": ["UNLOGGED"],
            "comment": "Uses of API keys in the last minute; lost on a crash, which is harmless",
        },
    )

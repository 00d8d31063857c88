"""Sessions as the outside sees them."""

from datetime import datetime
from uuid import UUID

from pydantic import Field
from sqlalchemy import RowMapping

from orion_core.http.shapes import ResponseShape


class SessionShape(ResponseShape):
    """One place where the user is signed in."""

    id: UUID = Field(description="The session's id, which auth knows it by.")
    is_current: bool = Field(description="Whether this very request belongs to it.")
    device_name: str | None
    device_type: str | None
    ip_address: str | None
    user_agent: str | None
    country: str | None
    city: str | None
    started_at: datetime
    last_activity_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    end_reason: str | None

    @classmethod
    def of(cls, row: RowMapping, current: str | None) -> "SessionShape":
        """The shape of a row, for the caller whose token carries the session id `current`."""
        return cls(
            id=row["token"],
            is_current=str(row["token"]) == current,
            device_name=row["device_name"],
            device_type=row["device_type"],
            ip_address=None if row["ip_address"] is None else str(row["ip_address"]),
            user_agent=row["user_agent"],
            country=row["country"],
            city=row["city"],
            started_at=row["started_at"],
            last_activity_at=row["last_activity_at"],
            expires_at=row["expires_at"],
            ended_at=row["ended_at"],
            end_reason=row["end_reason"],
        )

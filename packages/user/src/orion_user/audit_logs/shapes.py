"""What auditors ask for, and what they see."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Literal
from uuid import UUID

from pydantic import Field, IPvAnyAddress

from orion_core.http.shapes import Moment, RequestShape, ResponseShape
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT
from orion_user.audit.rules import ActorType, AuditStatus, Wanted
from orion_user.spreadsheet import cell

StatusLabel = Literal["SUCCESS", "FAILURE", "DENIED"]
"""`AuditStatus` as it is written in a request."""


class EntryFilters(RequestShape):
    """Which entries are asked for; all of these have to be met."""

    user_id: UUID | None = Field(None, description="To whom it was done.")
    actor_id: UUID | None = Field(None, description="By whom it was done.")
    action: str | None = Field(None, min_length=1, max_length=100, examples=["role.assign"])
    resource_type: str | None = Field(None, min_length=1, max_length=60, examples=["role"])
    resource_id: str | None = Field(None, min_length=1, max_length=255)
    service: str | None = Field(None, min_length=1, max_length=60, examples=["auth"])
    status: StatusLabel | None = None
    session_id: UUID | None = None
    request_id: str | None = Field(None, min_length=1, max_length=64)
    ip: IPvAnyAddress | None = None
    changed_field: str | None = Field(None, min_length=1, max_length=100, description="A field that was changed.")
    since: Moment | None = None
    until: Moment | None = Field(None, description="Before this moment.")

    @property
    def wanted(self) -> Wanted:
        """What is looked for."""
        values = self.model_dump(exclude={"ip", "status", "cursor", "limit", "format"})
        status = None if self.status is None else AuditStatus[self.status]
        return Wanted(**values, status=status, ip_address=self.ip)

    @property
    def given(self) -> dict[str, Any]:
        """The filters that are set, as JSON."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"cursor", "limit", "format"})


class EntrySearch(EntryFilters):
    """Filters, and which page."""

    cursor: str | None = Field(None, max_length=500)
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=LARGEST_LIMIT)

    @property
    def listing(self) -> str:
        """The name of what is paged through."""
        return f"audit-logs {self.model_dump_json(exclude={'cursor', 'limit'})}"


class ExportFormat(Enum):
    """How an export is written."""

    NDJSON = "ndjson"
    CSV = "csv"


class EntryExport(EntryFilters):
    """Filters, and in which form."""

    format: ExportFormat = ExportFormat.NDJSON


class EntryShape(ResponseShape):
    """One entry of the audit trail."""

    id: UUID
    timestamp: datetime
    service: str
    action: str = Field(examples=["role.update"])
    status: str = Field(examples=[status.name for status in AuditStatus])
    actor_type: str = Field(examples=[kind.name for kind in ActorType])
    actor_id: UUID | None
    actor_name: str | None = Field(description="Of a service or an operator, who has no id elsewhere.")
    on_behalf_of: UUID | None
    user_id: UUID | None = Field(description="To whom it was done.")
    resource_type: str
    resource_id: str | None
    changed_fields: list[str]
    old_values: dict[str, Any] | None = Field(description="The fields before, of those that were changed.")
    new_values: dict[str, Any] | None
    error: str | None
    session_id: UUID | None
    request_id: str | None
    ip_address: str | None
    user_agent: str | None
    duration_ms: int | None
    erased_at: datetime | None = Field(description="When what was personal in it was erased.")

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> "EntryShape":
        """The shape of a row."""
        values = {name: row[name] for name in cls.model_fields}
        return cls.model_validate(
            values
            | {
                "status": row["status"].name,
                "actor_type": row["actor_type"].name,
                "ip_address": None if row["ip_address"] is None else str(row["ip_address"]),
            }
        )


class CheckpointShape(ResponseShape):
    """The latest checkpoint; kept elsewhere, it shows a tail that was cut off."""

    head: str = Field(description="Number and hash, as `orion audit verify --expect` takes them.")
    number: int
    entries: int = Field(description="How many entries it and all before it cover.")
    hash: str
    signature: str
    key_id: str
    created_at: datetime

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> "CheckpointShape":
        """The shape of a row."""
        return cls(
            head=f"{row['number']}:{row['hash'].hex()}",
            number=row["number"],
            entries=row["tree_size"],
            hash=row["hash"].hex(),
            signature=row["signature"].hex(),
            key_id=row["key_id"],
            created_at=row["created_at"],
        )


def ndjson(rows: Sequence[Mapping[Any, Any]]) -> bytes:
    """One entry as JSON on each line."""
    return b"".join(EntryShape.of(row).model_dump_json().encode() + b"\n" for row in rows)


def csv_header() -> bytes:
    """The names of the columns."""
    return _csv([list(EntryShape.model_fields)])


def csv_rows(rows: Sequence[Mapping[Any, Any]]) -> bytes:
    """One entry on each line (RFC 4180); values are JSON in their cells."""
    return _csv([[cell(value) for value in EntryShape.of(row).model_dump(mode="json").values()] for row in rows])


def _csv(lines: list[list[str]]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows(lines)
    return written.getvalue().encode()

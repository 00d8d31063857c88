"""Imports, and how far each is."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Follows, Rows
from orion_core.tables import Identified, Timestamped, native_enum
from orion_user.base import Table
from orion_user.imports.rules import ImportFormat

MONTH = timedelta(days=30)


class UserImport(Identified, Timestamped, Table):
    """One file of users."""

    __tablename__ = "user_imports"

    format: Mapped[ImportFormat] = mapped_column(native_enum(ImportFormat))
    columns: Mapped[list[str]] = mapped_column(ARRAY(String(40)), comment="Of a CSV file, in their order")
    requested_by: Mapped[str] = mapped_column(String(100), comment="Subject of an access token, or an operator")

    __table_args__ = (
        CheckConstraint("(format = 'CSV') = (cardinality(columns) > 0)", name="columns"),
        Index(None, "created_at"),
        {"info": {"retention": Rows("created_at", MONTH, "long enough to look into what was refused")}},
    )


class UserImportChunk(Timestamped, Table):
    """Some lines of an import that are done, written in the transaction that did them."""

    __tablename__ = "user_import_chunks"

    import_id: Mapped[UUID] = mapped_column(ForeignKey("user_imports.id", ondelete="CASCADE"), primary_key=True)
    first_line: Mapped[int] = mapped_column(primary_key=True)
    lines: Mapped[int]
    created: Mapped[int]
    existing: Mapped[int]
    refused: Mapped[int]
    report: Mapped[list[Any]] = mapped_column(comment="Of each line: outcome, user id, reason")

    __table_args__ = (
        CheckConstraint("first_line >= 1 AND lines = created + existing + refused", name="lines"),
        CheckConstraint("jsonb_typeof(report) = 'array' AND jsonb_array_length(report) = lines", name="report"),
        {"info": {"retention": Follows("user_imports", "its report")}},
    )

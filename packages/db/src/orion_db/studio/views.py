"""One page of the browser for each table."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (types of starlette-admin are given in part)

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette_admin.contrib.sqla import ModelView
from starlette_admin.contrib.sqla.converters import ModelConverter
from starlette_admin.converters import converts
from starlette_admin.fields import BaseField, StringField
from starlette_admin.filters import FilterGroup

from orion_db.studio.models import Shown

MOST_COUNTED = 10_000
"""Rows are counted up to this many: to count a hundred million takes longer than anybody looks at a page."""


class _Converter(ModelConverter):
    @converts("sqlalchemy.sql.elements.Label")
    def conv_masked(self, *args: Any, **kwargs: Any) -> BaseField:
        return StringField(**self._field_common(*args, **kwargs))

    @converts("sqlalchemy.dialects.postgresql.types.CIDR", "sqlalchemy.dialects.postgresql.types.TSVECTOR")
    def conv_text(self, *args: Any, **kwargs: Any) -> BaseField:
        return StringField(**self._field_common(*args, **kwargs))


class TableView(ModelView):
    """Rows of one table; what may be changed is what the service's own role may change, and only when asked for."""

    page_size = 50

    def __init__(self, shown: Shown, *, writable: bool) -> None:
        self._may = shown.may if writable else frozenset[str]()
        self.fields = list(shown.fields)  # pyright: ignore[reportAttributeAccessIssue] - names are fine too
        self.key = shown.table.name.replace("_", "-")
        self.exclude_fields_from_create = self.exclude_fields_from_edit = [*shown.masked, *_kept_by_database(shown)]
        self.fields_default_sort = [(column.name, True) for column in shown.table.primary_key.columns]
        super().__init__(
            shown.model, menu_label=shown.table.name, display_name=shown.table.name, converter=_Converter()
        )

    def can_create(self, request: Request) -> bool:
        return "INSERT" in self._may

    def can_edit(self, request: Request) -> bool:
        return "UPDATE" in self._may

    def can_delete(self, request: Request) -> bool:
        return "DELETE" in self._may

    def can_import(self, request: Request) -> bool:
        return False

    async def count(self, request: Request, q: str | None = None, filters: FilterGroup | None = None) -> int:
        session: AsyncSession = request.state.session
        matching = await self._apply_search_and_filters(request, select(*self._primary_key()), q, filters)
        some = matching.limit(MOST_COUNTED).subquery()
        return (await session.execute(select(func.count()).select_from(some))).scalar_one()

    def _primary_key(self) -> tuple[Any, ...]:
        key: Any = self._pk_column
        return key if isinstance(key, tuple) else (key,)


def _kept_by_database(shown: Shown) -> set[str]:
    """Columns that nobody types: timestamps that have a default or a trigger, generated ones."""
    return {
        column.name
        for column in shown.table.columns
        if column.computed is not None or column.name in ("created_at", "updated_at")
    }

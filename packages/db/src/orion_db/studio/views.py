"""One page of the browser for each table."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (types of starlette-admin are given in part)

from datetime import UTC, datetime
from enum import Enum
from typing import Any

from sqlalchemy import String, cast, false, func, null, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette_admin.contrib.sqla import ModelView
from starlette_admin.contrib.sqla.converters import ModelConverter
from starlette_admin.converters import converts
from starlette_admin.exceptions import ActionFailed
from starlette_admin.export.csv import CsvExporter
from starlette_admin.export.json import JsonExporter
from starlette_admin.fields import BaseField, EnumField, StringField
from starlette_admin.filters import FilterGroup

from orion_db.errors import driver_error
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
    exporters = (CsvExporter(escape_formulas=True), JsonExporter())

    def __init__(self, shown: Shown, *, writable: bool) -> None:
        self._masked = shown.masked
        self._nullable = {column.name: column.nullable for column in shown.table.columns}
        self._may = shown.may if writable else frozenset[str]()
        self.fields = list(shown.fields)  # pyright: ignore[reportAttributeAccessIssue] - names are fine too
        self.key = shown.table.name.replace("_", "-")
        key = {column.name for column in shown.table.primary_key.columns}  # other services keep it too
        self.exclude_fields_from_create = [*shown.masked, *_kept_by_database(shown)]
        self.exclude_fields_from_edit = [*self.exclude_fields_from_create, *key]
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

    def get_search_query(self, request: Request, term: str) -> Any:
        """Rows in which any column of text holds the term; none where there is no such column."""
        names = [
            field.name
            for field in self.get_fields_list(request)
            if isinstance(field, StringField | EnumField) and field.name not in self._masked
        ]
        columns = [cast(getattr(self.model, name), String) for name in names]
        return or_(false(), *(column.icontains(term, autoescape=True) for column in columns))

    async def find_by_pk(self, request: Request, pk: Any) -> Any:
        try:
            return await super().find_by_pk(request, pk)
        except ValueError:
            return None  # no key of this table is written so

    async def delete(self, request: Request, pks: list[Any]) -> int | None:
        try:
            return await super().delete(request, pks)
        except DBAPIError as error:
            raise ActionFailed(refusal(error)) from error

    async def _populate_obj(self, request: Request, obj: Any, data: dict[str, Any], is_edit: bool = False) -> Any:
        """Put in what was filled in, and of an old row only what differs from what the form showed.

        A form cannot say NULL, tells seconds, and knows no zone: left to themselves, all NULL texts would become
        empty, and all times be cut, and moved to the zone of this machine.
        """
        for field in self.get_fields_list(request):
            if field.read_only:
                continue
            old, new = getattr(obj, field.name) if is_edit else None, data.get(field.name)
            if new == "" and self._nullable[field.name]:
                new = None
            if isinstance(new, datetime) and new.tzinfo is None:
                new = new.replace(tzinfo=UTC)
            if new != _as_in_a_form(old, new):
                setattr(obj, field.name, null() if new is None else new)
        return obj

    def _primary_key(self) -> tuple[Any, ...]:
        key: Any = self._pk_column
        return key if isinstance(key, tuple) else (key,)


def _as_in_a_form(old: Any, new: Any) -> Any:
    """What a form gives back of the value when nobody touches it."""
    if isinstance(old, datetime) and isinstance(new, datetime):
        return old if old == new else old.replace(microsecond=0)
    if isinstance(old, dict | list) and not old:
        return new if new == old else None  # an empty document is shown as null
    if not isinstance(new, str) or old is None:
        return old
    return old.name if isinstance(old, Enum) else str(old)


def refusal(error: Exception) -> str:
    """The server's words without its detail, which may hold a whole row and its secrets."""
    found = driver_error(error)
    return str(found.args[0]) if found and found.args else type(error).__name__


def _kept_by_database(shown: Shown) -> set[str]:
    """Columns that nobody types: timestamps that have a default or a trigger, generated ones."""
    return {
        column.name
        for column in shown.table.columns
        if column.computed is not None or column.name in ("created_at", "updated_at")
    }

"""What writers do with templates, written down in the audit trail.

Composing and linting take longer than a transaction should be open: what they looked at is locked and compared before
anything is published.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database, Transaction
from orion_core.errors import FieldError, Problem, invalid_field
from orion_notifications import audit_trail
from orion_notifications.audit_trail import Entry
from orion_notifications.authoring.composition import Composed, composed, findings
from orion_notifications.authoring.diffs import Difference, differences
from orion_notifications.authoring.lint import Finding, Level
from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.rendering.composing import Composer
from orion_notifications.templates import actions as templates
from orion_notifications.templates.actions import Filters
from orion_notifications.templates.rules import TemplateFaultError, TemplateKind

ENUMS = {"category": Category, "channel": Channel, "kind": TemplateKind, "priority": Priority}
KEPT = ("name", "display_name", "description", "category", "channel", "kind", "priority", "default_locale")
"""What the audit trail tells of a template, besides its version, state and tags."""
SETTLED_BY_VERSION = frozenset({"category", "default_locale"})
"""What a version in force may not fit."""


@dataclass(frozen=True)
class Writer:
    """Who writes, and when."""

    database: Database
    user_id: UUID | None
    now: datetime


@dataclass(frozen=True)
class Looked:
    """A version of a template, and what it would be rendered from."""

    template: RowMapping
    version: RowMapping
    composed: Composed

    @property
    def variables(self) -> Mapping[str, Any]:
        """The schema that goes with it."""
        own: Mapping[str, Any] | None = self.version["variables"]
        return self.template["variables"] if own is None else own


async def page(database: Database, filters: Filters, after: Sequence[Any] | None, limit: int) -> Sequence[RowMapping]:
    """Templates by name."""
    async with database.autocommit() as connection:
        return await templates.page(connection, filters, after, limit)


async def read(database: Database, template_id: UUID) -> RowMapping:
    """One template; 404 for none."""
    async with database.autocommit() as connection:
        return await templates.template(connection, template_id)


async def create(writer: Writer, values: Mapping[str, Any]) -> RowMapping:
    """Make a template; 409 when its name is taken."""
    async with writer.database.transaction() as transaction:
        row = await templates.create(transaction.connection, _typed(values))
        await _tell(transaction, writer, "template.create", row, {}, _kept(row))
        return row


async def change(
    writer: Writer, template_id: UUID, values: Mapping[str, Any], require_match: Callable[[RowMapping], None]
) -> RowMapping:
    """Change what is known of a template; 422 when the version in force would not fit it any more."""
    async with writer.database.transaction() as transaction:
        before = await templates.template(transaction.connection, template_id, lock=True)
        require_match(before)
        typed = _typed(values)
        if SETTLED_BY_VERSION & typed.keys() and before["published_version"] is not None:
            await _require_fit(transaction.connection, {**before, **typed})
        row = await templates.change(transaction.connection, template_id, typed) if typed else before
        await _tell(transaction, writer, "template.update", row, _kept(before), _kept(row))
        return row


async def remove(writer: Writer, template_id: UUID) -> None:
    """Put a template away; 404 for none."""
    async with writer.database.transaction() as transaction:
        row = await templates.template(transaction.connection, template_id, lock=True)
        await templates.remove(transaction.connection, template_id, writer.now)
        await _tell(transaction, writer, "template.delete", row, _kept(row), {})


async def versions(database: Database, template_id: UUID, before: int | None, limit: int) -> Sequence[RowMapping]:
    """Versions of a template, newest first; 404 for no template."""
    async with database.autocommit() as connection:
        return await templates.versions(connection, template_id, before, limit)


async def version(database: Database, template_id: UUID, number: int) -> RowMapping:
    """One version; 404 for none."""
    async with database.autocommit() as connection:
        await templates.template(connection, template_id)
        return await templates.version(connection, template_id, number)


async def draft(writer: Writer, template_id: UUID, values: Mapping[str, Any]) -> RowMapping:
    """Add a draft; 422 for a schema that is none."""
    async with writer.database.transaction() as transaction:
        template = await templates.template(transaction.connection, template_id, lock=True)
        row = await templates.draft(transaction.connection, template_id, {**values, "created_by": writer.user_id})
        await _tell(transaction, writer, "template.draft", template, {}, {"version": row["version"]})
        return row


async def edit(
    writer: Writer,
    template_id: UUID,
    number: int,
    values: Mapping[str, Any],
    require_match: Callable[[RowMapping], None],
) -> RowMapping:
    """Change a draft; 409 when it is published."""
    async with writer.database.transaction() as transaction:
        template = await templates.template(transaction.connection, template_id, lock=True)
        before = await templates.version(transaction.connection, template_id, number)
        if before["published_at"] is not None:
            raise templates.published_already(number)
        require_match(before)
        if not values:
            return before
        row = await templates.edit(transaction.connection, template_id, number, values)
        new = {"version": number, "changed": sorted(values)}
        await _tell(transaction, writer, "template.draft", template, {"version": number}, new)
        return row


async def discard(writer: Writer, template_id: UUID, number: int) -> None:
    """Throw a draft away; 409 when it is published."""
    async with writer.database.transaction() as transaction:
        template = await templates.template(transaction.connection, template_id, lock=True)
        await templates.discard(transaction.connection, template_id, number)
        await _tell(transaction, writer, "template.discard", template, {"version": number}, {})


async def diff(database: Database, template_id: UUID, number: int, against: int) -> list[Difference]:
    """What version `number` says otherwise than version `against`."""
    async with database.autocommit() as connection:
        await templates.template(connection, template_id)
        new = await templates.version(connection, template_id, number)
        old = await templates.version(connection, template_id, against)
    return await asyncio.to_thread(differences, old, new)


async def look(database: Database, template_id: UUID, number: int) -> Looked:
    """A version with what it would be rendered from; 404 for none."""
    async with database.autocommit() as connection:
        template = await templates.template(connection, template_id)
        found = await templates.version(connection, template_id, number)
        parts = await templates.parts(connection, template["channel"])
    return await _composed(template, found, parts)


async def lint(database: Database, template_id: UUID, number: int) -> list[Finding]:
    """What is wrong with a version."""
    looked = await look(database, template_id, number)
    return await asyncio.to_thread(findings, looked.template, looked.version, looked.composed)


async def put_in_force(writer: Writer, template_id: UUID, number: int) -> RowMapping:
    """Have messages rendered from this version: a draft is published by that, an earlier one is gone back to.

    422 when it has errors, 409 when it was changed meanwhile.
    """
    looked = await look(writer.database, template_id, number)
    found = await asyncio.to_thread(findings, looked.template, looked.version, looked.composed)
    _refuse_errors(found)
    is_message = looked.template["kind"] is TemplateKind.MESSAGE
    compiled = looked.composed.compiled if is_message else None
    async with writer.database.transaction() as transaction:
        before = await templates.template(transaction.connection, template_id, lock=True)
        if any(before[name] != looked.template[name] for name in SETTLED_BY_VERSION):
            detail = "The template was changed while a version of it was being published. Repeat it."
            raise Problem(409, "changed_meanwhile", "Changed meanwhile", detail)
        row = await templates.publish(
            transaction.connection, looked.version, compiled, looked.composed.taken, writer.now
        )
        action = "template.publish" if looked.version["published_at"] is None else "template.rollback"
        old, new = {"version": before["published_version"]}, {"version": number}
        await _tell(transaction, writer, action, row, old, new)
        return row


async def _composed(template: RowMapping, version: RowMapping, parts: Composer) -> Looked:
    return Looked(template, version, await asyncio.to_thread(composed, template, version, parts))


async def _require_fit(connection: AsyncConnection, template: Mapping[str, Any]) -> None:
    """422 when the version in force has errors under what the template is to become."""
    number: int = template["published_version"]
    found = await templates.version(connection, template["id"], number)
    parts = await templates.parts(connection, template["channel"])
    looked = await asyncio.to_thread(composed, template, found, parts)
    _refuse_errors(await asyncio.to_thread(findings, template, found, looked))


def _refuse_errors(found: Sequence[Finding]) -> None:
    errors = [finding for finding in found if finding.level is Level.ERROR]
    if not errors:
        return
    fields = [
        FieldError(
            field=f"/locales/{finding.locale}" + (f"/{finding.part}" if finding.part else "") if finding.locale else "",
            code=finding.code,
            detail=finding.detail,
        )
        for finding in errors[:50]
    ]
    detail = f"{len(errors)} errors keep it from being in force; see errors. Nothing was changed."
    raise Problem(422, "template_faulty", "Template faulty", detail, errors=fields)


def fault_problem(error: TemplateFaultError, locale: str) -> Problem:
    """422 for what cannot be composed or rendered."""
    return invalid_field(f"/locales/{locale}", "template_fault", str(error))


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: ENUMS[name][value] if name in ENUMS else value for name, value in values.items()}


def _kept(row: Mapping[Any, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in (*KEPT, "is_active", "tags")}
    return {name: value.name if name in ENUMS else value for name, value in told.items()}


async def _tell(
    transaction: Transaction,
    writer: Writer,
    action: str,
    row: Mapping[Any, Any],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
) -> None:
    await audit_trail.record(transaction, Entry(action, "template", str(row["id"]), old=old, new=new), writer.now)

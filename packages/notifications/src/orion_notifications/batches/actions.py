"""What administrators and programs do with batches."""

import asyncio
import tempfile
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database, Transaction
from orion_core.errors import FieldError, Problem, invalid_field, not_found
from orion_core.http.idempotency import Claim
from orion_core.ids import uuid7
from orion_notifications import audit_trail
from orion_notifications.audit_trail import Entry
from orion_notifications.batches import store
from orion_notifications.batches.reading import (
    Demands,
    Faults,
    UnreadableError,
    note_faults,
    read_chunk,
    read_file,
    slices,
    unfit,
)
from orion_notifications.batches.rules import (
    ASKED_FOR,
    MOST_OUTCOMES_TOLD,
    MOST_RECIPIENTS,
    NOT_BEGUN,
    OF_ADDRESSES,
    UPLOAD,
    BatchStatus,
    asked_for,
    is_upload,
)
from orion_notifications.batches.shapes import (
    BatchChange,
    BatchShape,
    ChunkShape,
    NewBatch,
    OutcomeShape,
    ReportShape,
)
from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.notifications.actions import LONGEST_AHEAD, TOO_FAR_AHEAD
from orion_notifications.rendering.schemas import value_errors
from orion_notifications.templates.actions import UnknownTemplateError, pinned, published
from orion_notifications.templates.rules import secret_names

SPOOLED_AT_ONCE = 1024 * 1024


async def create(
    database: Database, wanted: NewBatch, by: UUID | None, now: datetime, claim: Claim[BatchShape]
) -> BatchShape:
    """Begin a batch, as a draft; a 422 Problem when its template cannot say it."""
    async with database.transaction() as transaction:
        connection, channel = transaction.connection, Channel[wanted.channel]
        schema, words = await _words(connection, wanted)
        _refuse_misfits(schema, wanted.variables)
        audience = wanted.audience and wanted.audience.model_dump(mode="json", exclude_none=True)
        if audience is not None:
            _refuse_unreachable(Demands(channel, schema, wanted.variables))
        row = await store.add(
            connection,
            {
                "id": uuid7(),
                "name": wanted.name,
                "type": wanted.type,
                "variables": wanted.variables,
                "channel": channel,
                "priority": Priority[wanted.priority],
                "audience": UPLOAD if audience is None else asked_for(audience),
                "created_by": by,
                **words,
                **wanted.brakes(),
            },
        )
        await _audit(transaction, "batch.create", row, {"name": wanted.name, "template": wanted.template}, now)
        made = BatchShape.model_validate(dict(row))
        await claim.settle(transaction, made)
        return made


async def _words(connection: AsyncConnection, wanted: NewBatch) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """The schema of its variables, and the columns of what it says; words of its own have no variables."""
    if wanted.content is not None and wanted.category is not None:
        return {}, {"content": wanted.content.model_dump(), "category": Category[wanted.category]}
    try:
        template = await published(connection, wanted.template or "", Channel[wanted.channel])
    except UnknownTemplateError as error:
        raise invalid_field("/template", "unknown_template", str(error)) from None
    return template.variables, {"template_id": template.id, "template_version": template.version}


def _refuse_misfits(schema: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    if secrets := secret_names(schema):
        detail = f"It has secrets ({', '.join(sorted(secrets))}), which are for one recipient each: send it by itself."
        raise invalid_field("/template", "has_secrets", detail)
    properties: Mapping[str, Any] = schema.get("properties", {})
    if unknown := variables.keys() - properties.keys():
        raise invalid_field("/variables", "misfit_variables", f"unknown: {', '.join(sorted(unknown))}")
    if faults := value_errors({}, variables):
        raise invalid_field(f"/variables{faults[0].field}", faults[0].code, faults[0].detail)


def _refuse_unreachable(demands: Demands) -> None:
    """Whoever user names has nothing but his id: the channel reaches users, and the batch has all variables."""
    if demands.channel in OF_ADDRESSES:
        detail = f"{demands.channel.name} reaches addresses that are sent in, not users."
        raise invalid_field("/channel", "unreachable", detail)
    if (fault := unfit({}, demands)) is not None:
        raise invalid_field("/variables", "misfit_variables", fault)


async def page(database: Database, status: BatchStatus | None, before: UUID | None, limit: int) -> Sequence[RowMapping]:
    """Batches, newest first."""
    async with database.autocommit() as connection:
        return await store.page(connection, status, before, limit)


async def read(database: Database, batch_id: UUID) -> RowMapping:
    """One batch; 404 for none."""
    async with database.autocommit() as connection:
        return await _found(connection, batch_id)


async def recipients(database: Database, batch_id: UUID, after: int, limit: int) -> Sequence[RowMapping]:
    """Whom a batch has still to reach, by their lines; 404 for no batch."""
    async with database.autocommit() as connection:
        await _found(connection, batch_id)
        return await store.recipients(connection, batch_id, after, limit)


async def report(database: Database, batch_id: UUID) -> ReportShape:
    """What has become of a batch's recipients, and why; 404 for no batch."""
    async with database.autocommit() as connection:
        batch = await _found(connection, batch_id)
        outcomes = await store.outcomes(connection, batch_id, MOST_OUTCOMES_TOLD)
    return ReportShape(
        batch_id=batch_id,
        recipient_count=batch["recipient_count"],
        not_reached=batch["recipient_count"] - batch["fed_count"],
        total_complained=batch["total_complained"],
        outcomes=[OutcomeShape.model_validate(dict(row)) for row in outcomes],
    )


async def add_lines(database: Database, batch_id: UUID, kind: str, first_line: int, body: bytes) -> ChunkShape:
    """Take lines of an upload into a draft, all or, with a 422 Problem that names the faulty ones, none of them."""
    demands = await _demands(database, batch_id)
    try:
        lines = read_chunk(kind, first_line, body, demands)
    except UnreadableError as error:
        raise _unreadable(error) from None
    faults = Faults(len(lines))
    note_faults(faults, lines)
    _refuse_faults(faults)
    async with database.transaction() as transaction:
        batch = await _draft(transaction.connection, batch_id, lock=True)
        taken = [line.values for line in lines if line.values is not None]
        added = await store.add_recipients(transaction.connection, batch_id, taken)
        count = batch["recipient_count"] + added
        if count > MOST_RECIPIENTS:
            detail = f"A batch has at most {MOST_RECIPIENTS} recipients; make another one. Nothing was taken in."
            raise Problem(422, "too_many_recipients", "Too many recipients", detail)
        await store.change(transaction.connection, batch_id, {"recipient_count": count})
        return ChunkShape(recipient_count=count, added=added, repeated=len(taken) - added)


async def replace_lines(
    database: Database, batch_id: UUID, kind: str, body: AsyncIterable[bytes], now: datetime
) -> ChunkShape:
    """Have the lines of a file be all the recipients of a draft; with a 422 Problem, whoever was there stays."""
    demands = await _demands(database, batch_id)
    with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as good:
        await _spool(body, file)
        try:
            faults = await read_file(kind, file, demands, good)
        except UnreadableError as error:
            raise _unreadable(error) from None
        _refuse_faults(faults)
        good.seek(0)
        async with database.transaction() as transaction:
            batch = await _draft(transaction.connection, batch_id, lock=True)
            await store.forget_recipients(transaction.connection, batch_id)
            added = await store.add_slices(transaction.connection, batch_id, slices(good))
            row = await store.change(transaction.connection, batch_id, {"recipient_count": added})
            old = {"recipient_count": batch["recipient_count"]}
            await _audit(transaction, "batch.update", row, {"recipient_count": added}, now, old)
    return ChunkShape(recipient_count=added, added=added, repeated=faults.lines - added)


async def _spool(body: AsyncIterable[bytes], file: BinaryIO) -> None:
    """Write a body away as it comes, and go to its beginning: it may be larger than the memory for it."""
    held = bytearray()
    async for part in body:
        held += part
        if len(held) >= SPOOLED_AT_ONCE:
            await asyncio.to_thread(file.write, bytes(held))
            held.clear()
    file.write(held)
    file.seek(0)


async def _draft(connection: AsyncConnection, batch_id: UUID, *, lock: bool = False) -> RowMapping:
    """A batch that takes recipients in; a 409 Problem when it does not."""
    batch = await _found(connection, batch_id, lock=lock)
    if batch["status"] is not BatchStatus.DRAFT:
        raise _not_now(batch, "take recipients in")
    if not is_upload(batch["audience"]):
        detail = "Its recipients are those whom `audience` names; make a batch without one to send them in."
        raise Problem(409, "has_audience", "Not sent in", detail)
    return batch


async def _demands(database: Database, batch_id: UUID) -> Demands:
    """What lines have to fit, of a batch that takes them in: known before any is read."""
    try:
        async with database.autocommit() as connection:
            batch = await _draft(connection, batch_id)
            if batch["content"] is not None:
                return Demands(batch["channel"], {}, batch["variables"])
            template = await pinned(connection, batch["template_id"], batch["template_version"])
    except UnknownTemplateError as error:
        raise Problem(409, "template_gone", "Template gone", f"No message can be made: {error}.") from None
    return Demands(batch["channel"], template.variables, batch["variables"])


def _unreadable(error: UnreadableError) -> Problem:
    return Problem(422, "invalid_lines", "Invalid lines", f"{error} Nothing was taken in.")


def _refuse_faults(faults: Faults) -> None:
    if faults.faulty:
        detail = f"{faults.faulty} of {faults.lines} lines cannot be taken; nothing was taken in. See errors."
        errors = [
            FieldError(field=f"/{line.number}", code="faulty_line", detail=line.fault or "") for line in faults.first
        ]
        raise Problem(422, "invalid_lines", "Invalid lines", detail, errors=errors)


async def change(
    database: Database, batch_id: UUID, wanted: BatchChange, require_match: Callable[[BatchShape], None], now: datetime
) -> BatchShape:
    """Have a batch go on, wait, or end, and change one that has not begun; a 409 Problem where that cannot follow."""
    if wanted.scheduled_at is not None and wanted.scheduled_at > now + LONGEST_AHEAD:
        raise invalid_field("/scheduled_at", "too_far_ahead", TOO_FAR_AHEAD)
    async with database.transaction() as transaction:
        batch = await _found(transaction.connection, batch_id, lock=True)
        before = BatchShape.model_validate(dict(batch))
        require_match(before)
        values = _details(batch, wanted) | _standing(batch, wanted, now)
        if not values:
            return before
        row = await store.change(transaction.connection, batch_id, values)
        after = BatchShape.model_validate(dict(row))
        told = {"status", "scheduled_at", *wanted.details()}
        old, new = (shown.model_dump(mode="json", include=told) for shown in (before, after))
        differing = {name for name in told if old[name] != new[name]}
        if differing:
            old, new = ({name: shown[name] for name in differing} for shown in (old, new))
            await _audit(transaction, "batch.update", row, new, now, old)
        return after


def _details(batch: RowMapping, wanted: BatchChange) -> dict[str, Any]:
    """What changes of a batch that nobody has got yet; a 409 Problem when it has begun."""
    values = wanted.details()
    if values and batch["status"] not in NOT_BEGUN:
        raise _not_now(batch, "be changed; make another one")
    return values


def _standing(batch: RowMapping, wanted: BatchChange, now: datetime) -> dict[str, Any]:
    """What changes of where a batch stands; a 409 Problem where that cannot follow."""
    if wanted.status is None and wanted.scheduled_at is None:
        return {}
    if wanted.status is None and batch["status"] is BatchStatus.DRAFT:
        detail = "It is DRAFT and waits for no moment: send the status SCHEDULED with it."
        raise Problem(409, "wrong_status", "Not now", detail)
    status = BatchStatus[wanted.status or "SCHEDULED"]
    if batch["status"] is status and status is not BatchStatus.SCHEDULED:
        return {}
    if batch["status"] not in ASKED_FOR[status]:
        raise _not_now(batch, f"become {status.name}")
    is_empty = batch["recipient_count"] == 0 and is_upload(batch["audience"])
    if is_empty and status is not BatchStatus.CANCELLED:
        detail = "It has no recipients: PUT …/recipients/1 takes in the first ones."
        raise Problem(409, "no_recipients", "No recipients", detail)
    return _values(batch, status, wanted.scheduled_at, now)


def _values(batch: RowMapping, status: BatchStatus, scheduled_at: datetime | None, now: datetime) -> dict[str, Any]:
    """What changes of a batch that is to become `status`; workers do the rest at their next look."""
    values: dict[str, Any] = {"status": status, "next_look_at": now, "reason": None}
    match status:
        case BatchStatus.SCHEDULED:
            return values | {"scheduled_at": scheduled_at, "next_look_at": scheduled_at}
        case BatchStatus.RUNNING:
            return values | {"started_at": batch["started_at"] or now, "is_releasing": batch["started_at"] is not None}
        case BatchStatus.CANCELLED:
            return values | {"completed_at": now}
        case _:
            return values


async def remove(database: Database, batch_id: UUID, now: datetime) -> None:
    """Put a draft away, with its recipients; a 409 Problem for one that has begun."""
    async with database.transaction() as transaction:
        batch = await _found(transaction.connection, batch_id, lock=True)
        if batch["status"] is not BatchStatus.DRAFT:
            raise _not_now(batch, "be deleted: cancel it")
        await store.remove(transaction.connection, batch_id)
        await _audit(transaction, "batch.delete", batch, {}, now)


async def note_complaint(transaction: Transaction, notification_id: UUID) -> None:
    """Count a complaint about a message, if it is one of a batch."""
    await store.note_complaint(transaction.connection, notification_id)


async def _found(connection: AsyncConnection, batch_id: UUID, *, lock: bool = False) -> RowMapping:
    row = await store.find(connection, batch_id, lock=lock)
    if row is None:
        raise not_found("batch")
    return row


def _not_now(batch: RowMapping, what: str) -> Problem:
    return Problem(409, "wrong_status", "Not now", f"It is {batch['status'].name} and can no longer {what}.")


async def _audit(
    transaction: Transaction,
    action: str,
    row: RowMapping,
    new: Mapping[str, Any],
    now: datetime,
    old: Mapping[str, Any] | None = None,
) -> None:
    await audit_trail.record(transaction, Entry(action, "batch", str(row["id"]), old=old or {}, new=new), now)

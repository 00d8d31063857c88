"""What somebody changed with the browser: written in the transaction of the change, or the change is not made."""

import getpass

import orjson
from sqlalchemy import Null, event, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Session, UOWTransaction

from orion_db.studio.models import Shown

_RECORD = text("""
INSERT INTO public.studio_changes (changed_by, table_name, row_key, action, old_values, new_values)
VALUES (:changed_by, :table_name, :row_key, :action, CAST(:old_values AS jsonb), CAST(:new_values AS jsonb))
""")


async def create_changes(connection: AsyncConnection) -> None:
    """Make the table where there is none; only the owner may read or write it."""
    await connection.execute(
        text("""
        CREATE TABLE IF NOT EXISTS public.studio_changes (
          id uuid CONSTRAINT pk_studio_changes PRIMARY KEY DEFAULT uuidv7(),
          changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          changed_by varchar(200) NOT NULL,
          login varchar(63) NOT NULL DEFAULT session_user,
          table_name varchar(63) NOT NULL,
          row_key varchar(500) NOT NULL,
          action varchar(6) NOT NULL
            CONSTRAINT ck_studio_changes_action CHECK (action IN ('INSERT', 'UPDATE', 'DELETE')),
          old_values jsonb,
          new_values jsonb
        )""")
    )
    await connection.execute(
        text("COMMENT ON TABLE public.studio_changes IS 'Rows changed by hand in orion db studio; kept by orion db'")
    )


def audited_session(tables: list[Shown]) -> type[Session]:
    """A kind of session that records each row of these tables which it inserts, updates or deletes."""
    kind = type("AuditedSession", (Session,), {})
    shown = {table.model: table for table in tables}

    def record(session: Session, _: UOWTransaction) -> None:
        changes = [
            *(("INSERT", row) for row in session.new),
            *(("UPDATE", row) for row in session.dirty if session.is_modified(row)),
            *(("DELETE", row) for row in session.deleted),
        ]
        for action, row in changes:
            _write(session, action, row, shown[type(row)])

    event.listen(kind, "after_flush", record)
    return kind


def _write(session: Session, action: str, row: object, shown: Shown) -> None:
    state = inspect(row)
    assert state is not None
    names = [name for name in shown.fields if name not in shown.masked and name in state.attrs]
    histories = {name: state.attrs[name].history for name in names}
    old = {name: history.deleted[0] for name, history in histories.items() if history.deleted}
    new = {name: history.added[0] for name, history in histories.items() if history.added}
    if action == "DELETE":
        old = {name: state.dict.get(name) for name in names}
    key = ", ".join(str(state.dict.get(column.name)) for column in shown.table.primary_key.columns)
    session.execute(
        _RECORD,
        {
            "changed_by": getpass.getuser(),
            "table_name": shown.table.name,
            "row_key": key,
            "action": action,
            "old_values": _as_json(old),
            "new_values": _as_json(new),
        },
    )


def _as_json(values: dict[str, object]) -> str | None:
    return orjson.dumps(values, default=_plain).decode() if values else None


def _plain(value: object) -> str | None:
    return None if isinstance(value, Null) else str(value)

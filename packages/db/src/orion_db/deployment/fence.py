"""The fence of a migrating transaction: two sessions can never do the same step, even if one has lost its lock."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.deployment.failures import overtaken
from orion_db.deployment.unfinished import advance, read_unfinished
from orion_db.history import read_history


async def fenced(connection: AsyncConnection) -> set[str]:
    """Fence this transaction; the names that are applied.

    The advisory lock may be lost with its connection without this session noticing. The lock on the table is of
    this transaction itself, so two sessions can never apply the same revision; readers pass.
    """
    await connection.execute(text("LOCK TABLE public.schema_migrations IN SHARE ROW EXCLUSIVE MODE"))
    return {applied.name for applied in await read_history(connection)}


async def fenced_at(connection: AsyncConnection, name: str, number: int) -> None:
    """The same, in the middle of a revision. Raises Problem `overtaken` when this is not the step that comes next."""
    await fenced(connection)
    found = await read_unfinished(connection)
    if found is None or (found.name, found.done) != (name, number):
        raise overtaken(name)


async def advanced(connection: AsyncConnection, name: str, number: int, milliseconds: int) -> None:
    """Note, fenced, that the step of that number is done."""
    await fenced_at(connection, name, number)
    await advance(connection, name, steps=1, rows=0, milliseconds=milliseconds)

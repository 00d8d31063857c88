"""What a check is: a question to the server, and a judgement of the answer that knows nothing else."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.doctor.finding import Finding
from orion_db.doctor.server import Server

Row = Mapping[str, Any]
"""One answer, by column name."""

Read = Callable[[AsyncConnection, Server], Awaitable[Sequence[Row]]]
"""Asks the server, in a read-only transaction that the caller has begun."""

Judge = Callable[[Sequence[Row], Server], Iterable[Finding]]
"""Decides from the rows alone; the time, the version and the settings are in `Server`."""


@dataclass(frozen=True)
class Check:
    """One kind of illness."""

    id: str
    """Stable: the word for `--only`, and in the history."""
    title: str
    why: str
    """Why it matters."""
    todo: str
    """What to do about it, beyond the statement that a finding brings."""
    read: Read
    judge: Judge
    weight: int
    """Points that one warning of it costs; see `score`."""
    asks_migrations: bool = False
    """Whether the judgement depends on what the migrations make: then `Server.ours` is read, if anything is found."""
    sees: str = ""
    """What only a member of pg_monitor sees of it; empty when the owner sees all."""


def rows(query: str | Callable[[Server], str | None]) -> Read:
    """Asks with one SELECT. It may name `:service`, `:login`, `:owner`, `:service_login` and `:now`."""

    async def read(connection: AsyncConnection, server: Server) -> Sequence[Row]:
        words = query if isinstance(query, str) else query(server)
        if words is None:  # nothing to ask on this server
            return ()
        statement = text(words)
        wanted = statement.compile().params.keys()
        values = {name: value for name, value in server.parameters.items() if name in wanted}
        return [
            {str(name): value for name, value in row.items()}
            for row in (await connection.execute(statement, values)).mappings()
        ]

    return read


async def nothing(_: AsyncConnection, __: Server) -> Sequence[Row]:
    """For judgements of the settings, which are read once for all."""
    return ()


def each(judge: Callable[[Row, Server], Finding | None]) -> Judge:
    """Judges row by row."""

    def judge_all(found: Sequence[Row], server: Server) -> Iterable[Finding]:
        return [finding for row in found if (finding := judge(row, server))]

    return judge_all

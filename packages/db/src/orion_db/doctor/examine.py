"""Examining a database: each check in a read-only transaction of its own, judged, scored and written down."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.catalog import Catalog
from orion_db.connections import login_connection, owner_connection
from orion_db.doctor.check import Check
from orion_db.doctor.checks import BY_ID, CHECKS, WEIGHTS
from orion_db.doctor.finding import Finding
from orion_db.doctor.history import read_checkups, read_sizes, record_checkup
from orion_db.doctor.outside import Outside
from orion_db.doctor.report import Examination, NotSeen, Past
from orion_db.doctor.score import score
from orion_db.doctor.server import Server, read_server
from orion_db.errors import Exit, Problem, permissions_explained, reason, sqlstate
from orion_db.history import read_history
from orion_db.progress import Progress, Step, silent
from orion_db.revisions import read_revisions
from orion_db.scratch import catalog_of_migrations
from orion_db.targets import Target

_LIMITS = text("SELECT set_config('statement_timeout', '60s', true), set_config('lock_timeout', '2s', true)")


async def doctor(
    target: Target,
    *,
    only: Sequence[str] = (),
    record: bool = True,
    outside: Outside | None = None,
    now: datetime | None = None,
    progress: Progress = silent,
) -> Examination:
    """Examine the database, by all checks or `only` those named, and write down what all of them found.

    Changes nothing but the table of checkups. `now` is the server's clock unless it is handed in.
    Raises Problem `unknown_check`, `permission_missing`, and those of connecting.
    """
    checks = choose(only)
    async with login_connection(target, "doctor") as connection:
        examiner = Examiner(connection, target, await look_around(connection, target, outside, now), progress)
        findings = await examiner.examine(checks)
    recorded = record and not only and await write_down(target, findings)
    return examiner.result(findings, recorded=recorded)


async def history(target: Target) -> Past:
    """What earlier examinations found. Raises Problem: those of connecting."""
    async with login_connection(target, "doctor") as connection, connection.begin():
        return Past(target.service.name, tuple(await read_checkups(connection)))


def choose(only: Iterable[str]) -> tuple[Check, ...]:
    """The checks of these ids; all of them when there is none. Raises Problem `unknown_check`."""
    wanted = list(only)
    unknown = [word for word in wanted if word not in BY_ID]
    if unknown:
        raise Problem(
            "unknown_check",
            Exit.USAGE,
            f"There is no check {unknown[0]!r}.",
            "",
            f"There are: {', '.join(BY_ID)}.",
        )
    return tuple(check for check in CHECKS if not wanted or check.id in wanted)


async def look_around(
    connection: AsyncConnection, target: Target, outside: Outside | None = None, now: datetime | None = None
) -> Server:
    """What all judgements know."""
    async with connection.begin():
        return await read_server(connection, target, now, outside or Outside())


async def write_down(target: Target, findings: Sequence[Finding]) -> bool:
    """Record a checkup as the owner; False where nothing can be written, as on a standby."""
    async with owner_connection(target, "doctor") as connection:
        with permissions_explained("write the checkup down (--no-record leaves it out)", target.login):
            async with connection.begin():
                if (await connection.execute(text("SHOW transaction_read_only"))).scalar_one() == "on":
                    return False
                await connection.execute(_LIMITS)
                sizes = await read_sizes(connection)
                await record_checkup(connection, score(findings, WEIGHTS), findings, sizes)
    return True


class Examiner:
    """Makes checks on one connection, and remembers what it could not see."""

    def __init__(
        self, connection: AsyncConnection, target: Target, server: Server, progress: Progress = silent
    ) -> None:
        self._connection = connection
        self._target = target
        self.server = server
        self._progress = progress
        self._asked_migrations = False
        self.not_seen: dict[str, NotSeen] = {}

    async def examine(self, checks: Sequence[Check]) -> list[Finding]:
        """What these checks find."""
        findings: list[Finding] = []
        for number, check in enumerate(checks):
            self._progress(Step(self._target.service.name, check.title, share=number / len(checks)))
            findings += await self._examine(check)
        return findings

    def result(self, findings: Sequence[Finding], *, recorded: bool = False) -> Examination:
        """All of it."""
        return Examination(
            service=self._target.service.name,
            database=self._target.database,
            score=score(findings, WEIGHTS),
            findings=tuple(findings),
            not_seen=tuple(self.not_seen.values()),
            recorded=recorded,
        )

    async def _examine(self, check: Check) -> list[Finding]:
        if check.sees and not self.server.sees_all:
            self._miss(check, f"{check.sees}: needs pg_monitor (GRANT pg_monitor TO {self._target.login})")
        try:
            async with self._connection.begin():
                await self._connection.execute(text("SET TRANSACTION READ ONLY"))
                await self._connection.execute(_LIMITS)
                found = await check.read(self._connection, self.server)
        except Problem as problem:
            self._miss(check, str(problem))
            return []
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            needs = "needs pg_monitor or a superuser: " if sqlstate(error) == "42501" else ""
            self._miss(check, needs + reason(error))
            return []
        findings = list(check.judge(found, self.server))
        if findings and check.asks_migrations:
            await self._ask_migrations()
            findings = list(check.judge(found, self.server))
        return [replace(finding, check=check.id, why=check.why) for finding in findings]

    def _miss(self, check: Check, why: str) -> None:
        self.not_seen[check.id] = NotSeen(check.id, why)

    async def _ask_migrations(self) -> None:
        """Read, once, what the applied migrations make, on a scratch database."""
        if self._asked_migrations:
            return
        self._asked_migrations = True
        try:
            self.server = replace(self.server, ours=await self._catalog())
        except Problem as problem:
            why = f"what the migrations make is not known, so nothing of it is called safe: {problem.what}"
            self.not_seen["migrations"] = NotSeen("migrations", why)

    async def _catalog(self) -> Catalog:
        async with self._connection.begin():
            applied = {entry.name for entry in await read_history(self._connection)}
        revisions = read_revisions(self._target.service.migrations)
        self._progress(Step(self._target.service.name, "Asking a scratch database what the migrations make"))
        return await catalog_of_migrations(
            self._target, [revision for revision in revisions if revision.name in applied]
        )

"""A revision recorded as applied, or as not applied, after the catalog has proven it.

Two scratch databases are built, one up to the revision and one without it. What differs between them is what the
revision makes; the live database must have exactly that, or have nothing of it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.catalog import Catalog, Difference, Key, compare
from orion_db.catalog.compare import compared
from orion_db.connections import owner_connection
from orion_db.deployment.attempts import LOCK_TIMEOUT_MS
from orion_db.deployment.backfill import change_rows, without_skipping
from orion_db.deployment.deploy import prepare_history
from orion_db.deployment.fence import fenced
from orion_db.deployment.unfinished import Unfinished, end, read_unfinished
from orion_db.errors import Exit, Problem
from orion_db.history import Applied, forget, read_history, record, record_checksum
from orion_db.locks import WAIT_SECONDS, exclusive
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.revisions import Revision, named, read_revisions
from orion_db.scratch import catalog_of, catalog_of_migrations
from orion_db.targets import Target

Outcome = Literal["recorded", "checksum recorded", "forgotten", "nothing to do"]


@dataclass(frozen=True)
class Resolution(Result):
    """What was proven of one revision, and recorded."""

    database: str
    name: str
    outcome: Outcome
    proven: tuple[str, ...]
    """Objects that the revision makes or changes, which are as they must be."""
    dry_run: bool = False

    def in_words(self) -> list[str]:
        if self.outcome == "nothing to do":
            return [f"{self.name} is recorded so already"]
        would = "would be " if self.dry_run else ""
        words = {
            "recorded": f"{would}recorded as applied",
            "checksum recorded": f"{would}recorded in its edited form",
            "forgotten": f"{would}recorded as not applied",
        }
        lines = [f"{self.name} {words[self.outcome]}: {len(self.proven)} objects are as they must be"]
        return lines + [f"proven: {name}" for name in self.proven]


@dataclass(frozen=True)
class _Case:
    """The revision that is asked about, among the others."""

    target: Target
    revision: Revision
    revisions: list[Revision]
    applied: dict[str, Applied]
    unfinished: Unfinished | None

    @property
    def is_applied(self) -> bool:
        return self.revision.name in self.applied

    @property
    def is_half_done(self) -> bool:
        return self.unfinished is not None and self.unfinished.name == self.revision.name


async def resolve(
    target: Target,
    *,
    applied: str | None = None,
    rolled_back: str | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
    wait_seconds: float = WAIT_SECONDS,
) -> Resolution:
    """Record that the revision is applied, or is not. Exactly one of the two is named.

    An applied revision whose file was edited gets its new checksum, when all of the schema is as the files make it.
    Raises Problem `not_proven`, `unprovable`, `not_in_order`, `half_done`, `unknown_revision`, and those of connecting.
    """
    revisions = read_revisions(target.service.migrations)
    revision = named(revisions, applied or rolled_back or "")
    async with (
        exclusive(target, "resolve", progress, wait_seconds),
        owner_connection(target, "resolve") as connection,
    ):
        if not dry_run:
            await prepare_history(connection, target)
        async with connection.begin():
            history = {entry.name: entry for entry in await read_history(connection)}
            case = _Case(target, revision, revisions, history, await read_unfinished(connection))
        progress(Step(target.service.name, f"building what {revision.name} makes in a scratch database"))
        outcome, proven = await (_prove_applied if applied else _prove_gone)(case, connection)
        if not dry_run:
            await _record(case, connection, outcome)
    return Resolution(target.service.name, target.database, revision.name, outcome, proven, dry_run)


async def _prove_applied(case: _Case, connection: AsyncConnection) -> tuple[Outcome, tuple[str, ...]]:
    recorded = case.applied.get(case.revision.name)
    if recorded and recorded.checksum == case.revision.checksum and not case.is_half_done:
        return "nothing to do", ()
    earlier = [entry for entry in case.revisions if entry.number < case.revision.number]
    if recorded is None:
        _refuse_unless_next(case, earlier)
    all_applied = [entry for entry in case.revisions if entry.name in case.applied or entry == case.revision]
    there = await catalog_of_migrations(case.target, all_applied if recorded else [*earlier, case.revision])
    live = await catalog_of(case.target)
    if recorded:  # what the file said before is not known, so nothing may be left of it anywhere
        _refuse_differences(case, compare(there, live), "applied in its edited form")
        return "checksum recorded", tuple(f"{kind} {name}" for kind, name in sorted(there))
    keys = _changed(await catalog_of_migrations(case.target, earlier), there)
    _refuse_unprovable(case, keys)
    _refuse_differences(case, _compared_at(keys, there, live), "applied")
    await _refuse_unfilled(case, connection)
    return "recorded", _words(keys)


async def _prove_gone(case: _Case, connection: AsyncConnection) -> tuple[Outcome, tuple[str, ...]]:
    if not case.is_applied and not case.is_half_done:
        return "nothing to do", ()
    later = sorted(name for name in case.applied if name > case.revision.name)
    if later:
        raise Problem(
            "not_in_order",
            Exit.REFUSED,
            f"{case.target.service.name}: {case.revision.name} cannot be gone, as later ones stand on it.",
            f"Applied after it: {', '.join(later)}.",
            f"Take back what is later first: orion db rollback {case.target.service.name} --to {case.revision.name}.",
        )
    earlier = [entry for entry in case.revisions if entry.number < case.revision.number]
    gone = await catalog_of_migrations(case.target, earlier)
    keys = _changed(gone, await catalog_of_migrations(case.target, [*earlier, case.revision]))
    _refuse_unprovable(case, keys)
    _refuse_differences(case, _compared_at(keys, gone, await catalog_of(case.target)), "gone")
    return "forgotten", _words(keys)


def _changed(without: Catalog, there: Catalog) -> set[Key]:
    """What a revision makes, changes or removes: each column and index by itself."""
    return {
        key
        for key in without.keys() | there.keys()
        if compared(without.get(key, {})) != compared(there.get(key, {})) or (key in without) is not (key in there)
    }


def _compared_at(keys: Collection[Key], expected: Catalog, live: Catalog) -> list[Difference]:
    return compare(
        {key: facts for key, facts in expected.items() if key in keys},
        {key: facts for key, facts in live.items() if key in keys},
    )


def _words(keys: Collection[Key]) -> tuple[str, ...]:
    return tuple(f"{kind} {name}" for kind, name in sorted(keys))


async def _record(case: _Case, connection: AsyncConnection, outcome: Outcome) -> None:
    if outcome == "nothing to do":
        return
    async with connection.begin():
        await connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
        await fenced(connection)
        if outcome == "recorded":
            await record(connection, case.revision, 0, None)
        elif outcome == "checksum recorded":
            await record_checksum(connection, case.revision)
        else:
            await forget(connection, case.revision)
        if case.is_half_done:
            await end(connection, case.revision.name)


def _refuse_unless_next(case: _Case, earlier: Collection[Revision]) -> None:
    missing = [entry.name for entry in earlier if entry.name not in case.applied]
    if missing:
        raise Problem(
            "not_in_order",
            Exit.REFUSED,
            f"{case.target.service.name}: {case.revision.name} cannot be recorded before {missing[0]}.",
            f"Not applied before it: {', '.join(missing)}.",
            f"Begin with the first: orion db resolve {case.target.service.name} --applied {missing[0]}.",
        )


def _refuse_unprovable(case: _Case, keys: Collection[Key]) -> None:
    if not keys:
        raise Problem(
            "unprovable",
            Exit.REFUSED,
            f"{case.target.service.name}: nothing about {case.revision.name} can be proven, so nothing was recorded.",
            "It changes nothing that the catalog shows: rows, perhaps.",
            f"Have it applied: orion db deploy {case.target.service.name}. What must not be done twice says so itself.",
        )


def _refuse_differences(case: _Case, differences: Collection[Difference], being: str) -> None:
    if differences:
        raise Problem(
            "not_proven",
            Exit.DRIFTED,
            f"{case.target.service.name}: {case.revision.name} is not {being}; nothing was recorded.",
            "The live database against what it must be then: " + "; ".join(map(str, differences)) + ".",
            f"Put right what differs, and repeat; orion db drift {case.target.service.name} shows all of it.",
        )


async def _refuse_unfilled(case: _Case, connection: AsyncConnection) -> None:
    """Run a batch of the revision's backfill, and roll it back: it must find no row."""
    backfill = case.revision.backfill
    if backfill is None:
        return
    transaction = await connection.begin()
    try:
        await connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
        rows = await change_rows(connection, without_skipping(backfill), case.revision.name)
    finally:
        await transaction.rollback()
    if rows:
        raise Problem(
            "not_proven",
            Exit.DRIFTED,
            f"{case.target.service.name}: {case.revision.name} is not applied; nothing was recorded.",
            f"Its backfill still finds rows: {rows} in the next batch.",
            f"Have it filled: orion db deploy {case.target.service.name}.",
        )

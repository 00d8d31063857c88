"""Trying migrations on a database of their own: each up, down and up again, from the last to the first."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from orion_db.catalog import compare
from orion_db.connections import owner_connection
from orion_db.deployment.apply import Migrator
from orion_db.errors import Exit, Problem, reason
from orion_db.history import compare_history, read_history, refuse_unless_clean
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.revisions import Direction, Revision, read_revisions
from orion_db.scratch import catalog_in, migrate_scratch, scratch_database
from orion_db.targets import Target
from orion_db.up_down_up.clone import clone
from orion_db.up_down_up.rows import read_columns
from orion_db.up_down_up.trial import Carriage, State, Trial, carry

_DOWN_UP: tuple[Direction, ...] = ("downgrade", "upgrade")


@dataclass(frozen=True)
class Trials(Result):
    """What `test` found."""

    rows_from: str
    """Where the rows came from: the development seed, or a copy of the target's database."""
    trials: tuple[Trial, ...]
    """The last migration first, as they were taken down; up to one that goes astray."""

    @property
    def exit_code(self) -> Exit:
        return Exit.FOUND if any(trial.findings for trial in self.trials) else Exit.OK

    def in_words(self) -> list[str]:
        count = sum(len(trial.findings) for trial in self.trials)
        lines = [f"{len(self.trials)} migrations up, down and up again with {self.rows_from}: {count or 'no'} findings"]
        for trial in self.trials:
            lines += _in_words(trial)
        return lines


async def try_migrations(
    target: Target,
    *,
    last: int | None = None,
    real_rows: bool = False,
    programs: Path | None = None,
    progress: Progress = silent,
) -> Trials:
    """Try all migrations, or the `last` ones, with the rows of the development seed.

    With `real_rows`: with a copy of the target's database; by default those that it has not yet, or else the last one.
    The target itself is only read. `programs` is the folder of pg_dump and pg_restore. Raises Problem
    `migration_test_failed`, `seed_failed`, and those of `clone` and of the target's history.
    """
    revisions = read_revisions(target.service.migrations)
    applied = await _applied(target, revisions) if real_rows else len(revisions)
    count = min(last or (max(len(revisions) - applied, 1) if real_rows else len(revisions)), len(revisions))
    first = min(len(revisions) - count, applied)
    async with AsyncExitStack() as stack:
        scratch = await stack.enter_async_context(scratch_database(target))
        states = await _course(scratch, revisions, first, progress)
        if real_rows:
            database = await stack.enter_async_context(clone(target, programs, progress))
        else:
            database = scratch
            await _seed(scratch, progress)
        connection = await stack.enter_async_context(owner_connection(database, "test"))
        course = _Course(Migrator(database, connection), revisions, first, states, progress)
        known = await course.known_differences(applied)
        arrivals = await course.rise(applied, known)
        astray = [place for place, run in arrivals.items() if run.astray]
        trials = tuple(Trial(revisions[place].name, (arrivals[place],)) for place in astray) or await course.fall(
            known, arrivals
        )
    rows_from = f"the rows of {target.database}" if real_rows else "the rows of the development seed"
    return Trials(target.service.name, rows_from, trials)


@dataclass(frozen=True)
class _Course:
    """The migrations from `first` on, and the states before it and after each."""

    migrator: Migrator
    revisions: Sequence[Revision]
    first: int
    states: Sequence[State]
    progress: Progress

    def state(self, applied: int) -> State:
        """When so many migrations are applied."""
        return self.states[applied - self.first]

    async def known_differences(self, applied: int) -> frozenset[str]:
        """What is otherwise before anything is tried: a drifted target's copy is drifted."""
        async with self.migrator.connection.begin():
            found = await catalog_in(self.migrator.connection)
        return frozenset(str(difference) for difference in compare(self.state(applied).catalog, found))

    async def rise(self, applied: int, known: frozenset[str]) -> dict[int, Carriage]:
        """Apply what is not applied yet, with the rows that there are, up to one that goes astray; each outcome."""
        found: dict[int, Carriage] = {}
        for place in range(applied, len(self.revisions)):
            self._tell(place, "up")
            found[place] = await self._carry(place, "upgrade", known)
            if found[place].astray:
                break
        return found

    async def fall(self, known: frozenset[str], arrivals: dict[int, Carriage]) -> tuple[Trial, ...]:
        """From the last to the first: down, and up with the rows that remain, and down to the next; then all up.

        It ends where a migration goes astray: what comes after would only be found on account of that.
        """
        trials: list[Trial] = []
        for place in range(len(self.revisions) - 1, self.first - 1, -1):
            self._tell(place, "down and up")
            runs = [arrivals[place]] if place in arrivals else []
            for direction in _DOWN_UP:
                if not any(run.astray for run in runs):
                    runs.append(await self._carry(place, direction, known))
            trials.append(Trial(self.revisions[place].name, tuple(runs)))
            if any(run.astray for run in runs):
                return tuple(trials)
            if place > self.first:
                await self._carry(place, "downgrade", known)
        for place in range(self.first + 1, len(self.revisions)):
            self._tell(place, "up again")
            await self._carry(place, "upgrade", known)
        return tuple(trials)

    async def _carry(self, place: int, direction: Direction, known: frozenset[str]) -> Carriage:
        below, above = self.state(place), self.state(place + 1)
        states = (below, above) if direction == "upgrade" else (above, below)
        return await carry(self.migrator, self.revisions[place], direction, states, known)

    def _tell(self, place: int, way: str) -> None:
        service = self.migrator.target.service.name
        share = (place - self.first) / max(1, len(self.revisions) - self.first)
        self.progress(
            Step(service, f"{self.revisions[place].name}: {way}", share=share if way != "down and up" else None)
        )


async def _course(scratch: Target, revisions: Sequence[Revision], first: int, progress: Progress) -> list[State]:
    """Build from nothing, and note the states from `first` on."""
    progress(Step(scratch.service.name, "building what the migrations make, one by one"))
    await migrate_scratch(scratch, list(revisions[:first]))
    states = [await _state(scratch)]
    for revision in revisions[first:]:
        await migrate_scratch(scratch, [revision])
        states.append(await _state(scratch))
    return states


async def _state(database: Target) -> State:
    async with owner_connection(database, "test") as connection, connection.begin():
        return State(await catalog_in(connection), await read_columns(connection))


async def _seed(scratch: Target, progress: Progress) -> None:
    progress(Step(scratch.service.name, "seeding sample rows"))
    try:
        async with owner_connection(scratch, "test") as connection, connection.begin():
            await scratch.service.seed(connection, "development")
    except DBAPIError as error:
        raise Problem(
            "seed_failed",
            Exit.FAILED,
            f"{scratch.service.name}: the development seed fails on what the migrations build.",
            reason(error),
            "Correct the seed, or write the migration that it needs.",
        ) from error


async def _applied(target: Target, revisions: list[Revision]) -> int:
    """How many of the revisions the target has. Raises the Problem that its history is, if it is one."""
    async with owner_connection(target, "test") as connection, connection.begin():
        standing = compare_history(revisions, await read_history(connection))
    refuse_unless_clean(target.service, standing)
    return len(standing.applied)


def _in_words(trial: Trial) -> list[str]:
    rows = max(run.rows for run in trial.runs)
    up, down = trial.milliseconds("upgrade"), trial.milliseconds("downgrade")
    lines = [f"{trial.revision}: up {up} ms, down {down} ms, {rows} rows carried"]
    for run in trial.runs:
        lines += [f"  {run.direction} discards {count} of {what}" for what, count in run.discarded.items()]
        lines += [f"  {run.direction} changes rows of {table}" for table in run.changed]
    return lines + [f"  found: {finding}" for finding in trial.findings]

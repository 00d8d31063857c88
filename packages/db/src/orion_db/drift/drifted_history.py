"""Where the record of applied migrations and the schema disagree: edited files, and rows that are gone or too many."""

from dataclasses import dataclass, replace
from typing import Literal

from orion_db.catalog import Catalog, compare
from orion_db.errors import Problem
from orion_db.history import Standing, refuse_unless_clean
from orion_db.revisions import Revision
from orion_db.scratch import catalog_of_migrations, catalogs_along
from orion_db.targets import Target

_WORDS = {
    "edited": "edited migration {}: its file is not the one that was applied",
    "not recorded": "missing migration row {}: what it makes is there, but is not recorded as applied",
    "not there": "extra migration row {}: it is recorded as applied, but what it makes is not there",
    "passed over": "passed over migration {}: it is not applied, though later ones are",
}


@dataclass(frozen=True)
class HistoryDrift:
    """A migration whose record is not as the schema is."""

    name: str
    what: Literal["edited", "not recorded", "not there", "passed over"]
    repair: str
    """What to type."""

    def __str__(self) -> str:
        return _WORDS[self.what].format(self.name)


async def drifted_history(
    target: Target, revisions: list[Revision], standing: Standing, live: Catalog, *, guess: bool = True
) -> tuple[tuple[HistoryDrift, ...], Catalog]:
    """What is wrong with the record, and the catalog that the database should have once the record is right.

    When the schema is not what the recorded migrations make, it is compared with what each number of them makes: if it
    is closer to that, a row has gone or is too many. Without `guess` (a migration is half done) that is not asked.
    Raises Problem when there are rows without a file.
    """
    if standing.unknown:
        refuse_unless_clean(target.service, replace(standing, edited=(), passed_over=()))
    service = target.service.name
    edited = [_edited(service, name) for name in standing.edited]
    recorded = [entry.name for entry in standing.applied]
    in_order = [revision for revision in revisions if revision.name in recorded]
    expected: Catalog | None = None
    if not standing.passed_over:
        expected = await catalog_of_migrations(target, in_order)
        if not guess or not compare(expected, live):
            return tuple(edited), expected
    steps = await _along(target, revisions)
    if steps is None and expected is not None:
        return tuple(edited), expected
    distances = [len(compare(step, live)) for step in steps or []]
    applied = _closest(distances, len(in_order), expected is not None)
    if expected is not None and applied == len(in_order):
        return tuple(edited), expected
    assert steps is not None
    there = {revision.name for revision in revisions[:applied]}
    gone = [_not_recorded(service, revision.name) for revision in revisions[:applied] if revision.name not in recorded]
    extra = [_not_there(service, name) for name in recorded if name not in there]
    return (*edited, *gone, *extra), steps[applied]


async def _along(target: Target, revisions: list[Revision]) -> list[Catalog] | None:
    try:
        return await catalogs_along(target, revisions)
    except Problem:
        return None  # a pending migration that does not run is not this command's affair


def _closest(distances: list[int], recorded: int, is_prefix: bool) -> int:
    """How many migrations the schema looks as if it had. A row is only called too many when nothing else differs."""
    candidates = range(recorded, len(distances)) if is_prefix else range(len(distances))
    best = min(candidates, key=lambda count: (distances[count], count))
    exact = [count for count in range(recorded) if distances[count] == 0]
    return exact[-1] if is_prefix and exact else best


def _edited(service: str, name: str) -> HistoryDrift:
    repair = (
        f"Put the file back as it was (git log -p -- '*{name}.py'); if its change is of no account (a comment), "
        f"record the new form: orion db resolve {service} --applied {name}"
    )
    return HistoryDrift(name, "edited", repair)


def _not_recorded(service: str, name: str) -> HistoryDrift:
    return HistoryDrift(name, "not recorded", f"orion db resolve {service} --applied {name}")


def _not_there(service: str, name: str) -> HistoryDrift:
    repair = f"orion db resolve {service} --rolled-back {name}, then orion db deploy {service}"
    return HistoryDrift(name, "not there", repair)

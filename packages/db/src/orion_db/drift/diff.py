"""The differences between any two of: the live database, what its migrations make, what its models say."""

from dataclasses import dataclass
from typing import Literal

from orion_db.catalog import Catalog, Difference, compare
from orion_db.errors import Exit
from orion_db.progress import Progress, Step, silent
from orion_db.repair import Repair, repair_between, script
from orion_db.result import Result
from orion_db.revisions import read_revisions
from orion_db.scratch import catalog_of, catalog_of_migrations, catalog_of_models
from orion_db.targets import Target

Side = Literal["live", "migrations", "models"]


@dataclass(frozen=True)
class Diff(Result):
    """What differs, and the SQL that leads from the one to the other."""

    current: Side
    wanted: Side
    differences: tuple[Difference, ...]
    repair: Repair

    @property
    def exit_code(self) -> Exit:
        return Exit.FOUND if self.differences else Exit.OK

    def in_words(self) -> list[str]:
        if not self.differences:
            return [f"{self.current} and {self.wanted} are the same"]
        count = len(self.differences)
        lines = [f"{count} {'difference' if count == 1 else 'differences'} of {self.current} from {self.wanted}"]
        lines += [f"- {entry}" for entry in self.differences]
        text = script(self.repair, f"{self.service}: from {self.current} to {self.wanted}")
        return lines + [f"    {line}" for line in text.splitlines()]


async def diff(target: Target, from_: Side, to: Side, *, progress: Progress = silent) -> Diff:
    """Compare the two; `migrations` are all that there are, applied or not. Nothing is applied."""
    current, wanted = [await _catalog(target, side, progress) for side in (from_, to)]
    database = current["database", "database"]["sql"] if from_ == "live" else ""
    return Diff(
        target.service.name,
        from_,
        to,
        tuple(compare(wanted, current)),
        repair_between(current, wanted, runner=target.service.owner_role, database=database),
    )


async def _catalog(target: Target, side: Side, progress: Progress) -> Catalog:
    progress(Step(target.service.name, f"reading the catalog of {side}"))
    match side:
        case "live":
            return await catalog_of(target)
        case "migrations":
            return await catalog_of_migrations(target, read_revisions(target.service.migrations))
        case "models":
            return await catalog_of_models(target)

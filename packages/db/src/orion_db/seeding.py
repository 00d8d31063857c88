"""Seed rows of one service, in one transaction."""

from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from orion_core.seeds import Profile
from orion_db.connections import owner_connection
from orion_db.errors import Exit, Problem, reason
from orion_db.history import compare_history, read_history, refuse_unless_clean
from orion_db.production import is_marked
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.revisions import read_revisions
from orion_db.targets import Target


@dataclass(frozen=True)
class Seeding(Result):
    """What a seed did to one database: rows by table."""

    profile: Profile
    inserted: dict[str, int]
    left_alone: dict[str, int]
    """Rows that were there already; whatever an operator made of them is kept."""
    dry_run: bool = False

    def in_words(self) -> list[str]:
        seeded, inserted = ("would seed", "to insert") if self.dry_run else ("seeded", "inserted")
        return [f"{seeded} with profile {self.profile}"] + [
            f"{table}: {self.inserted.get(table, 0)} {inserted}, {self.left_alone.get(table, 0)} left alone"
            for table in sorted(self.inserted.keys() | self.left_alone.keys())
        ]


async def seed(
    target: Target,
    *,
    profile: Profile | None = None,
    production: bool = False,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Seeding:
    """Insert the rows of `profile` that are not there yet; by default `reference` in production, else `development`.

    `development` brings sample users with a known password; in production, by environment or by the database's
    mark, it is only taken when it is named. A dry run inserts them too, and rolls back.
    """
    progress(Step(target.service.name, "seeding"))
    async with owner_connection(target, "seed") as connection, connection.begin() as transaction:
        standing = compare_history(read_revisions(target.service.migrations), await read_history(connection))
        refuse_unless_clean(target.service, standing)
        if standing.pending:
            raise Problem(
                "pending_migrations",
                Exit.REFUSED,
                f"{target.service.name}: {len(standing.pending)} migrations are not applied yet.",
                "Seeds are written for the newest schema.",
                f"Run `orion db deploy {target.service.name}` first.",
            )
        production = production or await is_marked(connection, target.database)
        chosen: Profile = profile or ("reference" if production else "development")
        try:
            report = await target.service.seed(connection, chosen)
        except DBAPIError as error:
            raise Problem(
                "seed_failed",
                Exit.FAILED,
                f"{target.service.name}: the seed failed; nothing of it was kept.",
                reason(error),
                "Correct the seed or the data that it met, and repeat.",
            ) from error
        if dry_run:
            await transaction.rollback()
            return Seeding(target.service.name, chosen, dict(report.inserted), dict(report.left_alone), dry_run)
    inserted, kept = sum(report.inserted.values()), sum(report.left_alone.values())
    progress(Step(target.service.name, f"seeded: {inserted} rows inserted, {kept} left alone", "done"))
    return Seeding(target.service.name, chosen, dict(report.inserted), dict(report.left_alone))

"""The last proof before files are written: their very text, run as deploy runs it, up and down and up."""

from collections.abc import Mapping, Sequence

from orion_db.authoring.copies import with_copies
from orion_db.authoring.draft import Draft
from orion_db.catalog import Catalog, compare
from orion_db.connections import owner_connection
from orion_db.deployment.apply import Migrator
from orion_db.errors import Exit, Problem
from orion_db.revisions import Revision, read_revisions
from orion_db.scratch import catalog_of, migrate_scratch, scratch_database
from orion_db.targets import Target


async def prove(
    target: Target, revisions: Sequence[Revision], texts: Mapping[str, str], drafts: Sequence[Draft]
) -> None:
    """Run the texts, by name of revision, after the revisions that there are. Raises Problem `draft_unproved`."""
    with with_copies(target, revisions, texts) as copied:
        everything = read_revisions(copied.service.migrations)
        written = everything[len(revisions) :]
        async with scratch_database(copied) as scratch:
            await migrate_scratch(scratch, everything)
            _expect(target, drafts[-1].after, await catalog_of(scratch), "upgrade")
            async with owner_connection(scratch, "migrate") as connection:
                for revision in reversed(written):
                    await Migrator(scratch, connection).revert(revision)
            if not any(drafted.downgrade.left_over for drafted in drafts):
                _expect(target, drafts[0].before, await catalog_of(scratch), "downgrade")
            await migrate_scratch(scratch, written)
            _expect(target, drafts[-1].after, await catalog_of(scratch), "second upgrade")


def _expect(target: Target, expected: Catalog, found: Catalog, direction: str) -> None:
    differences = compare(expected, found)
    if differences:
        raise Problem(
            "draft_unproved",
            Exit.FAILED,
            f"{target.service.name}: the {direction} of the drafted migration does not end where it should; "
            "nothing was written.",
            "; ".join(map(str, differences)),
            "Write this migration by hand, and report it: the tool should have written it.",
        )

"""Two branches wrote a migration each, and both got the next number: one of them moves behind the other."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orion_db.authoring.branches import order_in_main
from orion_db.authoring.copies import with_copies
from orion_db.authoring.order import Move, moves
from orion_db.catalog import Difference, compare
from orion_db.connections import owner_connection
from orion_db.errors import Exit, Problem
from orion_db.history import read_history
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.revisions import Revision, read_revisions, revision_files
from orion_db.scratch import catalog_of_migrations, catalog_of_models
from orion_db.targets import Target


@dataclass(frozen=True)
class Rebase(Result):
    """What `rebase` renamed, or with a dry run would rename."""

    moves: tuple[Move, ...]
    dry_run: bool
    differences: tuple[Difference, ...]
    """How the models differ from what all migrations build in their new order."""

    @property
    def exit_code(self) -> Exit:
        return Exit.FOUND if self.differences else Exit.OK

    def in_words(self) -> list[str]:
        verb = "would become" if self.dry_run else "is now"
        lines = [f"{move.old} {verb} {move.new}" for move in self.moves]
        lines = lines or ["every migration has a number of its own, and none was passed over"]
        lines += [f"the models differ from the migrations: {difference}" for difference in self.differences]
        if self.differences:
            lines.append(f"write what is missing: orion db migrate {self.service} --name …")
        return lines


async def rebase(
    target: Target, *, move: Sequence[str] = (), dry_run: bool = False, progress: Progress = silent
) -> Rebase:
    """Give migrations of one number, and those that were passed over, numbers behind all others.

    What is applied in the target's database keeps its name; of the others, what is in the main branch. `move` names
    what is to move instead. The new order is run on a scratch database before a file is touched. Raises Problem: those
    of `moves`, `rebase_unproved`, `not_writable`.
    """
    folder = target.service.migrations
    revisions = revision_files(folder)
    names = [revision.name for revision in revisions]
    applied = await _applied(target)
    found = moves(target.service.name, names, applied & set(names), order_in_main(folder), move)
    if not found:
        return Rebase(target.service.name, (), dry_run, ())
    progress(Step(target.service.name, "proving the new order on a scratch database"))
    staying, texts = _renumbered(revisions, found)
    differences = await _prove(target, staying, texts, found)
    if not dry_run:
        _rename(folder, found, texts)
    return Rebase(target.service.name, found, dry_run, differences)


async def _applied(target: Target) -> set[str]:
    try:
        async with owner_connection(target, "rebase") as connection, connection.begin():
            return {entry.name for entry in await read_history(connection)}
    except Problem as problem:
        if problem.code in ("database_missing", "role_missing"):
            return set()
        raise


def _renumbered(revisions: Sequence[Revision], found: Sequence[Move]) -> tuple[list[Revision], dict[str, str]]:
    """The revisions that stay, and the new texts of those that move, by their new names."""
    new_names = {move.old: move.new for move in found}
    order = sorted(new_names.get(revision.name, revision.name) for revision in revisions)
    texts: dict[str, str] = {}
    for revision in revisions:
        if new := new_names.get(revision.name):
            place = order.index(new)
            previous = order[place - 1] if place else None
            texts[new] = _with_constants(revision.file.read_text(encoding="utf-8"), new, previous)
    return [revision for revision in revisions if revision.name not in new_names], texts


def _with_constants(text: str, name: str, previous: str | None) -> str:
    """The file's text, calling itself and what comes before it by the new names, where it does so."""
    text = re.sub(r'(?m)^revision = (["\']).*\1', f'revision = "{name}"', text, count=1)
    before = f'"{previous}"' if previous else "None"
    return re.sub(r'(?m)^down_revision = ((["\']).*\2|None)', f"down_revision = {before}", text, count=1)


async def _prove(
    target: Target, staying: Sequence[Revision], texts: Mapping[str, str], found: Sequence[Move]
) -> tuple[Difference, ...]:
    """Run all in the new order; how the models differ from the outcome. Raises Problem `rebase_unproved`."""
    with with_copies(target, staying, texts) as copied:
        try:
            built = await catalog_of_migrations(copied, read_revisions(copied.service.migrations))
        except Problem as problem:
            if problem.exit_code is not Exit.FAILED:
                raise
            order = ", ".join(f"{move.old} as {move.new}" for move in found)
            raise Problem(
                "rebase_unproved",
                Exit.FAILED,
                f"{target.service.name}: the migrations do not run in the new order ({order}); no file was renamed.",
                f"{problem.what} {problem.why}",
                "Correct the migration that moves so that it runs after the others, and repeat.",
            ) from problem
    return tuple(compare(await catalog_of_models(target), built))


def _rename(folder: Path, found: Sequence[Move], texts: Mapping[str, str]) -> None:
    """The last first: its new number is free. A crash leaves at worst a file that calls itself by its old name."""
    try:
        for move in reversed(found):
            new, text = folder / f"{move.new}.py", folder / f"_{move.new}.text"
            text.write_text(texts[move.new], encoding="utf-8")
            (folder / f"{move.old}.py").rename(new)
            text.replace(new)
    except OSError as error:
        raise Problem(
            "not_writable",
            Exit.FAILED,
            "The migrations could not be renamed.",
            f"{error.strerror} ({folder}).",
            "Migrations are renamed in a source tree: run this in a clone of the repository.",
        ) from error

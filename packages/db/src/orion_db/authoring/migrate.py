"""Migrations in development: write one from the models' changes, apply what is pending. Never a reset."""

from dataclasses import dataclass, replace
from pathlib import Path

from orion_db.authoring.copies import with_copies
from orion_db.authoring.draft import Draft, Drafts, draft
from orion_db.authoring.file import file_text
from orion_db.authoring.prove import prove
from orion_db.authoring.renaming import Answers
from orion_db.connections import owner_connection
from orion_db.deployment.deploy import Deployment, deploy
from orion_db.errors import Exit, Problem
from orion_db.history import compare_history, read_history, refuse_unless_clean
from orion_db.lint import Linting, lint
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result, shown
from orion_db.revisions import Phase, Revision, next_name, read_revisions
from orion_db.targets import Target


@dataclass(frozen=True)
class Written:
    """One migration that `migrate` wrote, or with a dry run would write."""

    file: Path
    phase: Phase
    breaks: tuple[str, ...]
    """What running code loses by it; see `orion_db.plan`."""
    renames: tuple[str, ...]
    left_over: tuple[str, ...]
    """Differences that stand in the file as comments, for a hand to write."""
    irreversible: tuple[str, ...]
    """What `downgrade()` does not take back, such as a label added to an enum."""
    text: str

    def in_words(self, verb: str) -> list[str]:
        lines = [f"{verb} {shown(self.file)} (phase {self.phase})"]
        lines += [f"renames {rename}" for rename in self.renames]
        lines += [f"breaks running code: {found}" for found in self.breaks]
        lines += [f"left to be written by hand: {difference}" for difference in self.left_over]
        return lines + [f"downgrade() does not take back: {difference}" for difference in self.irreversible]


@dataclass(frozen=True)
class Migration(Result):
    """What `migrate` wrote and applied."""

    written: tuple[Written, ...]
    """In order; nothing when the models say nothing that the migrations do not."""
    dry_run: bool
    not_divided: bool
    """Whether it should have been several files, which could not be proved one by one."""
    linting: Linting | None
    """What `lint` says of what was written; None when nothing was, or `not_linted` says why."""
    not_linted: str
    deployment: Deployment | None

    @property
    def held_back(self) -> bool:
        """Whether what was written needs a hand before it may be applied."""
        return bool(self.left_over or (self.linting and self.linting.errors))

    @property
    def exit_code(self) -> Exit:
        return Exit.FOUND if self.held_back else Exit.OK

    @property
    def left_over(self) -> tuple[str, ...]:
        return tuple(difference for written in self.written for difference in written.left_over)

    @property
    def irreversible(self) -> tuple[str, ...]:
        return tuple(difference for written in self.written for difference in written.irreversible)

    def in_words(self) -> list[str]:
        verb = "would write" if self.dry_run else "wrote"
        lines = [line for written in self.written for line in written.in_words(verb)]
        if self.not_divided:
            lines.append(
                "adds and takes away in one file: the half that adds does not work by itself; divide it by hand"
            )
        lines += self.linting.in_words() if self.linting else []
        lines += [f"not linted: {self.not_linted}"] if self.not_linted else []
        if self.dry_run:
            lines += [line for written in self.written for line in written.text.splitlines()]
        elif self.held_back:
            lines.append("not applied: complete or correct the file, then run `orion db migrate`")
        lines += self.deployment.in_words() if self.deployment else []
        return lines or ["the models say nothing that the migrations do not"]


async def migrate(
    target: Target,
    *,
    name: str | None = None,
    create_only: bool = False,
    dry_run: bool = False,
    answers: Answers | None = None,
    progress: Progress = silent,
) -> Migration:
    """With a name: write the migrations that the models' changes need. Then apply what is pending.

    A file with something left to write by hand is not applied. Data of the target take no part in the writing. Raises
    Problem: those of `draft` and `deploy`, and `not_writable`.
    """
    service = target.service
    if name is None:
        return Migration(service.name, (), False, False, None, "", await deploy(target, progress=progress))
    revisions = read_revisions(service.migrations)
    next_name(revisions, name)
    await _check_standing(target, revisions)
    progress(Step(service.name, "comparing the models with the migrations"))
    found = await draft(target, revisions, answers)
    written, linting, not_linted = (), None, ""
    if found:
        written = _texts(service.migrations, revisions, name, found)
        linting, not_linted = await _examine(target, revisions, written, found, progress)
    else:
        progress(Step(service.name, "wrote nothing: the models say nothing that the migrations do not", "done"))
    if not dry_run:
        for entry in written:
            _write(entry)
            progress(Step(service.name, f"wrote {entry.file.name}", "done"))
    divided = not (found and found.not_divided)
    result = Migration(service.name, written, dry_run, not divided, linting, not_linted, None)
    if create_only or dry_run or result.held_back:
        return result
    return replace(result, deployment=await deploy(target, progress=progress))


async def _examine(
    target: Target, revisions: list[Revision], written: tuple[Written, ...], found: Drafts, progress: Progress
) -> tuple[Linting | None, str]:
    """Prove what is to be written, and lint it; or say why it could not be linted."""
    texts = {entry.file.stem: entry.text for entry in written}
    progress(Step(target.service.name, "proving what is to be written, up and down"))
    await prove(target, revisions, texts, found.drafts)
    with with_copies(target, revisions, texts) as copied:
        try:
            return await lint(copied, revisions=texts.keys(), progress=progress), ""
        except Problem as problem:
            if problem.code != "squawk_missing":
                raise
            return None, f"{problem.what} {problem.todo}"


async def _check_standing(target: Target, revisions: list[Revision]) -> None:
    """Refuse while the database says other than the files: what would be written might stand on sand."""
    try:
        async with owner_connection(target, "migrate") as connection, connection.begin():
            standing = compare_history(revisions, await read_history(connection))
    except Problem as problem:
        if problem.code in ("database_missing", "role_missing"):  # nothing is applied anywhere yet
            return
        raise
    refuse_unless_clean(target.service, standing)


def _texts(folder: Path, revisions: list[Revision], name: str, found: Drafts) -> tuple[Written, ...]:
    known = list(revisions)
    written: list[Written] = []
    for drafted in found.drafts:
        title = name + drafted.suffix
        stem = next_name(known, title)
        previous = known[-1].name if known else None
        text = file_text(stem, previous, title, drafted, not_divided=found.not_divided)
        renames = () if written else tuple(map(str, found.renaming.renames))
        written.append(_written(folder / f"{stem}.py", drafted, renames, text))
        known.append(Revision(stem, folder / f"{stem}.py", ""))
    return tuple(written)


def _written(file: Path, drafted: Draft, renames: tuple[str, ...], text: str) -> Written:
    return Written(
        file,
        drafted.phase,
        tuple(map(str, drafted.breaks)),
        renames,
        tuple(map(str, drafted.upgrade.left_over)),
        tuple(map(str, drafted.downgrade.left_over)),
        text,
    )


def _write(entry: Written) -> None:
    try:
        with entry.file.open("x", encoding="utf-8") as opened:
            opened.write(entry.text)
    except OSError as error:
        raise Problem(
            "not_writable",
            Exit.FAILED,
            f"The migration {entry.file.name} could not be written.",
            f"{error.strerror} ({entry.file.parent}).",
            "Migrations are written in a source tree: run this in a clone of the repository.",
        ) from error

"""Migrations in development: write one from the models' changes, apply what is pending. Never a reset."""

from dataclasses import dataclass
from pathlib import Path

from orion_db.authoring.draft import Draft, draft
from orion_db.authoring.file import file_text
from orion_db.deploy import Deployment, deploy
from orion_db.errors import Exit, Problem
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result, shown
from orion_db.revisions import next_name, read_revisions
from orion_db.targets import Target


@dataclass(frozen=True)
class Migration(Result):
    """What `migrate` wrote and applied."""

    file: Path | None
    """The file written; None when the models say nothing that the migrations do not."""
    left_over: tuple[str, ...]
    """Differences that stand in the file as comments, for a hand to write."""
    irreversible: tuple[str, ...]
    """What `downgrade()` does not take back, such as a label added to an enum."""
    deployment: Deployment | None

    def in_words(self) -> list[str]:
        if self.file:
            lines = [f"wrote {shown(self.file)}"]
        else:
            lines = [] if self.deployment else ["the models say nothing that the migrations do not"]
        lines += [f"left to be written by hand: {difference}" for difference in self.left_over]
        lines += [f"downgrade() does not take back: {difference}" for difference in self.irreversible]
        if self.left_over:
            lines.append("not applied: complete the file, then run `orion db migrate`")
        return lines + (self.deployment.in_words() if self.deployment else [])


async def migrate(
    target: Target, *, name: str | None = None, create_only: bool = False, progress: Progress = silent
) -> Migration:
    """With a name: write the migration that the models' changes need. Then apply what is pending, unless `create_only`.

    A file with something left to write by hand is not applied. Data of the target take no part in the writing.
    """
    if name is None:
        return Migration(target.service.name, None, (), (), await deploy(target, progress=progress))
    progress(Step(target.service.name, "comparing the models with the migrations"))
    revisions = read_revisions(target.service.migrations)
    stem = next_name(revisions, name)
    found = await draft(target, revisions)
    file = _write(target.service.migrations / f"{stem}.py", name, found) if found else None
    left_over = tuple(str(difference) for difference in found.upgrade.left_over) if found else ()
    irreversible = tuple(str(difference) for difference in found.downgrade.left_over) if found else ()
    if file:
        progress(Step(target.service.name, f"wrote {file.name}", "done"))
    deployment = None if create_only or left_over else await deploy(target, progress=progress)
    return Migration(target.service.name, file, left_over, irreversible, deployment)


def _write(file: Path, name: str, found: Draft) -> Path:
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(file_text(name, found))
    except OSError as error:
        raise Problem(
            "not_writable",
            Exit.FAILED,
            f"The migration {file.name} could not be written.",
            f"{error.strerror} ({file.parent}).",
            "Migrations are written in a source tree: run this in a clone of the repository.",
        ) from error
    return file

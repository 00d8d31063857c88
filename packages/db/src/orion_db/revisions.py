"""Revision files: `NNNN_name.py` in a service's `migrations` folder, each with `upgrade()` and `downgrade()`."""

import hashlib
import importlib.util
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.util.exc import CommandError
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import asyncpg as postgresql_asyncpg
from sqlalchemy.exc import SQLAlchemyError

from orion_db.errors import Exit, Problem

Direction = Literal["upgrade", "downgrade"]

Phase = Literal["pre", "post"]

_FILE_NAME = re.compile(r"(?P<number>\d{4})_[a-z0-9]+(?:_[a-z0-9]+)*")

_LONGEST_NAME = 80
"""As long as `schema_migrations.name`."""


@dataclass(frozen=True)
class Revision:
    """One step of a schema. Once it is applied anywhere, its file is history and must not change."""

    name: str
    file: Path
    checksum: str
    """SHA-256 of the file in hexadecimal; line ends count as LF, so that a checkout on Windows is the same file."""

    @property
    def number(self) -> int:
        return int(self.name[:4])

    def upgrade(self, connection: Connection) -> None:
        """Run the file's `upgrade()` on the connection, in the transaction that the caller has begun."""
        self._run("upgrade", connection)

    def downgrade(self, connection: Connection) -> None:
        self._run("downgrade", connection)

    def statements(self, direction: Direction = "upgrade") -> list[str]:
        """The SQL of a direction, one statement each without semicolon, written down without a database.

        An `autocommit_block()` stands in it between the statements COMMIT and BEGIN. Raises Problem
        `sql_unknown` when the file asks the database something, as then nobody can know its SQL beforehand.
        """
        found = _Statements()
        context = MigrationContext.configure(
            dialect=postgresql_asyncpg.dialect(),
            opts={"as_sql": True, "output_buffer": found, "transactional_ddl": True},
        )
        module = self._load()
        try:
            _call(module, direction, Operations(context))
        except (AttributeError, TypeError, SQLAlchemyError, CommandError) as error:
            raise Problem(
                "sql_unknown",
                Exit.REFUSED,
                f"The SQL of the migration {self.file.name} cannot be known beforehand.",
                f"It asks the database: {error}",
                "Write its SQL down, if it should be looked through before it runs.",
            ) from error
        except Exception as error:
            raise _broken(self.file, error) from error
        return found.statements

    @property
    def phase(self) -> Phase:
        """When it is applied in a rolling deploy: before (`pre`) or after (`post`) the new code runs everywhere."""
        found: object = getattr(self._load(), "phase", "pre")
        if found == "post":
            return "post"
        if found != "pre":  # a misspelt "post" must not be applied while old code runs
            raise unusable(self.file, f'Its phase is {found!r}, and neither "pre" nor "post".')
        return "pre"

    @property
    def backfill(self) -> str | None:
        """An UPDATE of a batch of rows, to be repeated until it finds none: the file's constant `backfill`."""
        found: object = getattr(self._load(), "backfill", None)
        if found is not None and not isinstance(found, str):
            raise unusable(self.file, "Its `backfill` is not a string with one UPDATE of a batch of rows.")
        return found

    def purpose(self) -> str:
        """First line of the file's docstring."""
        return (self._load().__doc__ or "").strip().partition("\n")[0]

    def _run(self, direction: Direction, connection: Connection) -> None:
        context = MigrationContext.configure(connection, opts={"transactional_ddl": True})
        module = self._load()
        try:
            _call(module, direction, Operations(context))
        except (Problem, SQLAlchemyError, OSError):
            raise
        except Exception as error:
            raise _broken(self.file, error) from error

    def _load(self) -> ModuleType:
        """A fresh module object: files are read at every use, and two services may have files of the same name."""
        spec = importlib.util.spec_from_file_location(f"orion_revision_{self.name}", self.file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise unusable(self.file, f"{type(error).__name__}: {error}") from error
        return module


def read_revisions(folder: Path) -> list[Revision]:
    """All revisions of the folder in order. Raises Problem when names are malformed or two have the same number."""
    found = revision_files(folder)
    for first, second in pairwise(found):
        if first.number == second.number:
            raise Problem(
                "two_heads",
                Exit.REFUSED,
                f"Two migrations have the number {first.name[:4]}: {first.name} and {second.name}.",
                "They were written at the same time on different branches; their order is not known.",
                "Run `orion db rebase`, which moves the one that has been applied nowhere behind the other.",
            )
    return found


def revision_files(folder: Path) -> list[Revision]:
    """The same, with two of one number as they are. Raises Problem when names are malformed."""
    found = [
        Revision(file.stem, file, checksum(file))
        for file in sorted(folder.glob("*.py"))
        if not file.name.startswith("_")
    ]
    for revision in found:
        if not _FILE_NAME.fullmatch(revision.name):
            raise unusable(revision.file, "Its name is not of the form 0001_snake_case_name.py.")
        if len(revision.name) > _LONGEST_NAME:
            raise unusable(revision.file, f"Its name is longer than {_LONGEST_NAME} characters.")
    return found


def named(revisions: list[Revision], name: str) -> Revision:
    """The revision of that name, or of its number alone. Raises Problem `unknown_revision`."""
    for revision in revisions:
        if name in (revision.name, revision.name[:4]):
            return revision
    names = ", ".join(revision.name for revision in revisions)
    raise Problem("unknown_revision", Exit.USAGE, f"There is no migration {name!r}.", "", f"There are: {names}.")


def next_name(revisions: list[Revision], words: str) -> str:
    """File stem for a new revision called `words`: "Add user index" after 0007 becomes 0008_add_user_index."""
    name = "_".join(re.findall(r"[a-z0-9]+", words.lower()))[:60].strip("_")
    if not name:
        raise Problem(
            "name_unusable",
            Exit.USAGE,
            f"{words!r} cannot be the name of a migration.",
            "It has no letter or digit of ASCII.",
            "Say in a few words what it does: --name add_new_feature.",
        )
    number = revisions[-1].number + 1 if revisions else 1
    return f"{number:04d}_{name}"


def checksum(file: Path) -> str:
    """SHA-256 of a revision file, in hexadecimal."""
    return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


class _Statements:
    """What Alembic writes its SQL to: one call of `write` is one statement."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def write(self, text: str) -> None:
        self.statements.append(text.strip().removesuffix(";"))

    def flush(self) -> None:
        """Nothing is held back."""


def _call(module: ModuleType, direction: Direction, op: Operations) -> None:
    """Call `upgrade` or `downgrade` with an `op` of its own.

    Alembic's `op` is one per process; the module's name `op` is bound to these operations instead, so
    that several databases can be migrated at the same time.
    """
    step: Callable[[], Any] | None = getattr(module, direction, None)
    if step is None:
        raise unusable(Path(module.__file__ or module.__name__), f"It has no function {direction}().")
    module.__dict__["op"] = op
    step()


def unusable(file: Path, why: str) -> Problem:
    """The Problem of a file that is no revision."""
    return Problem(
        "revision_unusable", Exit.REFUSED, f"The migration {file.name} cannot be used.", why, f"Correct {file}."
    )


def _broken(file: Path, error: Exception) -> Problem:
    """Of an error in the file's own code: a misspelt name, say."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    place = f"Line {lines[-1]}: " if lines else ""
    return unusable(file, f"{place}{type(error).__name__}: {error}")

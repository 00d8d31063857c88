"""Migrations as they would be, in a folder that is thrown away: what is not written yet can be run and examined."""

import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orion_db.revisions import Revision
from orion_db.targets import Target


@contextmanager
def with_copies(target: Target, revisions: Sequence[Revision], texts: Mapping[str, str]) -> Generator[Target]:
    """The target, with copies of the revisions and the texts (by name of revision) as its migrations."""
    with tempfile.TemporaryDirectory(prefix="orion-migrations-") as name:
        folder = Path(name)
        for revision in revisions:
            (folder / revision.file.name).write_bytes(revision.file.read_bytes())
        for stem, text in texts.items():
            (folder / f"{stem}.py").write_text(text, encoding="utf-8")
        yield replace(target, service=replace(target.service, migrations=folder))

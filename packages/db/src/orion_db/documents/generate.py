"""Writing the documents of a service into the source tree, or saying which are stale."""

from dataclasses import dataclass
from pathlib import Path

from orion_core.service import Service
from orion_db.documents.dictionary import dictionary
from orion_db.documents.models import Models
from orion_db.documents.picture import picture
from orion_db.documents.prisma import prisma_schema
from orion_db.documents.rows import rows
from orion_db.errors import Exit, Problem
from orion_db.result import Result, shown


@dataclass(frozen=True)
class Generation(Result):
    """The files of one service, and those among them that were not as they should be."""

    files: tuple[Path, ...]
    changed: tuple[Path, ...]
    """Written; or, when only checked, stale or missing."""
    checked: bool

    @property
    def exit_code(self) -> Exit:
        return Exit.FOUND if self.checked and self.changed else Exit.OK

    def in_words(self) -> list[str]:
        words = "stale" if self.checked else "wrote"
        return [f"{words} {shown(file)}" for file in self.changed] or [f"{len(self.files)} files are as the models say"]


def generate(service: Service, *, check: bool = False) -> Generation:
    """Write what is not as it should be: Prisma's schema, the dictionary, its picture, the rows' types."""
    contents = documents(service)
    changed = [file for file, content in contents.items() if not _is(file, content)]
    for file in changed:
        if not check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(contents[file], encoding="utf-8", newline="\n")
    return Generation(service.name, tuple(contents), tuple(changed), check)


def documents(service: Service) -> dict[Path, str]:
    """Files and their contents. Raises Problem `no_source_tree` for a service that is installed without one."""
    if not (service.package / "pyproject.toml").is_file():
        raise Problem(
            "no_source_tree",
            Exit.USAGE,
            f"The documents of {service.name} cannot be written here.",
            f"It is not installed from a source tree: there is no {service.package / 'pyproject.toml'}.",
            "Run this in a clone of the repository.",
        )
    documents = service.package.parents[1] / "docs" / "databases"
    generated = service.migrations.parent / "generated"
    return {
        service.package / "prisma" / "schema.prisma": prisma_schema(service),
        documents / f"{service.name}.md": dictionary(service),
        documents / f"{service.name}.svg": picture(Models(service.metadata)),
        generated / "__init__.py": f'"""What `orion db generate {service.name}` writes from the models."""\n',
        generated / "rows.py": rows(service),
    }


def _is(file: Path, content: str) -> bool:
    return file.is_file() and file.read_bytes() == content.encode()

"""A live database read back into models, proved by building them in a scratch database."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from sqlalchemy import MetaData
from sqlalchemy.exc import SQLAlchemyError

from orion_db.catalog import Catalog, Difference, compare
from orion_db.errors import Exit, Problem, reason
from orion_db.progress import Progress, Step, silent
from orion_db.pull.models import Source, module_text
from orion_db.repair import repair_between
from orion_db.repair.parts import parts
from orion_db.repair.statement import Sides, Statement
from orion_db.repair.writers import made
from orion_db.result import Result, shown
from orion_db.scratch import catalog_of, catalog_of_models
from orion_db.targets import Target


@dataclass(frozen=True)
class Pull(Result):
    """The models, and what they and those of the service do not say."""

    database: str
    text: str
    file: Path | None
    as_sql: tuple[str, ...]
    """What no class says, and so stands in the module as SQL."""
    left_over: tuple[str, ...]
    """What the module does not make as it is in the database."""
    not_in_models: tuple[Difference, ...]
    """How the live database differs from what the service's own models make."""

    @property
    def exit_code(self) -> Exit:
        return Exit.FOUND if self.not_in_models or self.left_over else Exit.OK

    def in_words(self) -> list[str]:
        if self.file is None:
            return self.text.splitlines()
        lines = [f"wrote {shown(self.file)}; built in a scratch database it is {self.database}"]
        if self.left_over:
            lines = [f"wrote {shown(self.file)}; built in a scratch database it lacks {len(self.left_over)} things"]
        lines += [f"as SQL, since no class says it: {statement.splitlines()[0]}" for statement in self.as_sql]
        lines += [f"left over: {entry}" for entry in self.left_over]
        lines += [f"the service's models do not say: {difference}" for difference in self.not_in_models]
        return lines if self.not_in_models else [*lines, "the service's models say all that is there"]


async def pull(target: Target, *, output: Path | None = None, progress: Progress = silent) -> Pull:
    """Write the database's tables as models, to a file or into the result's text. The database is only read.

    Raises Problem `pull_failed` when the models cannot be built, which is an error of this tool.
    """
    service = target.service
    progress(Step(service.name, "reading the catalog"))
    live = await catalog_of(target)
    models = await catalog_of_models(target)
    source = Source(service.name, target.database, live)
    before = _before(source)
    progress(Step(service.name, "building the models in a scratch database"))
    built = await _build(target, module_text(source, before, [], []))
    rest = repair_between(built, live, runner=service.owner_role)
    sql = [statement.sql for statement in rest.statements]
    unchecked = ["SET LOCAL check_function_bodies = off"] if any("FUNCTION" in statement for statement in sql) else []
    differences = compare(await _build(target, module_text(source, before, unchecked + sql, [])), live)
    left_over = [str(difference) for difference in differences]
    not_in_models = compare(models, live)
    notes = [f"Left over: {entry}" for entry in left_over]
    notes += [f"The models of {service.name} do not say: {difference}" for difference in not_in_models]
    notes = [note.replace("\n", " ") for note in notes]
    text = module_text(source, before, unchecked + sql, notes)
    if output is not None:
        output.write_text(text, encoding="utf-8")
    return Pull(
        service.name, target.database, text, output, tuple(before + sql), tuple(left_over), tuple(not_in_models)
    )


def _before(source: Source) -> list[str]:
    """What columns stand on and no model brings: extensions, types without a Python enum, sequences of defaults."""
    catalog = parts(source.catalog)
    statements: list[str] = []
    house = {"outbox_sequence", "outbox_position", "outbox_pruned"}
    for kind in ("extension", "enum", "type", "sequence"):
        for key, facts in sorted(catalog.items()):
            if key[0] == kind and key[1] not in house and not (kind == "sequence" and "owned by" in facts):
                if kind == "extension":
                    statements.append(f"CREATE EXTENSION IF NOT EXISTS {facts['sql']}")
                elif kind != "enum" or not source.enum_class(key[1], facts):
                    first = next(iter(made(key, None, facts, Sides(catalog, catalog))), None)
                    statements += [first.sql] if isinstance(first, Statement) else []
    return statements


async def _build(target: Target, text: str) -> Catalog:
    """The catalog of the module's models, built from nothing."""
    with _module(text) as module:
        metadata: MetaData = module.Table.metadata
        try:
            return await catalog_of_models(replace(target, service=replace(target.service, metadata=metadata)))
        except SQLAlchemyError as error:
            raise Problem(
                "pull_failed",
                Exit.FAILED,
                f"{target.service.name}: the models that were read back cannot be built.",
                reason(error),
                "Report it: the tool should have written models that can be.",
            ) from error


@contextmanager
def _module(text: str) -> Generator[ModuleType]:
    """The text as a module, for the time of the block; declarative looks its classes' module up."""
    module = ModuleType("orion_pulled_models")
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, "<pulled models>", "exec"), module.__dict__)  # noqa: S102 - we have just written it
        yield module
    finally:
        del sys.modules[module.__name__]

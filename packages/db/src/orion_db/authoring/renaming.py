"""Asking about renames, and making them on the scratch database, so that what is left is compared anew after each."""

from collections.abc import Callable
from dataclasses import dataclass

from orion_db.authoring.operations import run_on
from orion_db.authoring.renames import (
    Rename,
    likely_renames,
    parse_renames,
    rename_text,
    renames_of_names,
    reverse,
    unknown_rename,
)
from orion_db.catalog import Catalog
from orion_db.errors import Exit, Problem
from orion_db.scratch import catalog_of
from orion_db.targets import Target


@dataclass(frozen=True)
class Answers:
    """What a person has said, or can be asked, about renames."""

    given: tuple[str, ...] = ()
    """`old=new`, as on the command line."""
    no_others: bool = False
    """Whatever is not given is no rename."""
    ask: Callable[[str, Rename], bool] | None = None
    """Asks about one of a service; None when nobody can be asked."""


@dataclass(frozen=True)
class Renaming:
    """The renames made, and the code of both directions."""

    renames: tuple[Rename, ...]
    upgrade: str
    downgrade: str


async def rename_on(scratch: Target, wanted: Catalog, answers: Answers) -> Renaming:
    """Make the renames that were given or are said yes to, and those that are of names only.

    Raises Problem `renames_unanswered`, `rename_unknown` or `rename_unreadable`.
    """
    made: list[tuple[Rename, Catalog]] = []
    declined: set[Rename] = set()
    current = await catalog_of(scratch)
    while chosen := _choose(scratch.service.name, current, wanted, answers, declined):
        made.append((chosen, current))
        await run_on(scratch, rename_text(chosen, current))
        current = await catalog_of(scratch)
    names_made = {f"{rename.old}={rename.new}" for rename, _ in made}
    for word in answers.given:
        if "=".join(part.strip() for part in word.split("=")) not in names_made:
            raise unknown_rename(word, current, wanted)
    for rename in renames_of_names(current, wanted):
        made.append((rename, current))
        await run_on(scratch, rename_text(rename, current))
    return Renaming(
        tuple(rename for rename, _ in made),
        "\n".join(rename_text(rename, before) for rename, before in made),
        "\n".join(rename_text(reverse(rename), _as_named(rename, before)) for rename, before in reversed(made)),
    )


def _choose(service: str, current: Catalog, wanted: Catalog, answers: Answers, declined: set[Rename]) -> Rename | None:
    given = parse_renames(answers.given, current, wanted)
    if given:
        return given[0]
    likely = [rename for rename in likely_renames(current, wanted) if rename not in declined]
    if not likely or answers.no_others:
        return None
    if answers.ask is None:
        raise _unanswered(service, likely)
    for rename in likely:
        if answers.ask(service, rename):
            return rename
        declined.add(rename)
    return None


def _unanswered(service: str, likely: list[Rename]) -> Problem:
    return Problem(
        "renames_unanswered",
        Exit.REFUSED,
        f"{service}: the models have new names beside ones that are gone; nothing was written.",
        "A rename keeps the data, dropping and adding deletes them, and the models do not say which is meant: "
        + "; ".join(map(str, likely))
        + ".",
        f"Name the service and say which are renames: `orion db migrate {service} --name … "
        + " ".join(rename.option for rename in likely)
        + "`; with --no-renames all others are dropped and added.",
    )


def _as_named(rename: Rename, before: Catalog) -> Catalog:
    """What the way back has to know of the object under its new name."""
    key = (rename.kind, rename.old)
    return {(rename.kind, rename.new): before[key]} if key in before else {}

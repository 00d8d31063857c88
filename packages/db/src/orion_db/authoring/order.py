"""Which migrations keep their numbers, when branches have met, and which move behind them. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from orion_db.errors import Exit, Problem


@dataclass(frozen=True)
class Move:
    """A migration and the name it gets."""

    old: str
    new: str


def moves(
    service: str,
    names: Sequence[str],
    applied: Collection[str],
    in_main: Mapping[str, int] | None,
    chosen: Sequence[str],
) -> tuple[Move, ...]:
    """The renumbering that leaves one migration a number, and none before one that is applied.

    `applied`: those of the target's database. `in_main`: when each came to the main branch, as an order; None when
    that is not known. `chosen`: what a person named; then nothing else moves. Those that move keep their order among
    themselves. Raises Problem `rebase_undecided`, `rebase_applied` or `unknown_revision`.
    """
    ordered = sorted(names)
    _check_chosen(service, ordered, applied, chosen)
    first = _first_conflict(ordered, applied)
    if first is None and not chosen:
        return ()
    moving = sorted(chosen) if chosen else _movable(service, ordered, applied, in_main, first or "")
    staying = [name for name in ordered if name not in moving]
    number = max((_number(name) for name in staying), default=0)
    renumbered = [f"{number + place:04d}{name[4:]}" for place, name in enumerate(moving, start=1)]
    found = tuple(Move(old, new) for old, new in zip(moving, renumbered, strict=True) if old != new)
    _check_result(service, [*staying, *renumbered], applied, {move.new for move in found}, moving)
    return found


def _first_conflict(ordered: Sequence[str], applied: Collection[str]) -> str | None:
    """The first migration that shares its number, or that is not applied though a later one is."""
    last_applied = max(applied, default="")
    numbers = [_number(name) for name in ordered]
    for name in ordered:
        if numbers.count(_number(name)) > 1 or (name not in applied and name < last_applied):
            return name
    return None


def _movable(
    service: str, ordered: Sequence[str], applied: Collection[str], in_main: Mapping[str, int] | None, first: str
) -> list[str]:
    """From the conflict on: what is neither applied nor in the main branch; of two in main, what came later."""
    known = in_main or {}
    last_applied = max(applied, default="")
    rest = [name for name in ordered if _number(name) >= _number(first)]
    moving = [name for name in rest if name not in applied and name not in known]
    for _, group in groupby(rest, key=_number):
        same = [name for name in group if name not in moving]
        if len(same) > 1:
            latest = max(known.get(name, -1) for name in same)
            late = [name for name in same if name not in applied and known.get(name, -1) == latest]
            moving += late if 0 < len(late) < len(same) else []
    alone = [name for name in rest if name not in applied and name < last_applied and name in known]
    twins = _undecided(rest, moving)
    if twins or set(alone) - set(moving):
        raise _unknown_order(service, twins or alone, applied)
    return sorted(moving)


def _undecided(rest: Sequence[str], moving: Collection[str]) -> list[str]:
    """Migrations of one number of which none stays, or more than one does."""
    for _, group in groupby(rest, key=_number):
        same = list(group)
        if len(same) > 1 and sum(name not in moving for name in same) != 1:
            return same
    return []


def _check_chosen(service: str, ordered: Sequence[str], applied: Collection[str], chosen: Sequence[str]) -> None:
    for name in chosen:
        if name not in ordered:
            known = ", ".join(ordered)
            raise Problem(
                "unknown_revision",
                Exit.USAGE,
                f"{service}: there is no migration {name!r}.",
                "",
                f"There are: {known}.",
            )
        if name in applied:
            raise Problem(
                "rebase_applied",
                Exit.REFUSED,
                f"{service}: {name} is applied in the database, so it keeps its number.",
                "Under another name the database would have a migration that has no file.",
                "Move the other one. If that is applied elsewhere too, roll one of the databases back first.",
            )


def _check_result(
    service: str, names: Sequence[str], applied: Collection[str], moved: Collection[str], moving: Sequence[str]
) -> None:
    """Nothing may be left for a second rebase."""
    after = sorted(names)
    left = _first_conflict(after, [name for name in applied if name in after])
    if left is not None:
        same = [name for name in after if _number(name) == _number(left) and name not in moved]
        raise _unknown_order(service, [*same, *moving] if len(same) == 1 else same, applied)


def _unknown_order(service: str, names: Sequence[str], applied: Collection[str]) -> Problem:
    movable = [name for name in names if name not in applied]
    todo = " or ".join(f"`orion db rebase {service} --move {name}`" for name in movable)
    return Problem(
        "rebase_undecided",
        Exit.REFUSED,
        f"{service}: which of {', '.join(names)} comes last cannot be told.",
        "Neither what the database has applied nor the main branch's history decides it.",
        f"Name the one that has been applied nowhere: {todo}."
        if todo
        else "All are applied here; roll one back first (`orion db rollback`).",
    )


def _number(name: str) -> int:
    return int(name[:4])

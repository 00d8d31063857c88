"""Which objects go, come and change, and in which order.

Like pg_dump, the order is made from what needs what (pg_depend). An object that has to go for a while because
something below it is made anew (a view over a column whose type changes, a foreign key to a primary key) is dropped
and made again.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from orion_db.catalog import Catalog, Key
from orion_db.catalog.compare import compared
from orion_db.catalog.read import Facts
from orion_db.repair.parts import (
    Fate,
    children_of,
    fate,
    goes_with,
    is_shaken_by_type,
    parts,
    rank,
)
from orion_db.repair.statement import ByHand, Repair, Sides, Statement
from orion_db.repair.writers import made, undone

_Node = tuple[str, Key]
"""("drop" | "make", key): `make` is also the change of what stays."""


@dataclass
class _Work:
    """What is to be done, before it is put in order."""

    sides: Sides
    drop: set[Key] = field(default_factory=set)
    make: set[Key] = field(default_factory=set)
    retyped: set[Key] = field(default_factory=set)
    """Columns and enum types whose type changes in place."""
    carried: dict[Key, Key] = field(default_factory=dict)
    """Columns that change with an enum type, in the same statements."""
    by_hand: list[ByHand] = field(default_factory=list)

    def stays(self, key: Key) -> bool:
        return key not in self.drop


def statements_between(current: Catalog, wanted: Catalog, *, runner: str = "") -> list[str]:
    """The SQL of `repair_between`, without what is said about it."""
    return [statement.sql for statement in repair_between(current, wanted, runner=runner).statements]


def repair_between(
    current: Catalog, wanted: Catalog, *, runner: str = "", database: str = "", concurrently: bool = False
) -> Repair:
    """What leads a database from the catalog `current` to the catalog `wanted`.

    `runner` is the role that runs it, when known: what it makes is its own. `database` is the database's name as
    SQL, when the statements are for that one only. `concurrently` builds indexes without locking, each by itself.
    """
    work = _Work(Sides(parts(current), parts(wanted), runner, database, concurrently))
    _sort_out(work)
    _spread(work)
    written = [entry for node in _in_order(work) for entry in _write(work, node)]
    statements = tuple(entry for entry in written if isinstance(entry, Statement))
    return Repair(statements, (*work.by_hand, *(entry for entry in written if isinstance(entry, ByHand))))


def _sort_out(work: _Work) -> None:
    """What is missing, extra and changed."""
    current, wanted = work.sides.current, work.sides.wanted
    for key in current.keys() | wanted.keys():
        old, new = current.get(key), wanted.get(key)
        if old is None:
            work.make.add(key)
        elif new is None:
            work.drop.add(key)
        elif compared(old) != compared(new):
            _change(work, key, fate(key[0], old, new))


def _change(work: _Work, key: Key, what: Fate) -> None:
    if isinstance(what, ByHand):
        work.by_hand.append(ByHand(key[0], key[1], what.reason))
        return
    work.make.add(key)
    if what == "replace":
        work.drop.add(key)
    elif what == "retype":
        work.retyped.add(key)


def _spread(work: _Work) -> None:
    """Take along what depends on something that goes or changes its type."""
    dependents: dict[Key, list[Key]] = {}
    for key, facts in work.sides.current.items():
        for needed in facts["needs"]:
            dependents.setdefault(needed, []).append(key)
    waiting = sorted(work.drop | work.retyped)
    while waiting:
        key = waiting.pop()
        for dependent in dependents.get(key, []):
            if work.stays(dependent) and _take_along(work, key, dependent):
                waiting.append(dependent)


def _take_along(work: _Work, key: Key, dependent: Key) -> bool:
    """Whether the dependent is now taken along, and its own dependents must be looked at."""
    facts = work.sides.current[dependent]
    is_plain_column = dependent[0] == "column" and "generated" not in facts
    if key in work.retyped and key[0] == "column" and not is_shaken_by_type(dependent, facts):
        return False
    if key[0] == "enum" and is_plain_column:
        new = work.sides.wanted.get(dependent)
        if dependent in work.retyped or new is None or key not in new["needs"]:
            return False  # it goes to another type, by its own statement
        work.retyped.add(dependent)
        work.make.add(dependent)
        work.carried[dependent] = key
        return True
    if dependent[0] in ("table", "type") or is_plain_column:
        if key in work.make and not children_of(key, dependent):
            work.by_hand.append(ByHand(*dependent, f"it stands on {key[0]} {key[1]}, which is to be made anew"))
        return False
    work.drop.add(dependent)
    if dependent in work.sides.wanted:
        work.make.add(dependent)
    return True


def _in_order(work: _Work) -> list[_Node]:
    homes = _homes(work)
    before: dict[_Node, set[_Node]] = {
        homes.get(node, node): set() for node in [*(("drop", k) for k in work.drop), *(("make", k) for k in work.make)]
    }
    for earlier, later in _edges(work):
        first, then = homes.get(earlier, earlier), homes.get(later, later)
        if first != then and first in before and then in before:
            before[then].add(first)
    return _sorted(before)


def _homes(work: _Work) -> dict[_Node, _Node]:
    """What needs no statement of its own because another one does it: columns come and go with their table."""
    homes: dict[_Node, _Node] = {("make", column): ("make", enum) for column, enum in work.carried.items()}
    for verb, keys, catalog, other in (
        ("drop", work.drop, work.sides.current, work.make),
        ("make", work.make - work.sides.current.keys(), work.sides.wanted, work.sides.current),
    ):
        for key in keys:
            home = key
            while (above := goes_with(verb, home, catalog)) and above in keys and above not in other:
                home = above
            if home != key:
                homes[verb, key] = (verb, home)
    return homes


def _edges(work: _Work) -> Iterable[tuple[_Node, _Node]]:
    current, wanted = work.sides.current, work.sides.wanted
    names: dict[str, list[Key]] = {}
    for key in work.drop:
        names.setdefault(_name(current[key]), []).append(key)
        if key in work.make:
            yield ("drop", key), ("make", key)
        for needed in current[key]["needs"]:
            yield ("drop", key), ("drop", needed)
            yield ("drop", key), ("make", needed)
    for key in work.make:
        for needed in wanted[key]["needs"]:
            yield ("make", needed), ("make", key)
        for other in names.get(_name(wanted[key]), []):  # another kind of thing, or other arguments, under its name
            yield ("drop", other), ("make", key)
        if key in current and key not in work.drop:
            for needed in current[key]["needs"]:
                if needed not in work.make:
                    yield ("make", key), ("drop", needed)
                elif needed in work.retyped and needed not in wanted[key]["needs"]:
                    yield ("make", key), ("make", needed)


def _name(facts: Facts) -> str:
    return facts.get("whole") or f"{facts.get('on', '')} {facts.get('sql', '')}"


def _sorted(before: dict[_Node, set[_Node]]) -> list[_Node]:
    """Topological order; where it leaves a choice, by kind and name. A circle is cut at its lowest node."""
    after: dict[_Node, list[_Node]] = {}
    for node, firsts in before.items():
        for first in firsts:
            after.setdefault(first, []).append(node)
    left = {node: len(firsts) for node, firsts in before.items()}
    ready = [(rank(node), node) for node, count in left.items() if count == 0]
    heapq.heapify(ready)
    order: list[_Node] = []
    while left:
        if not ready:
            ready = [min((rank(node), node) for node in left)]
        _, node = heapq.heappop(ready)
        if left.pop(node, None) is None:
            continue
        order.append(node)
        for then in after.get(node, []):
            if then in left:
                left[then] -= 1
                if left[then] == 0:
                    heapq.heappush(ready, (rank(then), then))
    return order


def _write(work: _Work, node: _Node) -> Iterable[Statement | ByHand]:
    verb, key = node
    old, new = work.sides.current.get(key), work.sides.wanted.get(key)
    if verb == "drop":
        return undone(key, old or {}, work.sides)
    if key in work.drop:  # it is gone by now
        old = None
    return made(key, old, new or {}, work.sides)

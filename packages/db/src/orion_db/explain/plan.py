"""A plan as PostgreSQL's EXPLAIN (FORMAT JSON) tells it, as a tree with the time of each node by itself."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

WRONG_BY = 10.0
"""From this factor on, an estimate of rows is called wrong."""

_READS_ALL = frozenset({"Sort", "Aggregate", "Hash"})
"""Nodes that take all the rows from below before they give the first."""


@dataclass(frozen=True)
class Node:
    """One node. Rows, times and buffers are totals over all its loops, so that nodes can be compared."""

    type: str
    relation: str | None
    alias: str | None
    index: str | None
    expected_rows: float
    rows: float | None
    """None: the statement was not run."""
    loops: float
    total_ms: float
    self_ms: float
    shared_hit: int
    """Blocks of 8 kB found in shared buffers, by this node and those below it; `shared_read` came from outside."""
    shared_read: int
    removed: float
    """Rows that were read and thrown away by the filter or the join's condition."""
    may_stop_early: bool
    """Somebody above takes only as many rows as he wants, so that fewer came says nothing of the estimate."""
    details: dict[str, Any] = field(repr=False)
    """What else PostgreSQL says of the node, under its own names."""
    children: tuple["Node", ...]

    @property
    def name(self) -> str:
        """`Index Scan using uq_identities_email on identities`."""
        parts = [self._kind()]
        if self.index:
            parts.append(f"using {self.index}")
        if self.relation:
            parts.append(f"on {self.relation}")
            if self.alias and self.alias != self.relation:
                parts.append(self.alias)
        return " ".join(parts)

    @property
    def wrong_by(self) -> float | None:
        """How many times more or fewer rows came than were expected; None below `WRONG_BY` and when it was not run."""
        if self.rows is None or not self.loops:
            return None
        expected, actual = max(self.expected_rows * self.loops, 1.0), max(self.rows, 1.0)
        if self.may_stop_early and actual < expected:
            return None
        factor = max(expected / actual, actual / expected)
        return factor if factor >= WRONG_BY else None

    def walk(self) -> Iterator["Node"]:
        """This node and all below it, from above."""
        yield self
        for child in self.children:
            yield from child.walk()

    def _kind(self) -> str:
        if self.type == "ModifyTable":
            return str(self.details.get("Operation", self.type))
        join = self.details.get("Join Type")
        if join and join != "Inner":
            return f"{self.type.removesuffix(' Join')} {join} Join"
        strategy = {"Hashed": "Hash", "Sorted": "Group", "Mixed": "Mixed"}.get(self.details.get("Strategy", ""), "")
        return f"{strategy}{self.type}" if self.type == "Aggregate" and strategy else self.type


def read_plan(plan: dict[str, Any], processes: int = 1, *, may_stop_early: bool = False) -> Node:
    """The tree of the "Plan" of EXPLAIN (FORMAT JSON).

    Below a Gather each of `processes` counts as a loop; they run at the same time, so their times do not add up.
    """
    below = processes + int(plan.get("Workers Launched", 0)) if plan["Node Type"].startswith("Gather") else processes
    picky = plan["Node Type"] == "Limit" or plan.get("Join Type") in ("Semi", "Anti")
    below_stops = picky or (may_stop_early and plan["Node Type"] not in _READS_ALL)
    children = tuple(read_plan(child, below, may_stop_early=below_stops) for child in plan.get("Plans", ()))
    loops = float(plan.get("Actual Loops", 1))
    total = float(plan.get("Actual Total Time", 0.0)) * loops / processes
    return Node(
        type=plan["Node Type"],
        relation=plan.get("Relation Name"),
        alias=plan.get("Alias"),
        index=plan.get("Index Name"),
        expected_rows=float(plan.get("Plan Rows", 0)),
        rows=float(plan["Actual Rows"]) * loops if "Actual Rows" in plan else None,
        loops=loops,
        total_ms=total,
        self_ms=max(0.0, total - sum(child.total_ms for child in children if _is_inside(child))),
        shared_hit=int(plan.get("Shared Hit Blocks", 0)),
        shared_read=int(plan.get("Shared Read Blocks", 0)),
        removed=loops
        * sum(float(plan.get(f"Rows Removed by {what}", 0)) for what in ("Filter", "Join Filter", "Index Recheck")),
        may_stop_early=may_stop_early,
        details={key: value for key, value in plan.items() if key not in ("Plans", "Output")},
        children=children,
    )


def _is_inside(child: Node) -> bool:
    """An InitPlan runs once, when its value is first needed, in the time of whoever asks; a SubPlan likewise."""
    return child.details.get("Parent Relationship") != "InitPlan"


def draw(root: Node) -> list[str]:
    """The tree in lines: node, rows expected and come, time of itself and in total, buffers."""
    return _draw(root, "", "")


def _draw(node: Node, first: str, rest: str) -> list[str]:
    lines = [first + node.name, rest + ("│ " if node.children else "  ") + _figures(node)]
    lines += [rest + ("│ " if node.children else "  ") + condition for condition in conditions(node)]
    for number, child in enumerate(node.children, start=1):
        last = number == len(node.children)
        lines += _draw(child, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))
    return lines


def _figures(node: Node) -> str:
    if node.rows is None:
        return f"about {node.expected_rows:,.0f} rows, cost {node.details.get('Total Cost', 0):,.0f}"
    if not node.loops:
        return "never executed"
    rows = f"{node.rows:,.0f} rows, {node.expected_rows * node.loops:,.0f} expected"
    if factor := node.wrong_by:
        rows += f" (wrong by {factor:,.0f}×)"
    parts = [rows, f"{node.self_ms:,.2f} ms itself, {node.total_ms:,.2f} ms in total"]
    if node.loops > 1:
        parts.append(f"{node.loops:,.0f} loops")
    if node.shared_hit or node.shared_read:
        parts.append(f"buffers {node.shared_hit:,} hit, {node.shared_read:,} read")
    return "; ".join(parts)


def conditions(node: Node) -> list[str]:
    """What the node compares, sorts by and throws away, in PostgreSQL's words."""
    found: list[str] = []
    for key in ("Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter", "Sort Key"):
        value: Any = node.details.get(key)
        if value:
            words = ", ".join(value) if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownArgumentType]
            found.append(f"{key}: {words if len(words) <= 200 else words[:199] + '…'}")
    if node.removed:
        found.append(f"{node.removed:,.0f} rows thrown away")
    if node.details.get("Sort Space Type") == "Disk":
        found.append(f"sorted on disk, {node.details.get('Sort Space Used', 0):,} kB: work_mem did not hold it")
    return found


def costliest(root: Node) -> Node:
    """The node that most time went into by itself; of a plan that was not run, the one that costs most by itself."""
    nodes = list(root.walk())
    if root.rows is None:
        return max(nodes, key=_own_cost)
    return max(nodes, key=lambda node: node.self_ms)


@dataclass(frozen=True)
class TriggerTime:
    """What a trigger took, over all rows. Foreign keys are checked, and cascade, by triggers."""

    name: str
    """Of the constraint, where it is one's."""
    table: str
    calls: int
    total_ms: float


def read_triggers(told: Iterable[dict[str, Any]]) -> list[TriggerTime]:
    """The "Triggers" of EXPLAIN (FORMAT JSON), the dearest first: their time is in no node."""
    found = [
        TriggerTime(
            str(each.get("Constraint Name") or each["Trigger Name"]), each["Relation"], int(each["Calls"]), each["Time"]
        )
        for each in told
    ]
    return sorted(found, key=lambda trigger: -trigger.total_ms)


def blame(root: Node, triggers: Sequence[TriggerTime] = ()) -> str:
    """What took most of the time, in words: a trigger, or the costliest node."""
    spent = root.total_ms + sum(trigger.total_ms for trigger in triggers)
    node = costliest(root)
    if triggers and triggers[0].total_ms > node.self_ms:
        dearest = triggers[0]
        return (
            f"most time, {dearest.total_ms / spent:.0%}, goes into the trigger {dearest.name} on {dearest.table}: "
            f"it is run {dearest.calls:,} times"
        )
    read = (node.rows or 0) + node.removed
    if root.rows is None:
        share = _own_cost(node) / max(float(root.details.get("Total Cost", 1.0)), 1e-9)
        return f"most of the expected cost, {min(share, 1.0):.0%}, goes into {node.name}"
    share = node.self_ms / spent if spent else 1.0
    words = f"most time, {min(share, 1.0):.0%}, goes into {node.name}"
    if node.removed:
        words += f": {read:,.0f} rows read, {node.rows:,.0f} kept by the {_sieve(node)}"
    elif node.loops > 1:
        words += f": it is run {node.loops:,.0f} times"
    return words


def _sieve(node: Node) -> str:
    return "join's condition" if node.details.get("Join Filter") else "filter"


def _own_cost(node: Node) -> float:
    below = sum(float(child.details.get("Total Cost", 0)) for child in node.children)
    return max(0.0, float(node.details.get("Total Cost", 0)) - below)

"""What would make a plan cheaper: pure rules over the plan and what the catalog says of its tables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from orion_db.explain.conditions import Condition, read_conditions
from orion_db.explain.plan import Node
from orion_db.explain.relations import Index, Relation
from orion_db.roles import quoted

WORTH_ROWS = 1_000
"""Fewer rows than this are read in less time than it takes to talk about them."""

WASTEFUL = 10
"""Rows thrown away for each one kept, from which on an index is worth its upkeep."""


@dataclass(frozen=True)
class Advice:
    """One thing that could be done, and why."""

    node: str
    why: str
    index: str | None = None
    """The statement that makes the index, in the form that does not stop writers."""


def advise(root: Node, relations: Mapping[str, Relation]) -> list[Advice]:
    """What would help, each index once (partitions of a table speak for the whole table)."""
    found: dict[tuple[str | None, str], Advice] = {}
    for node in root.walk():
        for advice in (
            *_inner_scan(node, relations),
            *_filtered(node, relations),
            *_sorted(node, relations),
            *_misjudged(node),
        ):
            found.setdefault((advice.index, "" if advice.index else advice.why), advice)
    return list(found.values())


def _filtered(node: Node, relations: Mapping[str, Relation]) -> list[Advice]:
    """A scan that throws away most of what it reads."""
    relation = relations.get(node.relation or "")
    written = node.details.get("Filter")
    if relation is None or not written or not _is_wasteful(node):
        return []
    conditions = read_conditions(written, node.alias or relation.name)
    if node.type not in ("Seq Scan", "Index Scan"):
        return []
    if node.index:  # what the index finds already comes first in a better one
        conditions = read_conditions(node.details.get("Index Cond", ""), node.alias or relation.name) + conditions
    if _has_or(written) and not any(condition.use == "equal" for condition in conditions):
        why = f"{_waste(node)} Alternatives (OR) on different columns need an index each, or a UNION of two queries."
        return [Advice(node.name, why)]
    return _wanted(node, relation, conditions, _waste(node))


def _is_wasteful(node: Node) -> bool:
    if node.rows is None:  # not run: a scan of everything that is expected to keep little
        return node.type == "Seq Scan" and float(node.details.get("Total Cost", 0)) > WORTH_ROWS
    return node.removed >= max(WORTH_ROWS, WASTEFUL * node.rows)


def _waste(node: Node) -> str:
    if node.rows is None:
        return f"{node.name} reads the whole table and is expected to keep {node.expected_rows:,.0f} rows."
    return f"{node.name} read {node.rows + node.removed:,.0f} rows and kept {node.rows:,.0f}."


def _inner_scan(node: Node, relations: Mapping[str, Relation]) -> list[Advice]:
    """The inner side of a nested loop that reads its whole table again for each row of the outer one."""
    if node.type != "Nested Loop" or len(node.children) < 2:
        return []
    inner = next((below for below in node.children[1].walk() if below.type == "Seq Scan"), None)
    relation = relations.get(inner.relation or "") if inner else None
    written = node.details.get("Join Filter") or (inner.details.get("Filter") if inner else None)
    if inner is None or relation is None or not written:
        return []
    if inner.rows is not None and (node.removed + inner.removed < WORTH_ROWS or node.children[0].rows in (0, 1)):
        return []
    conditions = [
        condition for condition in read_conditions(written, inner.alias or relation.name) if condition.other is not None
    ]
    loops = (node.children[0].rows if node.children[0].rows is not None else node.children[0].expected_rows) or 0
    why = f"{inner.name} is read for each of {loops:,.0f} rows of the other side of the join."
    return _wanted(inner, relation, conditions, why) if conditions else []


_SORT_KEY = re.compile(
    r'\(?(?P<alias>[\w"]+)\.(?P<column>[\w"]+)\)?(?:::\w+)?(?P<order> DESC)?(?P<nulls> NULLS (?:FIRST|LAST))?'
)


def _sorted(node: Node, relations: Mapping[str, Relation]) -> list[Advice]:
    """A sort of many rows of one table, most of all one that did not fit into memory or of which few are wanted."""
    if node.type not in ("Sort", "Incremental Sort") or not node.children:
        return []
    scan = next((below for below in node.walk() if below.relation), None)
    relation = relations.get(scan.relation or "") if scan else None
    sorted_rows = node.children[0].rows
    on_disk = node.details.get("Sort Space Type") == "Disk"
    few_wanted = node.details.get("Sort Method") == "top-N heapsort"
    if scan is None or relation is None or sorted_rows is None or sorted_rows < WORTH_ROWS:
        return []
    keys = [_SORT_KEY.fullmatch(key) for key in node.details.get("Sort Key", ())]
    if not (on_disk or few_wanted) or not all(key and key["alias"] in (scan.alias, relation.table) for key in keys):
        return []
    size = "did not fit into work_mem" if on_disk else f"kept {node.rows:,.0f}"
    why = f"{node.name} sorted {sorted_rows:,.0f} rows of {relation.table} and {size}; an index has them in order."
    conditions = read_conditions(scan.details.get("Filter", ""), scan.alias or relation.name)
    conditions += read_conditions(scan.details.get("Index Cond", ""), scan.alias or relation.name)
    first = [condition.column for condition in conditions if condition.use == "equal" and not condition.constant]
    order = [f"{key['column']}{key['order'] or ''}{key['nulls'] or ''}" for key in keys if key]
    return [Advice(node.name, why, _statement(relation, [*dict.fromkeys(first), *order], _predicate(conditions)))]


def _misjudged(node: Node) -> list[Advice]:
    if node.wrong_by is None or node.relation is None or max(node.rows or 0, node.expected_rows) < WORTH_ROWS:
        return []
    why = (
        f"{node.name}: {node.rows:,.0f} rows came, {node.expected_rows * node.loops:,.0f} were expected. Run ANALYZE "
        f"{quoted(node.relation)}; if that does not help, CREATE STATISTICS on the columns that depend on each other."
    )
    return [Advice(node.name, why)]


def _wanted(node: Node, relation: Relation, conditions: list[Condition], why: str) -> list[Advice]:
    """The index for the conditions: what is compared with = first, then one range, what never varies as predicate."""
    equal = [found.column for found in conditions if found.use == "equal" and not found.constant]
    ranged = [found.column for found in conditions if found.use == "range" and found.column not in equal]
    columns = [*dict.fromkeys(equal), *ranged[:1]]
    if not columns:
        return _no_plain_index(node, conditions, why)
    for index in relation.indexes:
        if index.method == "btree" and index.columns[: len(columns)] == tuple(columns):
            return [Advice(node.name, f"{why} {_why_not(index, relation, conditions)}")]
    return [Advice(node.name, why, _statement(relation, columns, _predicate(conditions)))]


def _no_plain_index(node: Node, conditions: list[Condition], why: str) -> list[Advice]:
    for found in conditions:
        if found.use == "expression":
            return [
                Advice(
                    node.name, f"{why} It compares an expression ({found.sql}): only an index on just that would serve."
                )
            ]
        if found.use == "pattern":
            return [
                Advice(
                    node.name,
                    f"{why} {found.sql}: a pattern is found by a GIN index with gin_trgm_ops (extension pg_trgm), "
                    "or, if it begins with letters, by a btree index with text_pattern_ops.",
                )
            ]
        if found.constant:
            return [
                Advice(node.name, f"{why} If few rows are like that, a partial index WHERE {found.sql} holds them.")
            ]
    return []


def _why_not(index: Index, relation: Relation, conditions: list[Condition]) -> str:
    """Why an index that has the columns was not used."""
    if not index.is_valid:
        return f"{index.name} has these columns but is INVALID: drop it, and build it again CONCURRENTLY."
    if index.predicate and not any(found.sql in index.predicate for found in conditions):
        return (
            f"{index.name} has these columns but holds only rows with {index.predicate}, which the query does not ask."
        )
    if relation.pages < 100:
        return f"{index.name} would serve, but the table has {relation.pages} pages: reading it whole is as cheap."
    return (
        f"{index.name} would serve, and the planner took it for dearer: too many rows were expected from it, its "
        "statistics are old (ANALYZE), the values are of another type, or a setting forbids it (see settings)."
    )


def _predicate(conditions: list[Condition]) -> str:
    return " AND ".join(dict.fromkeys(found.sql for found in conditions if found.constant))


def _statement(relation: Relation, columns: list[str], predicate: str) -> str:
    """CONCURRENTLY cannot be said of a partitioned table: there it is each partition's index that is built so."""
    concurrently = "" if relation.parent else "CONCURRENTLY "
    where = f" WHERE {predicate}" if predicate else ""
    return f"CREATE INDEX {concurrently}ON {quoted(relation.table)} ({', '.join(columns)}){where};"


def _has_or(written: str) -> bool:
    return " OR " in written

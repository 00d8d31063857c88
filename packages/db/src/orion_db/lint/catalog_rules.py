"""What is wrong with the schema that a revision makes, from the catalogs before and after it."""

from collections.abc import Iterator

from orion_core.service import Service
from orion_db.catalog import Catalog
from orion_db.lint.finding import Finding, finding
from orion_db.plan.compatibility import compatibility
from orion_db.plan.definitions import IndexParts, read_foreign_keys, read_indexes, read_primary_keys
from orion_db.trace import Trace

Fault = tuple[str, str, str]
"""Rule, table, and what is wrong."""

_WITHOUT_LENGTH = ("text", "character varying", "text[]", "character varying[]")
_JSON = ("json", "json[]")
_NARROW = ("smallint", "integer")
_COLUMNS_SEARCHED = 3


def catalog_findings(trace: Trace, service: Service) -> Iterator[Finding]:
    """What is wrong after the revision and was not before."""
    if trace.after == trace.before:
        return
    for rule, table, what in sorted(faults(trace.after, service) - faults(trace.before, service)):
        yield finding(trace.revision.name, rule, what, table=table)


def phase_findings(trace: Trace, phase: str) -> Iterator[Finding]:
    """What running code loses by a revision that is applied before the code is exchanged."""
    if phase != "pre":
        return
    for entry in compatibility(trace.before, trace.after):
        if entry.lasting:
            yield finding(trace.revision.name, "wrong-phase", f"{entry}.", table=entry.name.partition(".")[0])


def faults(catalog: Catalog, service: Service) -> set[Fault]:
    """Everything in the catalog that a rule of the schema forbids."""
    return {*_of_tables(catalog, service), *_of_columns(catalog), *_of_keys(catalog), *_of_indexes(catalog)}


def _of_tables(catalog: Catalog, service: Service) -> Iterator[Fault]:
    keyed = read_primary_keys(catalog)
    for (kind, name), facts in catalog.items():
        if kind != "table" or "parent" in facts:
            continue
        if name not in keyed:
            yield "table-without-primary-key", name, f"{name} has no primary key."
        if not facts["grants"].get(service.service_role) and not _has_column_grants(catalog, name, service):
            yield "missing-grants", name, f"{service.service_role} may do nothing with {name}."


def _has_column_grants(catalog: Catalog, table: str, service: Service) -> bool:
    return any(
        kind == "column" and facts["table"] == table and service.service_role in facts.get("grants", {})
        for (kind, _), facts in catalog.items()
    )


def _of_columns(catalog: Catalog) -> Iterator[Fault]:
    for (kind, name), facts in catalog.items():
        if kind != "column":
            continue
        if facts["type"] in _WITHOUT_LENGTH:
            yield "text-without-length", facts["table"], f"{name} is {facts['type']}."
        if facts["type"] in _JSON:
            yield "json-instead-of-jsonb", facts["table"], f"{name} is {facts['type']}."


def _of_keys(catalog: Catalog) -> Iterator[Fault]:
    """Keys too narrow, which count only where they begin and not where they refer; foreign keys without an index."""
    indexes, foreign_keys = list(read_indexes(catalog)), list(read_foreign_keys(catalog))
    referring = {(key.table, column) for key in foreign_keys for column in key.columns}
    for table, key in read_primary_keys(catalog).items():
        facts = catalog.get(("column", f"{table}.{key[0]}")) if len(key) == 1 else None
        if facts and facts["type"] in _NARROW and (table, key[0]) not in referring:
            yield "narrow-key", table, f"the key {table}.{key[0]} is {facts['type']}."
    for key in foreign_keys:
        if not any(_serves(index, key.table, key.columns) for index in indexes):
            columns = ", ".join(key.columns)
            yield (
                "foreign-key-without-index",
                key.table,
                f"no index of {key.table} begins with ({columns}): {key.name}.",
            )


def _serves(index: IndexParts, table: str, columns: tuple[str, ...]) -> bool:
    """Whether the index finds rows by these columns: they are its first ones, in whatever order, for all that refer."""
    whole = not index.predicate or index.predicate in {f"({column} IS NOT NULL)" for column in columns}
    return index.table == table and whole and set(index.columns[: len(columns)]) == set(columns)


def _of_indexes(catalog: Catalog) -> Iterator[Fault]:
    of_table: dict[str, list[IndexParts]] = {}
    for index in read_indexes(catalog):
        of_table.setdefault(index.table, []).append(index)
    for index in (index for indexes in of_table.values() for index in indexes):
        longer = next((other for other in of_table[index.table] if _repeats(index, other)), None)
        if longer and not index.constraint:
            kind = "the constraint" if longer.constraint else "the index"
            yield "index-repeats-another", index.table, f"{index.name} repeats the beginning of {kind} {longer.name}."
        if len(index.keys) > _COLUMNS_SEARCHED and not index.unique and index.method == "btree":
            yield "wide-index", index.table, f"{index.name} has {len(index.keys)} columns."


def _repeats(shorter: IndexParts, longer: IndexParts) -> bool:
    """Whether `longer` serves every search of `shorter`. Of two alike, the one that is last by name repeats."""
    same = (shorter.table, shorter.method, shorter.predicate) == (longer.table, longer.method, longer.predicate)
    if not same or shorter.name == longer.name or shorter.rest or shorter.method != "btree":
        return False
    if longer.keys[: len(shorter.keys)] != shorter.keys:
        return False
    if len(longer.keys) > len(shorter.keys):
        return not shorter.unique
    return (longer.unique, longer.name < shorter.name) > (shorter.unique, False)

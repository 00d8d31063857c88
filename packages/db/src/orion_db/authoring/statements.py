"""What Alembic does not see, as SQL: types, functions, sequences, checks, triggers, partitions, grants, options.

Every statement is made from the facts of the catalog that is wanted, so the same code writes `downgrade()`: there the
wanted catalog is the old one.
"""

from collections.abc import Callable, Iterable

from orion_core.house import MONTHS_AHEAD
from orion_db.catalog import Catalog, Difference
from orion_db.catalog.compare import SOURCE
from orion_db.catalog.read import Facts
from orion_db.roles import quoted

_GRANTABLE = {
    "table": "TABLE",
    "view": "TABLE",
    "sequence": "SEQUENCE",
    "function": "FUNCTION",
    "enum": "TYPE",
    "schema": "SCHEMA",
}
_COMMENTED = {"table": "TABLE", "view": "VIEW", "sequence": "SEQUENCE", "function": "FUNCTION", "enum": "TYPE"}


def statements_before(differences: Iterable[Difference], wanted: Catalog) -> list[str]:
    """What tables stand on and must be there first: extensions, enum types and labels, sequences, functions."""
    order = {"extension": 0, "enum": 1, "sequence": 2, "function": 3}
    first = sorted((d for d in differences if d.kind in order), key=lambda d: (order[d.kind], d.name))
    made = [statement for difference in first for statement in _made_first(difference, wanted)]
    # Bodies may speak of tables that come later in the same migration; pg_dump does the same.
    unchecked = ["SET LOCAL check_function_bodies = off"] if any("definition" in d.expected for d in first) else []
    return unchecked + made


def statements_after(differences: Iterable[Difference], wanted: Catalog, found: Catalog) -> list[str]:
    """What stands on tables, and what is no longer needed by them."""
    order = {kind: number for number, kind in enumerate(_AFTER)}
    rest = sorted((d for d in differences if d.kind in order), key=lambda d: (order[d.kind], d.name))
    changed: list[str] = []
    for difference in rest:
        key = (difference.kind, difference.name)
        changed += _AFTER[difference.kind](difference, wanted.get(key, {}))
        changed += _grants(difference, wanted.get(key, {}), found.get(key, {}))
        changed += _comment(difference)
    return changed


def monthly_partitions(wanted: Catalog, current: Catalog) -> list[str]:
    """Partitions of new tables that are cut by their UUIDv7 key; catalogs leave these out, as they come with time."""
    return [
        f"SELECT ensure_partitions('{name}', {MONTHS_AHEAD})"
        for (kind, name), facts in sorted(wanted.items())
        if kind == "table" and facts.get("partitioned by") == "RANGE (id)" and (kind, name) not in current
    ]


def _made_first(difference: Difference, wanted: Catalog) -> list[str]:
    if difference.change == "extra":
        return []
    if difference.kind == "extension":
        return [f"CREATE EXTENSION IF NOT EXISTS {difference.name}"]
    if difference.kind == "function":
        source: str = wanted["function", difference.name][SOURCE]
        return [source] if "definition" in difference.expected else []
    if difference.kind == "sequence":
        return _sequence(difference)
    return _enum(difference)


def _enum(difference: Difference) -> list[str]:
    wanted: list[str] = difference.expected.get("labels", [])
    if difference.change == "missing":
        return [f"CREATE TYPE {difference.name} AS ENUM ({', '.join(_literal(label) for label in wanted)})"]
    found: list[str] = difference.found.get("labels", [])
    if [label for label in wanted if label in found] != found:
        return []  # a label goes or moves: PostgreSQL has no statement for that
    return [
        f"ALTER TYPE {difference.name} ADD VALUE IF NOT EXISTS {_literal(label)}{_place(wanted, position)}"
        for position, label in enumerate(wanted)
        if label not in found
    ]


def _place(labels: list[str], position: int) -> str:
    return f" AFTER {_literal(labels[position - 1])}" if position else f" BEFORE {_literal(labels[1])}"


def _sequence(difference: Difference) -> list[str]:
    facts = difference.expected
    if difference.change != "missing" or "owned by" in facts:
        return []
    return [
        f"CREATE SEQUENCE {difference.name} AS {facts['type']} INCREMENT {facts['increment']} "
        f"MINVALUE {facts['minimum']} MAXVALUE {facts['maximum']} START {facts['start']} CACHE {facts['cache']}"
        + (" CYCLE" if facts["cycles"] else "")
    ]


def _table(difference: Difference, _: Facts) -> list[str]:
    name, wanted = difference.name, difference.expected
    if difference.change == "missing":
        partition = wanted.get("bound") and wanted.get("parent")
        return [f"CREATE TABLE {name} PARTITION OF {wanted['parent'][0]} {wanted['bound']}"] if partition else []
    if difference.change == "extra":
        return [f"DROP TABLE {name}"] if difference.found.get("bound") else []
    changed: list[str] = []
    if "persistence" in wanted:
        changed.append(f"ALTER TABLE {name} SET {wanted['persistence'].upper()}")
    options: list[str] = wanted.get("options", [])
    gone = [option.split("=")[0] for option in difference.found.get("options", []) if option not in options]
    changed += [f"ALTER TABLE {name} RESET ({', '.join(gone)})"] if gone else []
    changed += [f"ALTER TABLE {name} SET ({', '.join(options)})"] if options else []
    return changed


def _column(difference: Difference, _: Facts) -> list[str]:
    facts = difference.expected.keys() | difference.found.keys()
    if difference.change != "changed":
        return []
    table, _dot, column = difference.name.rpartition(".")
    default, not_null = difference.expected.get("default"), difference.expected.get("not null")
    changes = [f"SET DEFAULT {default}" if default else "DROP DEFAULT"] if "default" in facts else []
    changes += ["SET NOT NULL" if not_null else "DROP NOT NULL"] if "not null" in facts else []
    return [f"ALTER TABLE {table} ALTER COLUMN {quoted(column)} {change}" for change in changes]


def _constraint(difference: Difference, wanted: Facts) -> list[str]:
    table, _dot, name = difference.name.rpartition(".")
    before, after = (str(facts.get("definition", "")) for facts in (difference.found, difference.expected))
    if difference.change == "changed" and before.removesuffix(" NOT VALID") == after:
        return [f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}"] if difference.expected.get("validated") else []
    drop = [] if difference.change == "missing" else [f"ALTER TABLE {table} DROP CONSTRAINT {name}"]
    return drop + ([f"ALTER TABLE {table} ADD CONSTRAINT {name} {wanted['definition']}"] if wanted else [])


def _index(difference: Difference, wanted: Facts) -> list[str]:
    if "constraint" in (difference.expected or difference.found):
        return []
    if difference.change == "changed" and "definition" not in difference.expected:
        return []
    drop = [] if difference.change == "missing" else [f"DROP INDEX {difference.name}"]
    return drop + ([wanted["definition"]] if wanted else [])


def _trigger(difference: Difference, wanted: Facts) -> list[str]:
    table, _dot, name = difference.name.rpartition(".")
    drop = [] if difference.change == "missing" else [f"DROP TRIGGER {name} ON {table}"]
    return drop + ([wanted["definition"]] if wanted else [])


def _view(difference: Difference, wanted: Facts) -> list[str]:
    kind = "MATERIALIZED VIEW" if (wanted or difference.found).get("materialized") else "VIEW"
    drop = [] if difference.change == "missing" else [f"DROP {kind} {difference.name}"]
    return drop + ([f"CREATE {kind} {difference.name} AS {wanted['definition'].rstrip(';')}"] if wanted else [])


def _dropped(words: str) -> Callable[[Difference, Facts], list[str]]:
    """Only what is no longer wanted is left to do: the rest was made first."""

    def drop(difference: Difference, _: Facts) -> list[str]:
        return [f"DROP {words} {difference.name}"] if difference.change == "extra" else []

    return drop


def _nothing(_: Difference, __: Facts) -> list[str]:
    return []


_AFTER: dict[str, Callable[[Difference, Facts], list[str]]] = {
    "trigger": _trigger,
    "view": _view,
    "table": _table,
    "column": _column,
    "constraint": _constraint,
    "index": _index,
    "function": _dropped("FUNCTION"),
    "sequence": _dropped("SEQUENCE"),
    "enum": _dropped("TYPE"),
    "extension": _dropped("EXTENSION"),
    "schema": _nothing,
}
"""In the order of the statements: what hangs on a thing goes before it."""


def _grants(difference: Difference, wanted: Facts, found: Facts) -> list[str]:
    word = _GRANTABLE.get(difference.kind)
    if word is None or not wanted or (difference.change == "missing" and difference.kind != "function"):
        return []
    before: dict[str, list[str]] = found.get("grants", {})
    after: dict[str, list[str]] = wanted.get("grants", {})
    statements: list[str] = []
    for grantee in sorted(before.keys() | after.keys()):
        had, has = set(before.get(grantee, [])), set(after.get(grantee, []))
        if had - has:
            statements.append(f"REVOKE {', '.join(sorted(had - has))} ON {word} {difference.name} FROM {grantee}")
        if has - had:
            statements.append(f"GRANT {', '.join(sorted(has - had))} ON {word} {difference.name} TO {grantee}")
    return statements


def _comment(difference: Difference) -> list[str]:
    word = _COMMENTED.get(difference.kind)
    if (
        word is None
        or difference.change != "changed"
        or "comment" not in difference.expected.keys() | difference.found.keys()
    ):
        return []
    comment = difference.expected.get("comment")
    return [f"COMMENT ON {word} {difference.name} IS {_literal(comment) if comment else 'NULL'}"]


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

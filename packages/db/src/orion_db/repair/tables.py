"""Tables, their columns and defaults, and partitions."""

from collections.abc import Iterator

from orion_core.house import MONTHS_AHEAD
from orion_db.catalog import Key
from orion_db.catalog.partitions import expected_bound, parent_of
from orion_db.catalog.read import Facts
from orion_db.repair.access import column_grants, commented, owner_and_grants, wanted_columns
from orion_db.repair.statement import ByHand, Sides, Statement, Written, changed
from orion_db.roles import quoted

_IDENTITY = {"a": "ALWAYS", "d": "BY DEFAULT"}
_REPLICA_IDENTITY = {"d": "DEFAULT", "n": "NOTHING", "f": "FULL"}
_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}


def table(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """CREATE TABLE, or all that changes of a table in place."""
    if new.get("kind") == "foreign table":
        yield ByHand(*key, "a foreign table is made by hand: what its server needs is not in the catalog")
        return
    if old is None:
        yield from _create(key, new, sides)
    else:
        yield from _attach_or_detach(key, old, new)
        if changed(old, new, "persistence"):
            yield Statement(f"ALTER TABLE {new['sql']} SET {new['persistence'].upper()}")
    yield from options("TABLE", old, new)
    yield from _security(old, new)
    if (old is not None or new["replica identity"] != "d") and changed(old, new, "replica identity"):
        yield from _replica_identity(new)
    yield from owner_and_grants(key, old, new, sides)
    if old is None and is_cut_by_month(new):
        yield months(new["sql"])


def table_gone(key: Key, old: Facts, sides: Sides) -> Written:
    """DROP TABLE; a month that is irregular is set right instead."""
    parent, bound = sides.current.get(("table", parent_of(key[1]))), expected_bound(key[1])
    if parent is not None and is_cut_by_month(parent) and bound:
        yield from _month_that_is_irregular(key, old, parent, bound, sides)
        return
    if old.get("kind") == "foreign table":  # its rows are elsewhere
        yield Statement(f"DROP FOREIGN TABLE {old['sql']}")
        return
    yield Statement(f"DROP TABLE {old['sql']}", f"the table {key[1]} with its rows", lost=f"SELECT FROM {old['sql']}")


def column(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """ADD COLUMN, or what changes of it in place."""
    head = f"ALTER TABLE {new['on']}"
    if ("type", new["table"]) in sides.wanted:
        yield ByHand(*key, "attributes of a composite type are changed by hand: tables may use it")
        return
    if old is None:
        empty = new.get("not null") and not _default(key, sides) and not new.keys() & {"generated", "identity"}
        note = "Fails while the table has rows, as the column is NOT NULL without a default" if empty else ""
        yield Statement(f"{head} ADD COLUMN {_column(key, new, sides)}", note=note)
    else:
        yield from _change_column(f"{head} ALTER COLUMN {new['sql']}", old, new, sides)
    yield from column_details(old, new)


def column_details(old: Facts | None, new: Facts) -> Written:
    """What a column has besides type, default and NOT NULL."""
    head = f"ALTER TABLE {new['on']} ALTER COLUMN {new['sql']}"
    if changed(old, new, "storage"):
        yield Statement(f"{head} SET STORAGE {_STORAGE[new['stored as']]}")
    if changed(old, new, "compression"):
        yield Statement(f"{head} SET COMPRESSION {_COMPRESSION.get(new.get('compression', ''), 'default')}")
    if changed(old, new, "statistics"):
        yield Statement(f"{head} SET STATISTICS {new.get('statistics', -1)}")
    if changed(old, new, "options"):
        yield from _set_and_reset(head, (old or {}).get("options", []), new.get("options", []))
    yield from column_grants(old, new)
    yield from commented("COLUMN", f"{new['on']}.{new['sql']}", old, new)


def column_gone(key: Key, old: Facts, sides: Sides) -> Written:
    """DROP COLUMN."""
    if ("type", old["table"]) in sides.current:
        yield ByHand(*key, "attributes of a composite type are changed by hand: tables may use it")
        return
    drop = f"ALTER TABLE {old['on']} DROP COLUMN {old['sql']}"
    if "generated" in old:
        yield Statement(drop)
        return
    values = f"SELECT FROM {old['on']} WHERE {old['sql']} IS NOT NULL"
    yield Statement(drop, f"the values of {key[1]}", lost=values)


def default(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """SET DEFAULT."""
    yield Statement(f"ALTER TABLE {new['on']} ALTER COLUMN {new['sql']} SET DEFAULT {new['expression']}")


def default_gone(key: Key, old: Facts, sides: Sides) -> Written:
    """DROP DEFAULT."""
    yield Statement(f"ALTER TABLE {old['on']} ALTER COLUMN {old['sql']} DROP DEFAULT")


def retype(old: Facts, new: Facts) -> Statement:
    """The type's change, by way of text, which every type can be read from."""
    collation = f" COLLATE {_collation(new)}" if new.get("collation") else ""
    through = "text[]" if new["type"].endswith("[]") else "text"
    return Statement(
        f"ALTER TABLE {new['on']} ALTER COLUMN {new['sql']} TYPE {new['type']}{collation} "
        f"USING {new['sql']}::{through}::{new['type']}",
        note="Rewrites or checks the table; fails, and changes nothing, when a value does not fit",
    )


def options(words: str, old: Facts | None, new: Facts) -> Written:
    """SET and RESET of fillfactor, autovacuum_… and the like."""
    if changed(old, new, "options"):
        yield from _set_and_reset(f"ALTER {words} {new['sql']}", (old or {}).get("options", []), new.get("options", []))


def _set_and_reset(head: str, had: list[str], has: list[str]) -> Iterator[Statement]:
    names = {entry.partition("=")[0] for entry in has}
    gone = [name for entry in had if (name := entry.partition("=")[0]) not in names]
    if gone:
        yield Statement(f"{head} RESET ({', '.join(gone)})")
    if new := [entry for entry in has if entry not in had]:
        yield Statement(f"{head} SET ({', '.join(new)})")


def _create(key: Key, new: Facts, sides: Sides) -> Written:
    unlogged = "UNLOGGED " if new["persistence"] == "unlogged" else ""
    if new.get("bound"):
        split = f" PARTITION BY {new['partitioned by']}" if new.get("partitioned by") else ""
        yield Statement(f"CREATE {unlogged}TABLE {new['sql']} PARTITION OF {new['parent'][0]} {new['bound']}{split}")
        return
    columns = sides.columns.get(key[1], [])
    inside = ",\n".join(f"  {_column(column, facts, sides)}" for column, facts in columns)
    inherits = f" INHERITS ({', '.join(new['parent'])})" if new.get("parent") else ""
    split = f" PARTITION BY {new['partitioned by']}" if new.get("partitioned by") else ""
    yield Statement(f"CREATE {unlogged}TABLE {new['sql']} (\n{inside}\n){inherits}{split}")
    for _, facts in columns:
        yield from column_details(None, facts)


def _column(key: Key, facts: Facts, sides: Sides) -> str:
    words = [facts["sql"], facts["type"]]
    if facts.get("collation"):
        words.append(f"COLLATE {_collation(facts)}")
    if facts.get("generated"):
        kind, _, expression = facts["generated"].partition(" ")
        words.append(f"GENERATED ALWAYS AS ({expression}) {'STORED' if kind == 's' else 'VIRTUAL'}")
    if facts.get("identity"):
        words.append(_identity(facts, sides))
    if expression := _default(key, sides):
        words.append(f"DEFAULT {expression}")
    if facts.get("not null"):
        words.append("NOT NULL")
    return " ".join(words)


def _default(key: Key, sides: Sides) -> str:
    return str(sides.wanted.get(("default", key[1]), {}).get("expression", ""))


def _identity(facts: Facts, sides: Sides) -> str:
    sequence = next(
        (
            f"SEQUENCE NAME {entry['sql']} START {entry['start']} INCREMENT {entry['increment']} "
            f"MINVALUE {entry['minimum']} MAXVALUE {entry['maximum']} CACHE {entry['cache']}"
            + (" CYCLE" if entry["cycles"] else "")
            for (kind, _), entry in sides.wanted.items()
            if kind == "sequence" and str(entry.get("owned by", "")) == f"{facts['on']}.{facts['sql']}"
        ),
        "",
    )
    return f"GENERATED {_IDENTITY[facts['identity']]} AS IDENTITY{f' ({sequence})' if sequence else ''}"


def _collation(facts: Facts) -> str:
    return '"' + facts["collation"].replace('"', '""') + '"'


def _change_column(head: str, old: Facts, new: Facts, sides: Sides) -> Written:
    if changed(old, new, "generated"):
        yield Statement(f"{head} DROP EXPRESSION")
    if changed(old, new, "type", "collation"):
        yield retype(old, new)
    if changed(old, new, "identity") and old.get("identity"):
        yield Statement(f"{head} DROP IDENTITY")
    if changed(old, new, "not null"):
        fails = "Fails, and changes nothing, while a row has NULL there" if new["not null"] else ""
        yield Statement(f"{head} {'SET' if new['not null'] else 'DROP'} NOT NULL", note=fails)
    if changed(old, new, "identity") and new.get("identity"):
        yield Statement(f"{head} ADD {_identity(new, sides)}")


def _attach_or_detach(key: Key, old: Facts, new: Facts) -> Written:
    if not changed(old, new, "parent", "bound"):
        return
    if old.get("bound"):
        yield Statement(f"ALTER TABLE {old['parent'][0]} DETACH PARTITION {old['sql']}")
    elif old.get("parent"):
        yield from (Statement(f"ALTER TABLE {old['sql']} NO INHERIT {parent}") for parent in old["parent"])
    if new.get("bound"):
        yield Statement(f"ALTER TABLE {new['parent'][0]} ATTACH PARTITION {new['sql']} {new['bound']}")
    elif new.get("parent"):
        yield from (Statement(f"ALTER TABLE {new['sql']} INHERIT {parent}") for parent in new["parent"])


def _month_that_is_irregular(key: Key, old: Facts, parent: Facts, bound: str, sides: Sides) -> Written:
    """A month that is not as ensure_partitions makes it: set right where that is possible, else made anew."""
    name, whole = old["sql"], parent["sql"]
    if old.get("bound") and old["bound"] != bound:
        yield from _replaced_month(name, parent, bound, wanted_columns(sides.current, parent_of(key[1])))
        return
    if not old.get("bound"):
        yield Statement(f"ALTER TABLE {whole} ATTACH PARTITION {name} {bound}")
    regular = {**old, "owner": parent["owner"], "persistence": parent["persistence"], "replica identity": "d"}
    regular |= {"grants": {parent["owner"]: old["grants"].get(old["owner"], [])}, "options": []}
    regular = {fact: value for fact, value in regular.items() if fact not in ("row security", "comment")}
    if changed(old, regular, "persistence"):
        yield Statement(f"ALTER TABLE {name} SET {regular['persistence'].upper()}")
    yield from options("TABLE", {"options": [], **old}, regular)
    yield from _security(old, regular)
    if changed(old, regular, "replica identity"):
        yield from _replica_identity(regular)
    yield from owner_and_grants(key, old, regular, sides)


def _replaced_month(name: str, parent: Facts, bound: str, columns: list[tuple[Key, Facts]]) -> Written:
    """The month with its proper bound, and the rows of the other where they belong: in it, or in another partition."""
    shelf = f"{name}_misplaced" if not name.endswith('"') else f'{name[:-1]}_misplaced"'
    names = ", ".join(facts["sql"] for _, facts in columns if "generated" not in facts)
    moved = f"INSERT INTO {parent['sql']} ({names}) SELECT {names} FROM {shelf}"  # noqa: S608 - quoted by PostgreSQL
    yield Statement(f"ALTER TABLE {parent['sql']} DETACH PARTITION {name}")
    yield Statement(f"ALTER TABLE {name} RENAME TO {shelf.rpartition('.')[2]}")
    yield Statement(f"CREATE TABLE {name} PARTITION OF {parent['sql']} {bound}")
    yield Statement(f"ALTER TABLE {name} OWNER TO {quoted(parent['owner'])}")
    yield Statement(moved, note="Its rows go where they belong; triggers of INSERT fire for each")
    yield Statement(f"DROP TABLE {shelf}")


def _security(old: Facts | None, new: Facts) -> Written:
    had, has = (old or {}).get("row security"), new.get("row security")
    if had == has:
        return
    if not had or not has:
        yield Statement(f"ALTER TABLE {new['sql']} {'ENABLE' if has else 'DISABLE'} ROW LEVEL SECURITY")
    if "forced" in (had, has):
        yield Statement(f"ALTER TABLE {new['sql']} {'FORCE' if has == 'forced' else 'NO FORCE'} ROW LEVEL SECURITY")


def _replica_identity(new: Facts) -> Written:
    how = _REPLICA_IDENTITY.get(new["replica identity"])
    if how:  # "i": said by the index
        yield Statement(f"ALTER TABLE {new['sql']} REPLICA IDENTITY {how}")


def is_cut_by_month(table: Facts) -> bool:
    """Whether ensure_partitions makes its partitions: by its UUIDv7 key, which tells the time."""
    return table.get("partitioned by") == "RANGE (id)"


def months(table_name: str) -> Statement:
    """What makes the months of a table that are missing. `table_name` is its name as SQL."""
    name = table_name.replace("'", "''")
    return Statement(f"SELECT public.ensure_partitions('{name}', {MONTHS_AHEAD})")

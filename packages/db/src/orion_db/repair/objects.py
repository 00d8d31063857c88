"""What stands by itself: schemas, extensions, types, sequences, functions, views and the rarer kinds."""

from orion_db.catalog import Key
from orion_db.catalog.read import Facts
from orion_db.repair.access import owner_and_grants, word
from orion_db.repair.statement import ByHand, Sides, Statement, Written, changed, literal
from orion_db.repair.tables import column, options, retype

_ENABLED = {"O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


def gone(key: Key, old: Facts, sides: Sides) -> Written:
    """DROP, where the kind needs no more than that."""
    kind, name = key
    rows = f"the rows of {name}" if old.get("materialized") else ""
    yield Statement(f"DROP {word(kind, old)} {old['sql']}", rows)


def database(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """The database's owner and grants."""
    yield from owner_and_grants(key, old, new, sides)


def schema(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """CREATE SCHEMA."""
    if old is None:
        yield Statement(f"CREATE SCHEMA {new['sql']}")
    yield from owner_and_grants(key, old, new, sides)


def extension(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """CREATE EXTENSION, or another schema or version of it.

    A migration runs on servers that have other versions, and where an administrator may have made it already.
    """
    if old is None and sides.database:
        yield Statement(f"CREATE EXTENSION {new['sql']} SCHEMA {new['schema']} VERSION {literal(new['version'])}")
        return
    if old is None:
        yield Statement(f"CREATE EXTENSION IF NOT EXISTS {new['sql']} SCHEMA {new['schema']}")
        return
    if changed(old, new, "schema"):
        yield Statement(f"ALTER EXTENSION {new['sql']} SET SCHEMA {new['schema']}")
    if changed(old, new, "version"):
        yield Statement(f"ALTER EXTENSION {new['sql']} UPDATE TO {literal(new['version'])}")


def enum(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """CREATE TYPE … AS ENUM, labels added, or the type made anew under its name."""
    name: str = new["sql"]
    labels: list[str] = new.get("labels", [])
    all_labels = ", ".join(literal(label).strip() for label in labels)
    if old is None:
        yield Statement(f"CREATE TYPE {name} AS ENUM ({all_labels})")
    elif [label for label in labels if label in old["labels"]] == old["labels"]:
        for position, label in enumerate(labels):
            if label not in old["labels"]:
                place = f"AFTER {literal(labels[position - 1])}" if position else f"BEFORE {literal(labels[1])}"
                yield Statement(
                    f"ALTER TYPE {name} ADD VALUE IF NOT EXISTS {literal(label)} {place}", alone="committed"
                )
    else:
        yield from _rebuilt(key, new, all_labels, sides)
        old = None
    yield from owner_and_grants(key, old, new, sides)


def domain(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """Domains and composite types."""
    if new["kind"] == "range":
        yield ByHand(*key, "a range type is made by hand: what it is made of is not in the catalog that we read")
        return
    if old is None:
        yield Statement(_created(key, new, sides))
    elif new["kind"] == "domain":
        yield from _domain_changes(old, new)
    yield from owner_and_grants(key, old, new, sides)


def sequence(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """CREATE or ALTER SEQUENCE; that of an identity column comes with its column."""
    facts = (
        f"AS {new['type']} INCREMENT {new['increment']} MINVALUE {new['minimum']} MAXVALUE {new['maximum']} "
        f"START {new['start']} CACHE {new['cache']} {'CYCLE' if new['cycles'] else 'NO CYCLE'}"
    )
    if "owned by" in new:  # of an identity column: it comes with it, and has its table's owner
        if old and changed(old, new, "type", "increment", "minimum", "maximum", "start", "cache", "cycles"):
            yield Statement(f"ALTER SEQUENCE {new['sql']} {facts}")
        return
    if old is None:
        yield Statement(f"CREATE SEQUENCE {new['sql']} {facts}")
    elif changed(old, new, "type", "increment", "minimum", "maximum", "start", "cache", "cycles"):
        yield Statement(f"ALTER SEQUENCE {new['sql']} {facts}")
    yield from owner_and_grants(key, old, new, sides)


def sequence_gone(key: Key, old: Facts, sides: Sides) -> Written:
    """DROP SEQUENCE."""
    if "owned by" not in old:
        yield Statement(f"DROP SEQUENCE {old['sql']}", f"where the sequence {key[1]} has come to")


def sequence_owner(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """ALTER SEQUENCE … OWNED BY."""
    yield Statement(f"ALTER SEQUENCE {new['sql']} OWNED BY {new['owner']}")


def sequence_owner_gone(key: Key, old: Facts, sides: Sides) -> Written:
    """The same with NONE, so that the sequence does not go with the column."""
    yield Statement(f"ALTER SEQUENCE {old['sql']} OWNED BY NONE")


def function(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """CREATE OR REPLACE FUNCTION or PROCEDURE, as it was typed."""
    if new["definition"].startswith("aggregate "):
        if old is None or changed(old, new, "definition"):
            yield ByHand(*key, "an aggregate is made by hand: PostgreSQL does not tell its definition")
        return
    if old is None or changed(old, new, "definition"):
        yield Statement(new["source"])
    yield from owner_and_grants(key, old, new, sides)


def view(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """CREATE [MATERIALIZED] VIEW; one with another query is made anew."""
    if old is None:
        with_ = f" WITH ({', '.join(new['options'])})" if new.get("options") else ""
        yield Statement(f"CREATE {word('view', new)} {new['sql']}{with_} AS\n{new['definition'].rstrip(';')}")
    else:
        yield from options(word("view", new), old, new)
    yield from owner_and_grants(key, old, new, sides)


def statistics(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """CREATE STATISTICS."""
    if old is None:
        yield Statement(new["definition"])
    if changed(old, new, "target"):
        yield Statement(f"ALTER STATISTICS {new['sql']} SET STATISTICS {new.get('target', -1)}")
    yield from owner_and_grants(key, old, new, sides)


def event_trigger(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """CREATE EVENT TRIGGER, and whether it fires."""
    if old is None:
        tags = f" WHEN TAG IN ({', '.join(map(literal, new['tags']))})" if new.get("tags") else ""
        routine = new["function"] if new["function"].endswith(")") else f"{new['function']}()"
        yield Statement(f"CREATE EVENT TRIGGER {new['sql']} ON {new['event']}{tags} EXECUTE FUNCTION {routine}")
    if (old or {}).get("enabled", "O") != new["enabled"]:
        yield Statement(f"ALTER EVENT TRIGGER {new['sql']} {_ENABLED[new['enabled']]}")
    yield from owner_and_grants(key, old, new, sides)


def by_hand(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """Kinds of which we read too little to write them."""
    yield ByHand(*key, "things of this kind are made by hand; only those that are too many are dropped")


def _rebuilt(key: Key, new: Facts, labels: str, sides: Sides) -> Written:
    """The type anew under its name: a label that goes or moves is something that PostgreSQL has no statement for."""
    name = new["sql"]
    before = f"{key[1].rpartition('.')[2]}_before"
    qualified = f'{name.rpartition(".")[0]}."{before}"'
    yield Statement(f'ALTER TYPE {name} RENAME TO "{before}"')
    yield Statement(f"CREATE TYPE {name} AS ENUM ({labels})")
    for column_key, facts in sorted(sides.current.items()):
        wanted = sides.wanted.get(column_key)
        is_plain = column_key[0] == "column" and "generated" not in facts
        if is_plain and wanted and key in facts["needs"] and key in wanted["needs"]:
            yield retype(facts, wanted)
            yield from column(column_key, {**facts, "type": wanted["type"]}, wanted, sides)
    yield Statement(f"DROP TYPE {qualified}")


def _created(key: Key, new: Facts, sides: Sides) -> str:
    if new["kind"] == "composite":
        attributes = (f"{facts['sql']} {facts['type']}" for _, facts in sides.columns.get(key[1], []))
        return f"CREATE TYPE {new['sql']} AS ({', '.join(attributes)})"
    default = f" DEFAULT {new['default']}" if new.get("default") else ""
    not_null = " NOT NULL" if new["not null"] else ""
    checks = (f" CONSTRAINT {name} {text}" for name, text in _checks(new).items())
    return f"CREATE DOMAIN {new['sql']} AS {new['base']}{default}{not_null}{''.join(checks)}"


def _domain_changes(old: Facts, new: Facts) -> Written:
    head = f"ALTER DOMAIN {new['sql']}"
    if changed(old, new, "default"):
        yield Statement(f"{head} SET DEFAULT {new['default']}" if new.get("default") else f"{head} DROP DEFAULT")
    if changed(old, new, "not null"):
        yield Statement(f"{head} {'SET' if new['not null'] else 'DROP'} NOT NULL")
    had, has = _checks(old), _checks(new)
    for name in sorted(had.keys() | has.keys()):
        if had.get(name) != has.get(name):
            if name in had:
                yield Statement(f"{head} DROP CONSTRAINT {name}")
            if name in has:
                yield Statement(f"{head} ADD CONSTRAINT {name} {has[name]}")


def _checks(facts: Facts) -> dict[str, str]:
    """The domain's checks by name as SQL; PostgreSQL 17 on tells NOT NULL among them, which stands by itself."""
    checks: dict[str, str] = facts.get("checks") or {}
    return {f'"{name}"': text for name, text in checks.items() if text.startswith("CHECK")}

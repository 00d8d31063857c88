"""What belongs to a table: constraints, indexes, triggers, rules, policies."""

from orion_db.catalog import Key
from orion_db.catalog.read import Facts
from orion_db.repair.access import commented
from orion_db.repair.statement import Sides, Statement, Written, changed
from orion_db.roles import quoted

_ENABLED = {"O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
_COMMANDS = {"*": "ALL", "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}


def constraint(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """ADD or VALIDATE CONSTRAINT."""
    head = f"ALTER TABLE {new['on']}"
    if old is None:
        checks = new["definition"].startswith(("FOREIGN KEY", "CHECK", "UNIQUE", "PRIMARY KEY", "EXCLUDE"))
        note = "Fails, and changes nothing, while a row breaks it" if checks else ""
        yield Statement(f"{head} ADD CONSTRAINT {new['sql']} {new['definition']}", note=note)
    elif changed(old, new, "validated"):
        yield Statement(f"{head} VALIDATE CONSTRAINT {new['sql']}", note="Fails while a row breaks it")
    yield from _as_index(new["sql"], old, new, "index ")
    yield from commented("CONSTRAINT", f"{new['sql']} ON {new['on']}", old, new)


def constraint_gone(key: Key, old: Facts, sides: Sides) -> Written:
    """DROP CONSTRAINT, and so its index."""
    yield Statement(f"ALTER TABLE {old['on']} DROP CONSTRAINT {old['sql']}")


def index(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """CREATE INDEX, and the marks that ALTER TABLE gives it."""
    if old is None:
        definition: str = new["definition"]
        if " ON ONLY " in definition:  # of a partitioned table: with ONLY it would wait for the partitions' own
            yield Statement(definition.replace(" ON ONLY ", " ON ", 1))
        elif sides.concurrently and ("table", new["table"]) in sides.current:
            yield Statement(definition.replace("INDEX ", "INDEX CONCURRENTLY ", 1), alone="outside")
        else:
            yield Statement(definition)
    yield from _as_index(new["sql"], old, new, "")
    yield from commented("INDEX", new["whole"], old, new)


def index_gone(key: Key, old: Facts, sides: Sides) -> Written:
    """DROP INDEX."""
    outside = sides.concurrently and " ON ONLY " not in old["definition"]
    yield Statement(f"DROP INDEX {'CONCURRENTLY ' * outside}{old['whole']}", alone="outside" if outside else "")


def trigger(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """CREATE TRIGGER, and whether it fires."""
    if old is None:
        yield Statement(new["definition"])
    if (old or {}).get("enabled", "O") != new["enabled"]:
        yield Statement(f"ALTER TABLE {new['on']} {_ENABLED[new['enabled']]} TRIGGER {new['sql']}")
    yield from commented("TRIGGER", f"{new['sql']} ON {new['on']}", old, new)


def trigger_gone(key: Key, old: Facts, sides: Sides) -> Written:
    """DROP TRIGGER."""
    yield Statement(f"DROP TRIGGER {old['sql']} ON {old['on']}")


def rule(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """CREATE RULE, and whether it applies."""
    if old is None:
        yield Statement(new["definition"].rstrip(";"))
    if (old or {}).get("enabled", "O") != new["enabled"]:
        yield Statement(f"ALTER TABLE {new['on']} {_ENABLED[new['enabled']]} RULE {new['sql']}")


def rule_gone(key: Key, old: Facts, sides: Sides) -> Written:
    """DROP RULE."""
    yield Statement(f"DROP RULE {old['sql']} ON {old['on']}")


def policy(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """CREATE POLICY; a changed one is made anew."""
    kind = "PERMISSIVE" if new["permissive"] else "RESTRICTIVE"
    roles = ", ".join(role if role == "PUBLIC" else quoted(role) for role in new["roles"])
    using = f" USING ({new['using']})" if new.get("using") else ""
    check = f" WITH CHECK ({new['check']})" if new.get("check") else ""
    command = _COMMANDS[new["command"]]
    yield Statement(f"CREATE POLICY {new['sql']} ON {new['on']} AS {kind} FOR {command} TO {roles}{using}{check}")


def policy_gone(key: Key, old: Facts, sides: Sides) -> Written:
    """DROP POLICY."""
    yield Statement(f"DROP POLICY {old['sql']} ON {old['on']}")


def _as_index(name: str, old: Facts | None, new: Facts, prefix: str) -> Written:
    """What only an index has; that of a constraint has the constraint's name."""
    before = {fact: (old or {}).get(prefix + fact, False) for fact in ("clustered", "replica identity")}
    if before["clustered"] != new.get(f"{prefix}clustered", False):
        how = f"CLUSTER ON {name}" if new[f"{prefix}clustered"] else "SET WITHOUT CLUSTER"
        yield Statement(f"ALTER TABLE {new['on']} {how}")
    if not before["replica identity"] and new.get(f"{prefix}replica identity"):
        yield Statement(f"ALTER TABLE {new['on']} REPLICA IDENTITY USING INDEX {name}")

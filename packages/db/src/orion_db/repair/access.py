"""Owners, grants, comments, and what the whole database has: settings and default grants."""

from collections.abc import Iterator

from orion_db.catalog import Catalog, Key
from orion_db.catalog.read import Facts
from orion_db.repair.statement import Sides, Statement, Written, changed, literal
from orion_db.roles import quoted

_GRANTED_AS = {
    "table": "TABLE",
    "view": "TABLE",
    "sequence": "SEQUENCE",
    "function": "ROUTINE",
    "enum": "TYPE",
    "type": "TYPE",
    "schema": "SCHEMA",
    "database": "DATABASE",
}
_BY_DEFAULT = {"function": ["EXECUTE"], "enum": ["USAGE"], "type": ["USAGE"]}
"""What PUBLIC has of a new object (PostgreSQL documentation, table 5.2)."""

_ROWS = frozenset({"DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"})
_ALL: dict[str, frozenset[str]] = {
    "table": _ROWS,
    "view": _ROWS,
    "sequence": frozenset({"SELECT", "UPDATE", "USAGE"}),
    "function": frozenset({"EXECUTE"}),
    "enum": frozenset({"USAGE"}),
    "type": frozenset({"USAGE"}),
    "schema": frozenset({"CREATE", "USAGE"}),
    "database": frozenset({"CONNECT", "CREATE", "TEMPORARY"}),
}
"""What an owner has at least; MAINTAIN came with PostgreSQL 17."""

_DEFAULTED = {"r": "TABLES", "S": "SEQUENCES", "f": "ROUTINES", "T": "TYPES", "n": "SCHEMAS", "L": "LARGE OBJECTS"}

_LISTS = frozenset(
    {
        "search_path",
        "session_preload_libraries",
        "local_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
"""Settings whose value is a list of names, quoted already where they need it."""


def word(kind: str, facts: Facts) -> str:
    """How ALTER, DROP and COMMENT call the kind."""
    if kind == "view":
        return "MATERIALIZED VIEW" if facts.get("materialized") else "VIEW"
    if kind == "table":
        return "FOREIGN TABLE" if facts.get("kind") == "foreign table" else "TABLE"
    return {"function": "ROUTINE", "enum": "TYPE"}.get(kind, kind.upper())


def owner_and_grants(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """ALTER … OWNER, GRANT and REVOKE; then COMMENT."""
    kind, _ = key
    name = _object(kind, new, sides)
    owner = new.get("owner", "")
    had = (old or {}).get("owner", sides.runner)
    if owner and had != owner:
        yield from _for_database(kind, f"ALTER {word(kind, new)} {name} OWNER TO {quoted(owner)}", sides)
    if kind in _GRANTED_AS and (old is None or changed(old, new, "grants", "owner")):
        yield from _granted(kind, name, old, new, sides)
        yield from _columns_again(key, old, new, sides)
    yield from commented(word(kind, new), name, old, new)


def commented(words: str, name: str, old: Facts | None, new: Facts) -> Written:
    """COMMENT ON, where the comment differs."""
    if changed(old, new, "comment"):
        comment = new.get("comment")
        yield Statement(f"COMMENT ON {words} {name} IS {literal(comment) if comment else 'NULL'}")


def column_grants(old: Facts | None, new: Facts) -> Written:
    """GRANT SELECT (column) ON table."""
    if changed(old, new, "grants"):
        had: dict[str, list[str]] = (old or {}).get("grants") or {}
        has: dict[str, list[str]] = new.get("grants") or {}
        yield from map(Statement, _between(had, has, f" ({new['sql']})", f"ON TABLE {new['on']}"))


def setting(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """ALTER DATABASE (or ROLE … IN DATABASE) … SET."""
    value = new["value"] if new["sql"] in _LISTS else literal(new["value"])
    yield from _for_database("setting", f"{_setting_of(new, sides)} SET {new['sql']} TO {value}", sides)


def setting_gone(key: Key, old: Facts, sides: Sides) -> Written:
    """The same with RESET."""
    yield from _for_database("setting", f"{_setting_of(old, sides)} RESET {old['sql']}", sides)


def default_grants(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """ALTER DEFAULT PRIVILEGES, from what they are, or from what they are when nobody has set any."""
    had = old["grants"] if old else _of_nothing(new)
    yield from map(Statement, _defaults(new, had, new["grants"]))


def default_grants_gone(key: Key, old: Facts, sides: Sides) -> Written:
    """Back to what they are when nobody has set any."""
    yield from map(Statement, _defaults(old, old["grants"], _of_nothing(old)))


def _object(kind: str, facts: Facts, sides: Sides) -> str:
    return _database(sides) if kind == "database" else facts["sql"]


def _database(sides: Sides) -> str:
    return sides.database or "%I"


def _for_database(kind: str, sql: str, sides: Sides) -> Written:
    """The statement; in a migration, which runs in databases of several names, one that asks for the name."""
    if kind not in ("database", "setting") or sides.database:
        yield Statement(sql)
        return
    yield Statement(
        f"DO $do$ BEGIN EXECUTE format({literal(sql.replace('%', '%%').replace('%%I', '%I', 1))}, current_database()); "
        "END $do$"
    )


def _setting_of(facts: Facts, sides: Sides) -> str:
    role = facts.get("role")
    return f"ALTER ROLE {quoted(role)} IN DATABASE {_database(sides)}" if role else f"ALTER DATABASE {_database(sides)}"


def _granted(kind: str, name: str, old: Facts | None, new: Facts, sides: Sides) -> Written:
    owner, has = new["owner"], new.get("grants", {})
    on = f"ON {_GRANTED_AS[kind]} {name}"
    had = _grants_before(kind, old, new)
    if old is None and {entry.rstrip("*") for entry in has.get(owner, [])} < _ALL[kind]:
        yield from _for_database(kind, f"REVOKE ALL {on} FROM {quoted(owner)}", sides)
        had[owner] = []
    for statement in _between(had, has, "", on):
        yield from _for_database(kind, statement, sides)


def _grants_before(kind: str, old: Facts | None, new: Facts) -> dict[str, list[str]]:
    """The grants at the time when the object has its owner: an owner's own go over to the next one."""
    owner: str = new["owner"]
    if old is None:
        return {owner: new.get("grants", {}).get(owner, []), **({"PUBLIC": p} if (p := _BY_DEFAULT.get(kind)) else {})}
    had: dict[str, list[str]] = dict(old.get("grants", {}))
    if old["owner"] != owner:
        had[owner] = sorted({*had.pop(old["owner"], []), *had.get(owner, [])})
    return had


def _columns_again(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """REVOKE on a table takes the same privilege on its columns too; those that are wanted are given again."""
    if key[0] != "table" or old is None:
        return
    had, has = _grants_before("table", old, new), new.get("grants", {})
    losers = {grantee for grantee, privileges in had.items() if set(privileges) - set(has.get(grantee, []))}
    for _, facts in sides.columns.get(key[1], []) if losers else []:
        wanted: dict[str, list[str]] = facts.get("grants") or {}
        again = {who: what for who, what in wanted.items() if who in losers}
        yield from map(Statement, _between({}, again, f" ({facts['sql']})", f"ON TABLE {facts['on']}"))


def _between(had: dict[str, list[str]], has: dict[str, list[str]], column: str, on: str) -> Iterator[str]:
    for grantee in sorted(had.keys() | has.keys()):
        before, after = _options(had.get(grantee, [])), _options(has.get(grantee, []))
        who = "PUBLIC" if grantee == "PUBLIC" else quoted(grantee)
        lost = [privilege for privilege in before if privilege not in after]
        narrowed = [privilege for privilege, option in after.items() if before.get(privilege) and not option]
        given = [p for p, option in after.items() if not option and p not in before]
        widened = [p for p, option in after.items() if option and not before.get(p)]
        if lost:
            cascade = " CASCADE" if any(before[privilege] for privilege in lost) else ""
            yield f"REVOKE {_listed(lost, column)} {on} FROM {who}{cascade}"
        if narrowed:
            yield f"REVOKE GRANT OPTION FOR {_listed(narrowed, column)} {on} FROM {who} CASCADE"
        if given:
            yield f"GRANT {_listed(given, column)} {on} TO {who}"
        if widened:
            yield f"GRANT {_listed(widened, column)} {on} TO {who} WITH GRANT OPTION"


def _options(privileges: list[str]) -> dict[str, bool]:
    """Each privilege, and whether it may be passed on."""
    return {privilege.rstrip("*"): privilege.endswith("*") for privilege in privileges}


def _listed(privileges: list[str], column: str) -> str:
    return ", ".join(privilege + column for privilege in privileges)


def _defaults(facts: Facts, had: dict[str, list[str]], has: dict[str, list[str]]) -> Iterator[str]:
    schema = f" IN SCHEMA {facts['schema']}" if facts.get("schema") else ""
    head = f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(facts['role'])}{schema}"
    for statement in _between(had, has, "", f"ON {_DEFAULTED[facts['objects']]}"):
        yield f"{head} {statement}"


def _of_nothing(facts: Facts) -> dict[str, list[str]]:
    """Default grants where nobody has set any. Those of a schema only add to them."""
    if facts.get("schema"):
        return {}
    kind = {"r": "table", "S": "sequence", "f": "function", "T": "type", "n": "schema"}.get(facts["objects"], "")
    owner: list[str] = facts["grants"].get(facts["role"]) or sorted(_ALL.get(kind, ()))
    return {facts["role"]: owner, **({"PUBLIC": p} if (p := _BY_DEFAULT.get(kind)) else {})}


def wanted_columns(catalog: Catalog, table: str) -> list[tuple[Key, Facts]]:
    """The columns of a table in their order."""
    columns = [(key, facts) for key, facts in catalog.items() if key[0] == "column" and facts["table"] == table]
    return sorted(columns, key=lambda column: column[1].get("number", 0))

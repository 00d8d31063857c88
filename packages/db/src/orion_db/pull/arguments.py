"""Constraints and indexes as arguments of a model's `__table_args__`; those that are not understood are left to SQL."""

import re

from orion_db.catalog import Catalog
from orion_db.catalog.read import Facts
from orion_db.pull.code import split, sql_text, string

_LIMIT = 63
_NAME = r'(?:[a-z_][a-z0-9_$]*|"(?:[^"]|"")+")'
_LIST = rf"\(({_NAME}(?:, {_NAME})*)\)"
_KEY = re.compile(rf"(?P<kind>PRIMARY KEY|UNIQUE)(?P<nulls> NULLS NOT DISTINCT)? {_LIST}(?P<defer> DEFERRABLE)?")
_FOREIGN = re.compile(
    rf"FOREIGN KEY {_LIST} REFERENCES (?:public\.)?(?P<table>{_NAME}){_LIST}"
    r"(?: ON UPDATE (?P<update>CASCADE|RESTRICT|SET NULL|SET DEFAULT))?"
    r"(?: ON DELETE (?P<delete>CASCADE|RESTRICT|SET NULL|SET DEFAULT))?"
    r"(?P<defer> DEFERRABLE(?P<late> INITIALLY DEFERRED)?)?"
)
_CHECK = re.compile(r"CHECK \((?P<condition>.*)\)", re.DOTALL)
_INDEX = re.compile(
    rf"CREATE (?P<unique>UNIQUE )?INDEX {_NAME} ON (?:ONLY )?\S+ USING (?P<method>\w+) \((?P<keys>.*?)\)"
    rf"(?: INCLUDE {_LIST})?(?P<nulls> NULLS NOT DISTINCT)?(?: WHERE (?P<where>.*))?",
    re.DOTALL,
)


def key_columns(table: str, catalog: Catalog) -> list[str]:
    """Columns of the primary key, when a model says it by its columns: it has the conventional name."""
    facts = catalog.get(("constraint", f"{table}.pk_{table}"))
    match = _KEY.fullmatch(facts["definition"]) if facts else None
    return _names(match[3]) if match and match["kind"] == "PRIMARY KEY" and not match["defer"] else []


def table_arguments(table: str, catalog: Catalog, key: list[str]) -> list[str]:
    """The constraints and indexes, each as Python."""
    found: list[str] = []
    for (kind, name), facts in sorted(catalog.items()):
        if facts.get("table") != table or (kind == "index" and "constraint" in facts):
            continue
        own = name.removeprefix(f"{table}.")
        if kind == "constraint" and (written := _constraint(table, own, facts, key)):
            found.append(written)
        elif kind == "index" and (index := _index(table, facts["sql"], facts["definition"])):
            found.append(index)
    return sorted(found, key=lambda argument: _ORDER.index(argument.partition("(")[0]))


_ORDER = ("PrimaryKeyConstraint", "ForeignKeyConstraint", "CheckConstraint", "UniqueConstraint", "Index")


def _constraint(table: str, name: str, facts: Facts, key: list[str]) -> str:
    definition: str = facts["definition"]
    if match := _KEY.fullmatch(definition):
        columns = _names(match[3])
        primary = match["kind"] == "PRIMARY KEY"
        if (primary and len(key) == 1 and columns == key) or match["defer"]:
            return ""
        conventional = f"pk_{table}" if primary else f"uq_{table}_{'_'.join(columns)}"
        words = [*map(string, columns), *_named(name, conventional)]
        words += ["postgresql_nulls_not_distinct=True"] if match["nulls"] else []
        return f"{'PrimaryKeyConstraint' if primary else 'UniqueConstraint'}({', '.join(words)})"
    if match := _FOREIGN.fullmatch(definition):
        columns, referred = _names(match[1]), [f"{_bare(match['table'])}.{column}" for column in _names(match[3])]
        words = [_list(columns), _list(referred), *_named(name, f"fk_{table}_{'_'.join(columns)}")]
        words += [f"on{verb}={string(match[verb])}" for verb in ("update", "delete") if match[verb]]
        words += ["deferrable=True"] if match["defer"] else []
        words += ['initially="DEFERRED"'] if match["late"] else []
        return f"ForeignKeyConstraint({', '.join(words)})"
    if match := _CHECK.fullmatch(definition):
        short = name.removeprefix(f"ck_{table}_")
        named = f"name={string(short)}" if short != name and len(name) <= _LIMIT else f"name=conv({string(name)})"
        return f"CheckConstraint({sql_text(_unwrapped(match['condition']))}, {named})"
    return ""


def _index(table: str, name: str, definition: str) -> str:
    match = _INDEX.fullmatch(definition)
    if match is None or not _balanced(match["keys"]):
        return ""
    keys = split(match["keys"])
    plain = [_bare(key) for key in keys if re.fullmatch(_NAME, key)]
    conventional = f"ix_{table}_{'_'.join(plain)}" if len(plain) == len(keys) else ""
    own = _bare(name)
    words = ["None" if own == conventional and len(own) <= _LIMIT else string(own)]
    words += [string(_bare(key)) if re.fullmatch(_NAME, key) else f"text({sql_text(key)})" for key in keys]
    words += ["unique=True"] if match["unique"] else []
    words += [f"postgresql_using={string(match['method'])}"] if match["method"] != "btree" else []
    words += [f"postgresql_include={_list(_names(match[4]))}"] if match[4] else []
    words += ["postgresql_nulls_not_distinct=True"] if match["nulls"] else []
    words += [f"postgresql_where=text({sql_text(_unwrapped(match['where']))})"] if match["where"] else []
    return f"Index({', '.join(words)})"


def _named(name: str, conventional: str) -> list[str]:
    return [] if name == conventional and len(name) <= _LIMIT else [f"name=conv({string(name)})"]


def _names(words: str) -> list[str]:
    return [_bare(name) for name in split(words)]


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _list(names: list[str]) -> str:
    return f"[{', '.join(map(string, names))}]"


def _balanced(words: str) -> bool:
    return words.count("(") == words.count(")")


def _unwrapped(condition: str) -> str:
    """Without the parentheses around all of it."""
    if not (condition.startswith("(") and condition.endswith(")")):
        return condition
    depth = 0
    for position, letter in enumerate(re.sub(r"'(?:[^']|'')*'", lambda found: "x" * len(found[0]), condition)):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and position < len(condition) - 1:
            return condition
    return condition[1:-1]

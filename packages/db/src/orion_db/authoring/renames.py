"""What was renamed rather than dropped and added: found by likeness, decided by a person, written as a rename.

From two catalogs alone nobody can tell a renamed column from a dropped and an added one, and the wrong guess deletes
data. So a likeness is only asked about. Names of indexes and constraints carry no data: equal ones are renamed unasked.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from orion_db.authoring.code import executed
from orion_db.catalog import Catalog, Difference, compare
from orion_db.catalog.read import Facts
from orion_db.errors import Exit, Problem
from orion_db.roles import quoted

Kind = Literal["table", "enum", "sequence", "column", "label", "constraint", "index"]

ASKED: tuple[Kind, ...] = ("table", "enum", "sequence", "column", "label")
"""Kinds whose drop would lose something."""

_ALIKE_TABLES = 0.6
"""Share of equal columns from which two tables may be one."""

_FAMILIES = (
    {"smallint", "integer", "bigint", "numeric"},
    {"character varying", "character", "text", "citext"},
    {"timestamp with time zone", "timestamp without time zone", "date"},
    {"real", "double precision", "numeric"},
    {"json", "jsonb"},
    {"inet", "cidr"},
)

_RENAME_PARTITIONS = """
    DO $$
    DECLARE
      partition text;
    BEGIN
      FOR partition IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'public.{table}'::regclass AND starts_with(relname, '{old}_')
      LOOP
        EXECUTE format('ALTER TABLE public.%I RENAME TO %I', partition, '{new}' || substr(partition, {rest}));
      END LOOP;
    END $$
    """
"""Partitions are called after their table, months and all, and which there are depends on the database."""


@dataclass(frozen=True)
class Rename:
    """One object under its old and its new name: `goods`, `goods.name` of a column, `color.RED` of a label."""

    kind: Kind
    old: str
    new: str

    @property
    def option(self) -> str:
        """What says yes to it on a command line."""
        return f"--rename {self.old}={self.new}"

    def __str__(self) -> str:
        return f"{self.kind} {self.old} → {self.new}"


def likely_renames(current: Catalog, wanted: Catalog) -> list[Rename]:
    """Pairs of what is gone and what is new that may be one thing, the likeliest of each first."""
    pairs = [*_pairs(compare(wanted, current), current, wanted)]
    return sorted(pairs, key=lambda pair: (ASKED.index(pair.kind), -_similarity(pair), pair.old, pair.new))


def renames_of_names(current: Catalog, wanted: Catalog) -> list[Rename]:
    """Indexes, constraints and columns' own sequences that differ in nothing but the name: nothing is built anew.

    Each old and each new name occurs once.
    """
    differences = compare(wanted, current)
    found: list[Rename] = []
    for old in (d for d in differences if d.change == "extra" and _is_only_a_name(d)):
        taken = {rename.new for rename in found}
        same = [new for new in differences if new.change == "missing" and new.kind == old.kind]
        equal = [new for new in same if new.name not in taken and _without_name(old) == _without_name(new)]
        found += [Rename(_kind(old.kind), old.name, new.name) for new in equal[:1]]
    return sorted(found, key=lambda rename: (rename.kind, rename.old))


def parse_renames(words: Iterable[str], current: Catalog, wanted: Catalog) -> list[Rename]:
    """The renames that `--rename old=new` speaks of, those whose turn it is.

    A column of a table that is itself renamed has its turn after the table. Raises Problem `rename_unreadable`.
    """
    gone, added = _named(current, wanted), _named(wanted, current)
    asked: list[Rename] = []
    for word in words:
        old, equals, new = (part.strip() for part in word.partition("="))
        if not (old and equals and new):
            raise Problem(
                "rename_unreadable",
                Exit.USAGE,
                f"--rename {word} is not of the form old=new.",
                "",
                "Examples: --rename goods=products, --rename goods.name=goods.title, --rename color.RED=color.CRIMSON.",
            )
        asked += [Rename(kind, old, new) for kind, name in gone if name == old and (kind, new) in added][:1]
    return asked


def unknown_rename(word: str, current: Catalog, wanted: Catalog) -> Problem:
    """What is said of `--rename old=new` when the one is not gone or the other not new."""
    gone = ", ".join(name for _, name in _named(current, wanted)) or "nothing"
    new = ", ".join(name for _, name in _named(wanted, current)) or "nothing"
    return Problem(
        "rename_unknown",
        Exit.USAGE,
        f"--rename {word}: these two are not a name that is gone and a new one of the same kind.",
        f"Gone from the models: {gone}. New in them: {new}.",
        "Correct the names; a column is table.column under the table's new name, a label is enum.LABEL.",
    )


def rename_text(rename: Rename, catalog: Catalog) -> str:
    """The `op` call or the SQL that renames, as code of a migration; `catalog` is that before it."""
    old_owner, _, old = rename.old.rpartition(".")
    new = rename.new.rpartition(".")[2]
    if rename.kind == "table":
        parent = "partitioned by" in catalog.get(("table", rename.old), {})
        renamed = f"op.rename_table({rename.old!r}, {rename.new!r})"
        partitions = _RENAME_PARTITIONS.format(
            table=quoted(rename.new), old=rename.old, new=rename.new, rest=len(rename.old) + 1
        )
        return renamed + (f"\n{executed(partitions)}" if parent else "")
    if rename.kind == "column":
        return f"op.alter_column({old_owner!r}, {old!r}, new_column_name={new!r})"
    return executed(_rename_sql(rename, old_owner, old, new))


def reverse(rename: Rename) -> Rename:
    """The way back."""
    return Rename(rename.kind, rename.new, rename.old)


def _rename_sql(rename: Rename, owner: str, old: str, new: str) -> str:
    match rename.kind:
        case "label":
            labels = " TO ".join("'" + label.replace("'", "''") + "'" for label in (old, new))
            return f"ALTER TYPE {owner} RENAME VALUE {labels}"
        case "constraint":
            return f"ALTER TABLE {owner} RENAME CONSTRAINT {quoted(old)} TO {quoted(new)}"
        case "enum":
            return f"ALTER TYPE {quoted(old)} RENAME TO {quoted(new)}"
        case _:
            return f"ALTER {rename.kind.upper()} {quoted(old)} RENAME TO {quoted(new)}"


def _pairs(differences: list[Difference], current: Catalog, wanted: Catalog) -> Iterator[Rename]:
    gone = [d for d in differences if d.change == "extra"]
    new = [d for d in differences if d.change == "missing"]
    for old in gone:
        for other in (d for d in new if d.kind == old.kind):
            if _are_alike(old, other, current, wanted):
                yield Rename(_kind(old.kind), old.name, other.name)
    for changed in (d for d in differences if d.kind == "enum" and d.change == "changed"):
        before, after = changed.found.get("labels", []), changed.expected.get("labels", [])
        for old_label in (label for label in before if label not in after):
            for label in (label for label in after if label not in before):
                yield Rename("label", f"{changed.name}.{old_label}", f"{changed.name}.{label}")


def _are_alike(old: Difference, new: Difference, current: Catalog, wanted: Catalog) -> bool:
    if old.kind == "column":
        return old.found["table"] == new.expected["table"] and _are_compatible(old.found["type"], new.expected["type"])
    if old.kind == "table":
        if "bound" in old.found or "bound" in new.expected:
            return False
        before, after = _columns(current, old.name), _columns(wanted, new.name)
        return bool(before) and len(before & after) / max(len(before), len(after)) >= _ALIKE_TABLES
    if old.kind == "enum":
        return old.found["labels"] == new.expected["labels"]
    return old.kind == "sequence" and "owned by" not in old.found and old.found["type"] == new.expected["type"]


def _are_compatible(old: str, new: str) -> bool:
    before, after = (re.sub(r"\(.*?\)", "", name) for name in (old, new))
    return before == after or any({before, after} <= family for family in _FAMILIES)


def _columns(catalog: Catalog, table: str) -> set[tuple[str, str]]:
    prefix = f"{table}."
    return {
        (name.removeprefix(prefix), facts["type"])
        for (kind, name), facts in catalog.items()
        if kind == "column" and facts["table"] == table
    }


def _named(those: Catalog, others: Catalog) -> list[tuple[Kind, str]]:
    """What is in those and not in the others, of the kinds that are asked about; labels too."""
    return [*_named_objects(those, others), *_named_labels(those, others)]


def _named_objects(those: Catalog, others: Catalog) -> Iterator[tuple[Kind, str]]:
    for kind, name in sorted(those.keys() - others.keys()):
        facts = those[kind, name]
        if kind == "column" and ("table", facts["table"]) in others:
            yield "column", name
        elif kind in ("table", "enum", "sequence") and "bound" not in facts:
            yield _kind(kind), name


def _named_labels(those: Catalog, others: Catalog) -> Iterator[tuple[Kind, str]]:
    for key in sorted(those.keys() & others.keys()):
        if key[0] == "enum":
            for label in those[key]["labels"]:
                if label not in others[key]["labels"]:
                    yield "label", f"{key[1]}.{label}"


def _is_only_a_name(difference: Difference) -> bool:
    match difference.kind:
        case "index":
            return "constraint" not in difference.found
        case "sequence":
            return "owned by" in difference.found
        case kind:
            return kind == "constraint"


def _without_name(difference: Difference) -> Facts:
    facts: dict[str, Any] = {**(difference.found or difference.expected)}
    if difference.kind == "index":
        facts["definition"] = str(facts["definition"]).replace(f" INDEX {quoted(difference.name)} ON ", " INDEX ON ", 1)
    return facts


def _kind(kind: str) -> Kind:
    assert kind in ("table", "enum", "sequence", "column", "constraint", "index")
    return kind


def _similarity(rename: Rename) -> float:
    return SequenceMatcher(None, rename.old, rename.new).ratio()

"""What `lint` looks for: each rule with its severity, its reason, and how to do it instead."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error can stop or break what runs; a warning costs later."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Rule:
    """One thing that is looked for."""

    id: str
    severity: Severity
    why: str
    instead: str


def _error(id_: str, why: str, instead: str) -> Rule:
    return Rule(id_, Severity.ERROR, why, instead)


def _warning(id_: str, why: str, instead: str) -> Rule:
    return Rule(id_, Severity.WARNING, why, instead)


_OF_THE_FILE = (
    _error(
        "missing-downgrade",
        "There is no downgrade(), or it does nothing: nobody can go back.",
        "Write downgrade(). What cannot be taken back (a label, dropped data) is said in an acceptance.",
    ),
    _error(
        "missing-phase",
        "The file does not say when it is applied in a rolling deploy.",
        'phase = "pre" when running code goes on under the new schema, "post" when old code must be gone first.',
    ),
    _error(
        "wrong-phase",
        'It says "pre", and takes away or narrows something that running code may use.',
        'Add first (phase = "pre"), let the code change, and take away in a later migration with phase = "post".',
    ),
    _error(
        "acceptance-without-reason",
        "A finding is accepted and nobody can know why.",
        'accepted = {"rule-id": "why it is safe here"}',
    ),
    _error("acceptance-unknown", "There is no rule of that name: nothing is accepted.", "See orion db lint --rules."),
    _warning(
        "acceptance-unused",
        "Nothing is found that it accepts; it would hide what comes later.",
        "Remove it from `accepted`.",
    ),
)

_OF_RUNNING_IT = (
    _error("fails", "It does not run on an empty copy of the schema.", "Correct the statement."),
    _error(
        "enum-label-used-at-once",
        "PostgreSQL does not let a label be used in the transaction that adds it (SQLSTATE 55P04).",
        "Add the label in a migration of its own, and use it in the next.",
    ),
    _error(
        "type-change-rewrites",
        "Every row is written anew while nobody can read or write the table.",
        "Add a column of the new type, keep both filled by a trigger, backfill, change the code, drop the old column.",
    ),
    _error(
        "default-rewrites",
        "A default that differs by row (or a stored generated column) makes PostgreSQL write every row anew.",
        "Add the column without it, set the default for new rows in a second statement, fill old rows by `backfill`.",
    ),
    _error(
        "rewrites-table",
        "Every row is written anew while nobody can read or write the table.",
        "Make a new table beside it, copy in batches, and exchange them; or pg_repack.",
    ),
    _error(
        "not-null-scans",
        "SET NOT NULL reads the whole table while nobody can read or write it.",
        "ADD CONSTRAINT … CHECK (x IS NOT NULL) NOT VALID; VALIDATE CONSTRAINT in the next migration; in the one after "
        "SET NOT NULL, which trusts the CHECK, and drop the CHECK.",
    ),
    _error(
        "constraint-scans",
        "A constraint added at once reads the whole table while nobody can write to it.",
        "ADD CONSTRAINT … NOT VALID, and VALIDATE CONSTRAINT in the next migration. UNIQUE: CREATE UNIQUE INDEX (built "
        "concurrently), then ADD CONSTRAINT … UNIQUE USING INDEX.",
    ),
    _error(
        "validates-under-lock",
        "VALIDATE CONSTRAINT lets writes pass, but its transaction holds a stronger lock from an earlier statement.",
        "Validate in the next migration, or in an autocommit block of Alembic.",
    ),
    _error(
        "attach-scans",
        "ATTACH PARTITION reads the table (and the default partition) to prove its bound, under a lock.",
        "Add a CHECK equal to the bound to the new partition (and its opposite to the default one), validated, before.",
    ),
    _error(
        "scans-under-lock",
        "It reads a whole table while its transaction keeps writes out.",
        "Move the reading into a migration before, or after, the one that takes the lock.",
    ),
    _warning(
        "locks-several-tables",
        "Its transaction shuts two or more tables in use: a deadlock with code that takes them in another order.",
        "One migration for each table.",
    ),
)

_OF_DATA = (
    _error(
        "data-in-schema-change",
        "Rows are changed in a transaction that also locks tables for a schema change, which are shut all the while.",
        "Change the schema in one migration, and the data in the next, by `backfill`.",
    ),
    _error(
        "backfill-without-end",
        "What the backfill sets is not in its WHERE, so it finds the rows again that it has filled, for ever.",
        "Ask for what is not filled yet: SET note = … WHERE id IN (SELECT id … WHERE note IS NULL LIMIT 1000).",
    ),
    _error(
        "data-without-batches",
        "One statement changes any number of rows: long row locks, bloat, replicas left behind.",
        'backfill = """UPDATE … WHERE id IN (SELECT id … LIMIT 1000)""": repeated in own transactions until no row is '
        "left.",
    ),
)

_OF_STATEMENTS = (
    _error(
        "drop-cascade",
        "CASCADE drops whatever depends on it, which nobody has named or looked at.",
        "Drop each object by its name.",
    ),
    _error(
        "truncate",
        "All rows are gone at once, and the table is shut meanwhile.",
        "Delete in batches, or drop the table in a migration of its own.",
    ),
    _error(
        "lock-table",
        "A lock taken ahead is held to the end of the transaction.",
        "Let each statement take its own lock; order the statements so that the strongest comes last.",
    ),
    _error(
        "not-for-migrations",
        "It is an act of operation, or of the session, and not of the schema; it cannot be taken back.",
        "VACUUM and ANALYZE: orion db maintain. Databases and roles: orion db init. Settings: the server's own file.",
    ),
)

_OF_THE_SCHEMA = (
    _error(
        "foreign-key-without-index",
        "Deleting a referenced row reads the whole table, once for each row.",
        "CREATE INDEX on the foreign key's columns, in this order, first.",
    ),
    _warning(
        "index-repeats-another",
        "Another index begins with the same columns and serves the same queries; this one only costs.",
        "Leave it out, or drop the shorter one.",
    ),
    _warning(
        "wide-index",
        "More than three columns in an index that is not unique seldom help the search; they only make it large.",
        "Order columns by how well they select, keep the first three, INCLUDE the rest if it is only read.",
    ),
    _error(
        "table-without-primary-key",
        "Rows cannot be told apart, replicated logically or deleted in batches.",
        "id uuid PRIMARY KEY DEFAULT uuidv7().",
    ),
    _error(
        "narrow-key",
        "A key of 32 or 16 bits runs out of numbers, and changing it later writes the whole table anew.",
        "id uuid PRIMARY KEY DEFAULT uuidv7(), or bigint.",
    ),
    _error(
        "text-without-length",
        "Anybody can store a gigabyte in it; every string has a length here.",
        "varchar(n). Making n larger later costs nothing.",
    ),
    _error(
        "json-instead-of-jsonb",
        "json has no equality and no index, and is parsed at every read.",
        "jsonb.",
    ),
    _error(
        "missing-grants",
        "The service's role may do nothing with the new table.",
        "GRANT what the service needs (SELECT, INSERT, …) to its role, in the same migration.",
    ),
)  # fmt: skip

RULES: dict[str, Rule] = {
    rule.id: rule for rule in (*_OF_THE_FILE, *_OF_RUNNING_IT, *_OF_DATA, *_OF_STATEMENTS, *_OF_THE_SCHEMA)
}
"""Our own rules by id. Squawk's stand in `orion_db.lint.squawk`."""

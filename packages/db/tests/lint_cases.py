"""Revisions that break a rule of `lint`, each beside one that does the same safely."""

from dataclasses import dataclass

TABLE = """CREATE TABLE {t} (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name varchar(40), other varchar(40), number integer NOT NULL DEFAULT 0,
  goods_id integer, moment timestamptz NOT NULL DEFAULT now())"""
GRANT = "GRANT SELECT, INSERT, UPDATE, DELETE ON {t} TO orion_shop_service"
NOT_VALID = "ALTER TABLE {t} ADD CONSTRAINT {t}_name CHECK (name IS NOT NULL) NOT VALID"
NEW = "CREATE TABLE {t}_new (id uuid PRIMARY KEY, name %s); GRANT SELECT ON {t}_new TO orion_shop_service"


@dataclass(frozen=True)
class Case:
    """A rule, statements that break it and others that do not, after statements that prepare both."""

    rule: str
    bad: str
    good: str = ""
    before: str = ""
    phase: str = "post"
    good_phase: str = "post"
    bad_backfill: str = ""
    good_backfill: str = ""


CASES = [
    Case(
        "wrong-phase",
        "ALTER TABLE {t} DROP COLUMN name",
        "ALTER TABLE {t} ADD COLUMN more varchar(10)",
        phase="pre",
        good_phase="pre",
    ),
    Case(
        "type-change-rewrites",
        "ALTER TABLE {t} ALTER number TYPE bigint",
        "ALTER TABLE {t} ALTER name TYPE varchar(80)",
    ),
    Case(
        "default-rewrites",
        "ALTER TABLE {t} ADD COLUMN key uuid NOT NULL DEFAULT gen_random_uuid()",
        "ALTER TABLE {t} ADD COLUMN key uuid; ALTER TABLE {t} ALTER key SET DEFAULT gen_random_uuid()",
    ),
    Case(
        "default-rewrites",
        "ALTER TABLE {t} ADD COLUMN twice integer GENERATED ALWAYS AS (number * 2) STORED",
        "ALTER TABLE {t} ADD COLUMN created_at timestamptz NOT NULL DEFAULT now()",
    ),
    Case("rewrites-table", "ALTER TABLE {t} SET UNLOGGED", "ALTER TABLE {t} SET (fillfactor = 80)"),
    Case(
        "not-null-scans",
        "ALTER TABLE {t} ALTER other SET NOT NULL",
        "ALTER TABLE {t} ALTER name SET NOT NULL",
        before=NOT_VALID + "; COMMIT; ALTER TABLE {t} VALIDATE CONSTRAINT {t}_name",
    ),
    Case("constraint-scans", "ALTER TABLE {t} ADD CONSTRAINT {t}_number CHECK (number >= 0)", NOT_VALID),
    Case(
        "constraint-scans",
        "ALTER TABLE {t} ADD CONSTRAINT {t}_goods FOREIGN KEY (goods_id) REFERENCES goods",
        "ALTER TABLE {t} ADD CONSTRAINT {t}_goods FOREIGN KEY (goods_id) REFERENCES goods NOT VALID",
        before="CREATE INDEX ix_{t}_goods ON {t} (goods_id)",
    ),
    Case(
        "constraint-scans",
        "ALTER TABLE {t} ADD CONSTRAINT uq_{t}_name UNIQUE (name)",
        "CREATE UNIQUE INDEX uq_{t}_name ON {t} (name); ALTER TABLE {t} ADD CONSTRAINT uq_{t}_name UNIQUE USING INDEX "
        "uq_{t}_name",
    ),
    Case(
        "validates-under-lock",
        NOT_VALID + "; ALTER TABLE {t} VALIDATE CONSTRAINT {t}_name",
        NOT_VALID + "; COMMIT; ALTER TABLE {t} VALIDATE CONSTRAINT {t}_name",
    ),
    Case(
        "attach-scans",
        "ALTER TABLE parent_{t} ATTACH PARTITION {t} FOR VALUES FROM (1) TO (9)",
        "ALTER TABLE {t} ADD CONSTRAINT {t}_bound CHECK (number >= 1 AND number < 9) NOT VALID; COMMIT; ALTER TABLE "
        "{t} VALIDATE CONSTRAINT {t}_bound; ALTER TABLE parent_{t} ATTACH PARTITION {t} FOR VALUES FROM (1) TO (9)",
        before="ALTER TABLE {t} DROP CONSTRAINT {t}_pkey; CREATE TABLE parent_{t} (LIKE {t} INCLUDING DEFAULTS) "
        "PARTITION BY RANGE (number)",
    ),
    Case(
        "scans-under-lock", "ALTER TABLE {t} ADD COLUMN a integer; SELECT count(*) FROM {t}", "SELECT count(*) FROM {t}"
    ),
    Case(
        "locks-several-tables",
        "ALTER TABLE {t} ADD COLUMN a integer; ALTER TABLE goods ADD COLUMN {t} integer",
        "ALTER TABLE {t} ADD COLUMN a integer",
    ),
    Case(
        "data-in-schema-change",
        "ALTER TABLE {t} ADD COLUMN a integer; INSERT INTO {t} (name) VALUES ('x')",
        "INSERT INTO {t} (name) VALUES ('x')",
    ),
    Case(
        "data-in-schema-change",
        "ALTER TABLE {t} ADD COLUMN a integer; DO $$ BEGIN DELETE FROM {t};END $$",
        "CREATE TABLE {t}_kinds (id uuid PRIMARY KEY, name varchar(9)); GRANT SELECT ON {t}_kinds TO "
        "orion_shop_service; INSERT INTO {t}_kinds SELECT gen_random_uuid(), 'x'",
    ),
    Case(
        "data-without-batches",
        "UPDATE {t} SET other = name",
        good_backfill="UPDATE {t} SET other = name WHERE id IN (SELECT id FROM {t} WHERE other <> name LIMIT 1000)",
    ),
    Case(
        "data-without-batches",
        "DELETE FROM {t} WHERE name IS NULL",
        "CREATE TABLE {t}_own (id uuid PRIMARY KEY); DELETE FROM {t}_own",
    ),
    Case("data-without-batches", "SELECT 1", "SELECT 1", bad_backfill="DELETE FROM {t} WHERE name IS NULL"),
    Case(
        "data-without-batches",
        "CREATE TABLE {t}_own (id uuid PRIMARY KEY, n integer); "
        "WITH moved AS (DELETE FROM {t} RETURNING id, number) INSERT INTO {t}_own SELECT id, number FROM moved",
        "CREATE TABLE {t}_own (id uuid PRIMARY KEY); INSERT INTO {t}_own SELECT id FROM {t} ON CONFLICT (id) DO UPDATE "
        "SET id = excluded.id",
    ),
    Case(
        "backfill-without-end",
        "SELECT 1",
        "SELECT 1",
        bad_backfill="UPDATE {t} SET other = upper(name), number = 1 WHERE id IN (SELECT id FROM {t} LIMIT 1000)",
        good_backfill="WITH batch AS (SELECT id FROM {t} WHERE number IS NULL LIMIT 1000) UPDATE {t} SET other = "
        "upper(name), number = 1 FROM batch WHERE {t}.id = batch.id",
    ),
    Case("drop-cascade", "DROP TABLE {t} CASCADE", "ALTER TABLE {t} DROP COLUMN name"),
    Case("truncate", "TRUNCATE {t}", "DROP TABLE {t}"),
    Case("lock-table", "LOCK TABLE {t}", "SELECT 1"),
    Case("not-for-migrations", "SET search_path = public", "SET LOCAL search_path = public"),
    Case(
        "foreign-key-without-index",
        "ALTER TABLE {t} ADD CONSTRAINT {t}_goods FOREIGN KEY (goods_id) REFERENCES goods NOT VALID",
        "CREATE INDEX ix_{t}_goods ON {t} (goods_id) WHERE goods_id IS NOT NULL; "
        "ALTER TABLE {t} ADD CONSTRAINT {t}_goods FOREIGN KEY (goods_id) REFERENCES goods NOT VALID",
    ),
    Case(
        "foreign-key-without-index",
        "DROP INDEX ix_{t}_goods",
        "CREATE INDEX ix_{t}_more ON {t} (goods_id, name); DROP INDEX ix_{t}_goods",
        before="CREATE INDEX ix_{t}_goods ON {t} (goods_id); "
        "ALTER TABLE {t} ADD CONSTRAINT {t}_goods FOREIGN KEY (goods_id) REFERENCES goods NOT VALID",
    ),
    Case(
        "index-repeats-another",
        "CREATE INDEX ix_{t}_a ON {t} (name); CREATE INDEX ix_{t}_b ON {t} (name, other)",
        "CREATE INDEX ix_{t}_a ON {t} (name DESC); CREATE INDEX ix_{t}_b ON {t} (name, other)",
    ),
    Case(
        "index-repeats-another",
        "CREATE INDEX ix_{t}_a ON {t} (id)",
        "CREATE INDEX ix_{t}_a ON {t} (id) WHERE number > 0",
    ),
    Case(
        "wide-index",
        "CREATE INDEX ix_{t}_a ON {t} (name, other, number, goods_id)",
        "CREATE INDEX ix_{t}_a ON {t} (name, other) INCLUDE (number, goods_id)",
    ),
    Case(
        "table-without-primary-key",
        "CREATE TABLE {t}_new (name varchar(9)); GRANT SELECT ON {t}_new TO orion_shop_service",
        NEW % "varchar(9)",
    ),
    Case(
        "narrow-key",
        "CREATE TABLE {t}_new (id integer PRIMARY KEY); GRANT SELECT ON {t}_new TO orion_shop_service",
        NEW % "varchar(9)",
    ),
    Case("text-without-length", NEW % "text", NEW % "varchar(9)"),
    Case("text-without-length", "ALTER TABLE {t} ADD COLUMN a varchar", "ALTER TABLE {t} ADD COLUMN a varchar(9)"),
    Case("json-instead-of-jsonb", NEW % "json", NEW % "jsonb"),
    Case("missing-grants", "CREATE TABLE {t}_new (id uuid PRIMARY KEY)", NEW % "varchar(9)"),
    Case("adding-required-field", "ALTER TABLE {t} ADD a integer NOT NULL", "ALTER TABLE {t} ADD a integer"),
    Case("prefer-timestamp-tz", NEW % "timestamp", NEW % "timestamptz"),
    Case("prefer-identity", NEW % "bigserial", NEW % "bigint GENERATED ALWAYS AS IDENTITY"),
    Case("ban-char-field", NEW % "char(3)", NEW % "varchar(3)"),
    Case("renaming-column", "ALTER TABLE {t} RENAME name TO title", "ALTER TABLE {t} ADD title varchar(40)"),
    Case("renaming-table", "ALTER TABLE {t} RENAME TO {t}_old", "SELECT 1"),
    Case(
        "renaming-object",
        "ALTER SEQUENCE {t}_numbers RENAME TO {t}_others",
        "ALTER INDEX {t}_pkey RENAME TO pk_{t}; ALTER TABLE {t} RENAME CONSTRAINT pk_{t} TO {t}_key",
        before="CREATE SEQUENCE {t}_numbers",
    ),
    Case("ban-disable-trigger", "ALTER TABLE {t} DISABLE TRIGGER USER", "SELECT 1"),
    Case(
        "require-enum-value-ordering",
        "ALTER TYPE color ADD VALUE '{t}'",
        "ALTER TYPE color ADD VALUE '{t}' AFTER 'RED'",
    ),
    Case("require-concurrent-reindex", "REINDEX TABLE {t}", "REINDEX TABLE CONCURRENTLY {t}"),
    Case(
        "identifier-too-long",
        "ALTER TABLE {t} ADD COLUMN " + "a" * 64 + " integer",
        "ALTER TABLE {t} ADD COLUMN " + "a" * 63 + " integer",
    ),
]


HEAD = '''"""{title}."""
from alembic import op

{constants}

def upgrade() -> None:
{upgrade}


def downgrade() -> None:
    {downgrade}
'''


def text(*statements: str, constants: str = 'phase = "post"', downgrade: str = "op.execute('SELECT 1')") -> str:
    """A revision file. The statement COMMIT stands for an autocommit block around the next one."""
    lines, indent = list[str](), "    "
    for statement in statements:
        if statement == "COMMIT":
            lines.append("    with op.get_context().autocommit_block():")
            indent = "        "
        else:
            lines.append(f"{indent}op.execute({statement!r})")
            indent = "    "
    upgrade = "\n".join(lines) or "    pass"
    return HEAD.format(title="Why", constants=constants, upgrade=upgrade, downgrade=downgrade)


def split(statements: str, table: str) -> list[str]:
    return [part.strip() for part in statements.replace("{t}", table).split("; ") if part.strip()]

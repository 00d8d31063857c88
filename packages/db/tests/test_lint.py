"""Each rule of `lint` with a revision that breaks it and one that does the same safely."""

import asyncio
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orion_db.deploy import deploy
from orion_db.errors import Problem
from orion_db.initialize import prepare
from orion_db.lint import Linting, Severity, lint
from orion_db.lint.book import rule_book
from orion_db.lint.finding import Finding
from orion_db.revisions import read_revisions
from orion_db.scratch import catalog_of

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

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


REWRITE = "ALTER TABLE goods ALTER name TYPE varchar({})"
BLUE = ("ALTER TYPE color ADD VALUE 'BLUE' AFTER 'RED'", "ALTER TABLE goods ALTER color SET DEFAULT 'BLUE'")


def accepting(accepted: str, length: int) -> str:
    return text(REWRITE.format(length), constants=f"phase = 'post'\naccepted = {accepted}\n")


OTHERS = {
    "idle_pass": text("SELECT 1", downgrade="pass"),
    "idle_raise": text("SELECT 1", downgrade="raise NotImplementedError"),
    "idle_return": text("SELECT 1", downgrade="return None"),
    "idle_docstring": text("SELECT 1", downgrade='"""Nothing."""'),
    "no_phase": text("SELECT 1", constants=""),
    "later_phase": text("SELECT 1", constants="phase = 'later'"),
    "no_constant_phase": text("SELECT 1", constants="phase = str()"),
    "accepted": accepting("{'type-change-rewrites': 'the table has forty rows'}", 39),
    "without_reason": accepting("{'type-change-rewrites': ' '}", 38),
    "unknown": accepting("{'type-change-rewrites': 'small', 'no-such': 'x', 'fails': 'x'}", 37),
    "unused": accepting("{'type-change-rewrites': 'small', 'truncate': 'x'}", 36),
    "no_dictionary": accepting("['type-change-rewrites']", 35),
    "comment": text("-- squawk-ignore renaming-column\nALTER TABLE goods RENAME COLUMN name TO title"),
    "blue_apart": text("COMMIT", *BLUE),
}
"""Files that are judged for what they say of themselves."""


def write_cases(shop: "Shop") -> None:
    """A revision with all tables and preparations, then for each case a bad one and a good one."""
    tables = [f"{kind}_{number}" for number in range(len(CASES)) for kind in ("bad", "good")]
    setup = [part for table in tables for part in split(f"{TABLE}; {GRANT}", table)]
    shop.write("0003_tables", text(*setup))
    before = [
        part
        for number, case in enumerate(CASES)
        for kind in ("bad", "good")
        for part in split(case.before, f"{kind}_{number}")
    ]
    shop.write("0004_before", text(*before))
    for number, case in enumerate(CASES):
        for kind in ("bad", "good"):
            table = f"{kind}_{number}"
            phase = case.phase if kind == "bad" else case.good_phase
            backfill = (case.bad_backfill if kind == "bad" else case.good_backfill).replace("{t}", table)
            constants = f"phase = {phase!r}\n" + (f"backfill = {backfill!r}\n" if backfill else "")
            statements = split(case.bad if kind == "bad" else case.good, table)
            shop.write(name_of(number, kind), text(*statements, constants=constants))

    for number, content in enumerate(OTHERS.values()):
        shop.write(f"{500 + number:04d}_other", content)


def name_of(number: int, kind: str) -> str:
    return f"{10 + 2 * number + (kind == 'good'):04d}_{kind}"


@pytest.fixture(scope="module")
def linted(tmp_path_factory: pytest.TempPathFactory, postgres_admin_url: str) -> Generator[Linting]:
    """All cases, looked at in one go."""
    from packages.db.tests.conftest import Shop

    shop = Shop(tmp_path_factory.mktemp("lint") / "migrations", postgres_admin_url)
    write_cases(shop)
    asyncio.run(prepare(shop.target))
    names = [revision.name for revision in read_revisions(shop.folder) if revision.number >= 10]
    yield asyncio.run(lint(shop.target, revisions=names))
    asyncio.run(shop.drop())


def rules_of(found: Linting, revision: str) -> set[str]:
    return {entry.rule for entry in found.findings if entry.revision == revision}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{n}-{case.rule}" for n, case in enumerate(CASES)])
def test_the_bad_form_is_found_and_the_good_one_is_not(linted: Linting, number: int) -> None:
    assert linted.not_tried == ()
    rule = CASES[number].rule
    assert rule in rules_of(linted, name_of(number, "bad"))
    assert rules_of(linted, name_of(number, "good")).isdisjoint({rule, "fails"})


def test_findings_say_where_and_what_to_do_instead(linted: Linting) -> None:
    found = next(entry for entry in linted.findings if entry.rule == "type-change-rewrites")
    assert (found.table, found.severity, found.line) == (f"bad_{1}", Severity.ERROR, 8)
    assert found.statement == "ALTER TABLE bad_1 ALTER number TYPE bigint"
    assert "backfill" in found.instead


async def look(shop: "Shop", content: str) -> Linting:
    await prepare(shop.target)
    shop.write("0003_it", content)
    return await lint(shop.target, revisions=["0003_it"])


def rules(found: Sequence[Finding]) -> list[str]:
    return [entry.rule for entry in found]


async def test_a_label_used_in_the_transaction_that_adds_it_is_a_finding_and_no_crash(shop: "Shop") -> None:
    shop.write("0004_later", text("SELECT 1"))
    await prepare(shop.target)
    shop.write("0003_it", text(*BLUE))
    found = await lint(shop.target)
    assert rules(found.findings)[-1] == "enum-label-used-at-once"
    assert (found.findings[-1].line, found.findings[-1].statement) == (8, BLUE[1])
    assert found.not_tried == ("0004_later",)
    assert found.exit_code == 1


async def test_a_revision_that_does_not_run_is_a_finding(shop: "Shop") -> None:
    found = await look(shop, text("ALTER TABLE nowhere ADD a integer"))
    assert rules(found.findings) == ["fails"]
    assert "nowhere" in found.findings[0].what


def others(linted: Linting, name: str) -> list[Finding]:
    number = list(OTHERS).index(name)
    return [entry for entry in linted.findings if entry.revision == f"{500 + number:04d}_other"]


def test_a_label_may_be_used_after_an_autocommit_block(linted: Linting) -> None:
    assert others(linted, "blue_apart") == []


@pytest.mark.parametrize("idle", ["pass", "raise", "return", "docstring"])
def test_a_downgrade_that_does_nothing_is_missing(linted: Linting, idle: str) -> None:
    (found,) = others(linted, f"idle_{idle}")
    assert (found.rule, found.line) == ("missing-downgrade", 10)


@pytest.mark.parametrize("name", ["no_phase", "later_phase", "no_constant_phase"])
def test_the_phase_must_be_said(linted: Linting, name: str) -> None:
    assert rules(others(linted, name)) == ["missing-phase"]


def test_what_is_accepted_with_a_reason_is_told_apart(linted: Linting) -> None:
    assert others(linted, "accepted") == []
    reasons = [entry.accepted for entry in linted.accepted if entry.rule == "type-change-rewrites"]
    assert "the table has forty rows" in reasons
    assert any("the table has forty rows" in line for line in linted.in_words())


def test_an_acceptance_without_a_reason_accepts_nothing(linted: Linting) -> None:
    found = others(linted, "without_reason")
    assert rules(found) == ["type-change-rewrites", "acceptance-without-reason"]
    assert found[1].line == 5


def test_an_acceptance_of_no_rule_is_a_finding(linted: Linting) -> None:
    assert rules(others(linted, "unknown")) == ["acceptance-unknown", "acceptance-unknown"]


def test_an_acceptance_of_nothing_is_a_warning(linted: Linting) -> None:
    found = others(linted, "unused")
    assert [(entry.rule, entry.severity) for entry in found] == [("acceptance-unused", Severity.WARNING)]


def test_acceptances_that_are_no_dictionary_are_a_finding(linted: Linting) -> None:
    assert rules(others(linted, "no_dictionary")) == ["type-change-rewrites", "acceptance-without-reason"]


def test_a_comment_in_the_sql_silences_nothing(linted: Linting) -> None:
    assert "renaming-column" in rules(others(linted, "comment"))


async def test_only_what_is_pending_is_looked_at_when_asked(shop: "Shop") -> None:
    await prepare(shop.target)
    await deploy(shop.target)
    shop.write("0003_it", text("SELECT 1"))
    found = await lint(shop.target, pending=True)
    assert found.revisions == ("0003_it",)


async def test_the_database_itself_is_not_touched(shop: "Shop") -> None:
    await prepare(shop.target)
    await deploy(shop.target)
    before = await catalog_of(shop.target)
    shop.write("0003_it", text(REWRITE.format(20)))
    await lint(shop.target)
    assert await catalog_of(shop.target) == before
    assert await shop.run("SELECT name FROM schema_migrations ORDER BY 1") == [("0001_goods",), ("0002_prices",)]


async def test_an_unknown_name_is_wrong_use(shop: "Shop") -> None:
    with pytest.raises(Problem) as raised:
        await lint(shop.target, revisions=["0009_nothing"])
    assert raised.value.code == "unknown_revision"


def test_the_page_of_rules_is_the_one_that_lint_lists() -> None:
    page = (Path(__file__).parents[3] / "docs" / "migrations.md").read_text(encoding="utf-8")
    book = rule_book()
    rows = [f"| [{rule.id}](#{rule.id}) | {rule.severity} | {rule.why} | {rule.instead} |" for rule in book.rules]
    rows += [f"| [{rule}](https://squawkhq.com/docs/{rule}) | {severity} |" for rule, severity in book.squawk.items()]
    rows += [f"| {rule} | [{ours}](#{ours}) |" for rule, ours in book.replaced.items()]
    rows += [f"| {rule} | {reason} |" for rule, reason in book.excluded.items()]
    lines = page.splitlines()
    assert [row for row in rows if row not in lines] == []
    for rule in book.rules:
        section = page.partition(f"\n### {rule.id}\n")[2].partition("\n### ")[0]
        assert (section.count(" bad\n"), section.count(" good\n")) == (1, 1), rule.id
    listed = [line for line in lines if line.startswith("| [")]
    assert len(listed) == len(book.rules) + len(book.squawk)

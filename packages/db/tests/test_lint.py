"""Each rule of `lint` with a revision that breaks it and one that does the same safely."""

import asyncio
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packages.db.tests.lint_cases import CASES, GRANT, TABLE, split, text

from orion_db.deployment.deploy import deploy
from orion_db.errors import Problem
from orion_db.initialize import prepare
from orion_db.lint import Linting, Severity, lint
from orion_db.lint.book import rule_book
from orion_db.lint.finding import Finding
from orion_db.revisions import read_revisions
from orion_db.scratch import catalog_of

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

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
    "early_rename": text("ALTER TABLE prices RENAME COLUMN goods_id TO goods", constants='phase = "pre"'),
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


def test_a_rename_before_the_new_code_is_told_by_one_rule(linted: Linting) -> None:
    assert {*rules(others(linted, "early_rename"))} == {"wrong-phase"}


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

"""`plan` tells what a deploy would do to the database as it is, and does nothing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from packages.db.tests.lint_cases import text

from orion_db.catalog import Catalog, Key
from orion_db.deployment.deploy import deploy
from orion_db.errors import Problem
from orion_db.initialize import prepare
from orion_db.plan import live
from orion_db.plan.compatibility import compatibility
from orion_db.plan.locks import conflicts
from orion_db.plan.plan import Plan, PlannedRevision, plan
from orion_db.plan.risk import Lasts, Risk
from orion_db.recorder import LOCK_MODES
from orion_db.scratch import catalog_of

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

ROWS = 2_000


@pytest.fixture
async def busy(shop: "Shop") -> "Shop":
    """A shop with its two migrations applied and rows in it."""
    await prepare(shop.target)
    await deploy(shop.target)
    await shop.run(f"INSERT INTO goods SELECT n, 'apple', 'RED' FROM generate_series(1, {ROWS}) AS n")
    await shop.run("ANALYZE goods")
    return shop


@asynccontextmanager
async def transaction(shop: "Shop", statement: str) -> AsyncGenerator[asyncpg.Connection]:
    """A transaction that has run the statement, and is old enough to be told."""
    connection = await asyncpg.connect(shop.url(), server_settings={"application_name": "the till"})
    try:
        async with connection.transaction():
            await connection.execute(statement)
            await asyncio.sleep(live.LONG_SECONDS + 0.1)
            yield connection
    finally:
        await connection.close()


async def planned(shop: "Shop", content: str) -> tuple[Plan, PlannedRevision]:
    shop.write("0003_it", content)
    found = await plan(shop.target)
    assert [revision.name for revision in found.revisions] == ["0003_it"]
    return found, found.revisions[0]


async def test_nothing_pending_is_nothing_to_look_at(busy: "Shop") -> None:
    found = await plan(busy.target)
    assert (found.revisions, found.exit_code, found.in_words()) == ((), 0, ["nothing is pending"])


async def test_steps_locks_sizes_and_rows_are_told_and_nothing_is_done(busy: "Shop") -> None:
    before = await catalog_of(busy.target)
    history = await busy.run("SELECT * FROM schema_migrations")
    found, revision = await planned(
        busy,
        text(
            "ALTER TABLE goods ADD COLUMN note varchar(10)",
            "CREATE INDEX ix_goods_name ON goods (name)",
            constants="phase = 'pre'\nbackfill = \"UPDATE goods SET note = name WHERE id IN "
            '(SELECT id FROM goods WHERE note IS NULL LIMIT 500)"\n',
        ),
    )
    column, index, fill = revision.statements
    assert [(lock.table, lock.mode, lock.blocks) for lock in column.locks] == [
        ("goods", "ACCESS EXCLUSIVE", "reads and writes")
    ]
    assert index.sql == "CREATE INDEX CONCURRENTLY ix_goods_name ON goods (name)"
    assert index.locks[0].mode == "SHARE UPDATE EXCLUSIVE"
    assert index.locks[0].blocks == "nothing of running code"
    assert (fill.kind, fill.rows) == ("backfill", ROWS)
    assert (column.lasts, revision.compatible, revision.risk) == (Lasts.MOMENT, True, Risk.LOW)
    assert [(size.table, size.rows) for size in found.tables] == [("goods", ROWS)]
    assert found.tables[0].total_bytes > found.tables[0].table_bytes > 50_000
    assert revision.rollback_loses == ("values written to goods.note since",)
    assert (found.exit_code, found.waiting) == (0, ())
    assert await catalog_of(busy.target) == before
    assert await busy.run("SELECT * FROM schema_migrations") == history


async def test_rows_are_those_that_the_planner_expects(busy: "Shop") -> None:
    _, revision = await planned(busy, text("DELETE FROM goods WHERE id <= 100"))
    assert 50 <= (revision.statements[0].rows or 0) <= 200


async def test_what_an_earlier_statement_has_locked_is_told_of_the_later_ones(busy: "Shop") -> None:
    found, revision = await planned(busy, text("ALTER TABLE goods ADD a integer", "DELETE FROM prices"))
    assert [(lock.table, lock.mode) for lock in revision.statements[1].still_held] == [("goods", "ACCESS EXCLUSIVE")]
    assert "      still holds ACCESS EXCLUSIVE on goods: blocks reads and writes" in found.in_words()


async def test_long_work_under_a_lock_is_a_high_risk(busy: "Shop", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orion_db.plan.risk.REWRITE_BYTES_A_SECOND", 1_000)
    found, revision = await planned(busy, text("ALTER TABLE goods ALTER name TYPE varchar(20)"))
    assert revision.statements[0].rewrites == ("goods",)
    assert revision.statements[0].lasts in (Lasts.MINUTES, Lasts.HOURS)
    assert (revision.risk, found.exit_code) == (Risk.HIGH, 1)
    assert any("keeps reads and writes out of goods" in reason for reason in revision.reasons)


async def test_what_running_code_and_a_rollback_lose_is_named(busy: "Shop") -> None:
    _, revision = await planned(busy, text("ALTER TABLE goods DROP COLUMN color"))
    assert [(entry.kind, entry.name) for entry in revision.breaks] == [("column", "goods.color")]
    assert revision.rollback_loses == ("values of goods.color, gone with upgrade()",)
    assert (revision.risk, revision.reasons) == (Risk.MEDIUM, ("old code must be gone before it is applied",))


async def test_findings_and_acceptances_are_listed(busy: "Shop") -> None:
    accepted = "phase = 'post'\naccepted = {'type-change-rewrites': 'two thousand rows'}\n"
    found, revision = await planned(busy, text("ALTER TABLE goods ALTER name TYPE varchar(20)", constants=accepted))
    assert [(entry.rule, entry.accepted) for entry in revision.accepted] == [
        ("type-change-rewrites", "two thousand rows")
    ]
    assert revision.findings == ()
    assert "  accepted type-change-rewrites: two thousand rows" in found.in_words()


async def test_a_revision_that_does_not_run_is_told(busy: "Shop") -> None:
    busy.write("0004_more", text("SELECT 1"))
    busy.write("0003_it", text("ALTER TABLE nowhere ADD a integer"))
    found = await plan(busy.target)
    assert found.revisions[0].risk is Risk.HIGH
    assert (found.not_tried, found.exit_code) == (("0004_more",), 1)


@pytest.mark.parametrize(
    ("held", "planned_statement", "told"),
    [
        ("SELECT count(*) FROM goods", "ALTER TABLE goods ADD a integer", [("goods", "ACCESS SHARE")]),
        ("SELECT count(*) FROM goods", "ALTER TABLE prices ADD a integer", []),
        ("UPDATE goods SET name = 'pear' WHERE id = 1", "CREATE INDEX ix_goods_n ON goods (name)", [("", "")]),
        ("LOCK TABLE goods", "UPDATE goods SET name = name", [("goods", "ACCESS EXCLUSIVE")]),
    ],
)
async def test_who_is_in_the_way_now_is_named(
    busy: "Shop", held: str, planned_statement: str, told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LONG_SECONDS", 0.1)
    async with transaction(busy, held):
        found, _ = await planned(busy, text(planned_statement))
    assert [(entry.table, entry.mode) for entry in found.waiting] == told
    assert all(entry.application == "the till" for entry in found.waiting)
    assert found.exit_code == 1 or not told
    if told == [("goods", "ACCESS EXCLUSIVE")]:
        assert found.tables == ()  # whoever has shut it keeps its size from us as well


async def test_a_deploy_that_would_refuse_is_no_plan(busy: "Shop") -> None:
    (busy.folder / "0002_prices.py").write_text(text("SELECT 1"), encoding="utf-8")
    with pytest.raises(Problem) as raised:
        await plan(busy.target)
    assert raised.value.code == "edited_migration"


def test_conflicts_are_mutual_and_as_documented() -> None:
    pairs = {(a, b) for a in LOCK_MODES for b in LOCK_MODES if conflicts(a, b)}
    assert pairs == {(b, a) for a, b in pairs}
    assert len(pairs) == 38  # crosses in table 13.2
    assert not conflicts("SHARE", "SHARE")
    assert conflicts("SHARE UPDATE EXCLUSIVE", "SHARE UPDATE EXCLUSIVE")


T = ("table", "t")
BASE: Catalog = {
    T: {"owner": "o", "grants": {"s": ["SELECT", "INSERT"]}},
    ("column", "t.a"): {"table": "t", "type": "character varying(10)", "not null": False},
    ("column", "t.b"): {"table": "t", "type": "integer", "not null": True, "default": "0"},
    ("enum", "e"): {"labels": ["A", "B"], "owner": "o", "grants": {}},
    ("constraint", "t.c"): {
        "table": "t",
        "definition": "CHECK (((a)::text = ANY (ARRAY['x'::text, 'y'::text])))",
    },
    ("index", "u"): {"table": "t", "definition": "CREATE UNIQUE INDEX u ON public.t USING btree (a)"},
}


COLUMN = {"table": "t", "type": "integer", "not null": False}
UNIQUE = "CREATE UNIQUE INDEX {} ON public.t USING btree ({})"
CHECK = {"table": "t", "definition": "CHECK ((b > 0))"}


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({("column", "t.n"): COLUMN}, []),
        ({("column", "t.n"): COLUMN | {"not null": True, "default": "0"}}, []),
        ({("column", "t.n"): COLUMN | {"not null": True}}, ["t.n"]),
        ({("column", "t.a"): None}, ["t.a"]),
        ({T: None, ("column", "t.a"): None, ("column", "t.b"): None, ("constraint", "t.c"): None}, ["t"]),
        ({("column", "t.a"): BASE["column", "t.a"] | {"not null": True}}, ["t.a"]),
        ({("column", "t.a"): BASE["column", "t.a"] | {"type": "character varying(20)"}}, ["(t.a)"]),
        ({("column", "t.a"): BASE["column", "t.a"] | {"type": "text"}}, ["(t.a)"]),
        ({("column", "t.a"): BASE["column", "t.a"] | {"type": "character varying(5)"}}, ["t.a"]),
        ({("column", "t.b"): BASE["column", "t.b"] | {"type": "bigint"}}, ["(t.b)"]),
        ({("column", "t.b"): BASE["column", "t.b"] | {"type": "smallint"}}, ["t.b"]),
        ({("column", "t.b"): {"table": "t", "type": "integer", "not null": True}}, ["t.b"]),
        ({("enum", "e"): BASE["enum", "e"] | {"labels": ["A", "B", "C"]}}, []),
        ({("enum", "e"): BASE["enum", "e"] | {"labels": ["A"]}}, ["e"]),
        ({T: {"owner": "o", "grants": {"s": ["SELECT"]}}}, ["t"]),
        ({T: {"owner": "o", "grants": {"s": ["SELECT", "INSERT", "UPDATE"]}}}, []),
        ({T: BASE[T] | {"row security": "on"}}, ["t"]),
        ({("constraint", "t.k"): CHECK}, ["t.k"]),
        ({("constraint", "t.c"): None}, []),
        ({("constraint", "t.c"): None, ("constraint", "t.d"): BASE["constraint", "t.c"]}, []),
        ({("constraint", "t.c"): {"table": "t", "definition": BASE["constraint", "t.c"]["definition"].replace(
            "'y'::text", "'y'::text, 'z'::text")}}, []),
        ({("constraint", "t.c"): {"table": "t", "definition": BASE["constraint", "t.c"]["definition"].replace(
            ", 'y'::text", "")}}, ["t.c"]),
        ({("column", "t.n"): COLUMN, ("constraint", "t.k"): {"table": "t", "definition": "CHECK ((n > 0))"}}, []),
        ({("column", "t.n"): COLUMN, ("constraint", "t.c"): {"table": "t", "definition": "CHECK ((n > 0))"}}, []),
        ({("column", "t.n"): COLUMN, ("constraint", "t.k"): {"table": "t", "definition": "CHECK ((n <> 'a'))"}}, []),
        ({("index", "u"): None}, ["u"]),
        ({("index", "u"): None, ("index", "v"): {"table": "t", "definition": UNIQUE.format("v", "a")}}, []),
        ({("index", "v"): {"table": "t", "definition": UNIQUE.format("v", "b")}}, ["v"]),
        ({("index", "v"): {"table": "t", "definition": "CREATE INDEX v ON public.t USING btree (b)"}}, []),
        ({("table", "n"): BASE[T], ("column", "n.a"): COLUMN | {"table": "n", "not null": True}}, []),
    ],
)  # fmt: skip
def test_what_running_code_loses(change: dict[Key, Any], broken: list[str]) -> None:
    """In parentheses: what fails once in each connection only."""
    after = {key: facts for key, facts in (BASE | change).items() if facts is not None}
    found = compatibility(BASE, after)
    assert [entry.name if entry.lasting else f"({entry.name})" for entry in found] == broken


def test_not_null_breaks_nothing_where_a_check_has_kept_null_out() -> None:
    before = BASE | {("constraint", "t.n"): {"table": "t", "definition": "CHECK ((a IS NOT NULL))"}}
    after = before | {("column", "t.a"): BASE["column", "t.a"] | {"not null": True}}
    assert compatibility(before, after) == ()

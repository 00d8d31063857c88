"""What explain says of planted cases, what it refuses, and that it leaves nothing behind."""

from typing import TYPE_CHECKING, Any

import pytest

import orion_db
from orion_db import scratch
from orion_db.errors import Exit, Problem
from orion_db.explain.advice import advise
from orion_db.explain.conditions import read_conditions, split_and
from orion_db.explain.plan import blame, draw, read_plan
from orion_db.explain.relations import Index, Relation
from orion_db.explain.run import explain
from orion_db.explain.sql import read_statement
from orion_db.explain.trial import explain_and_try

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

ORDERS = '''
"""Orders."""
from alembic import op

phase = "pre"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE orders (
          id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_orders PRIMARY KEY,
          customer integer NOT NULL, city varchar(40) NOT NULL, country varchar(40) NOT NULL,
          placed_at timestamptz NOT NULL DEFAULT now(), cancelled_at timestamptz
        )""")
    op.execute("CREATE INDEX ix_orders_cancelled ON orders (placed_at) WHERE cancelled_at IS NOT NULL")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO orion_shop_service")
    op.execute("CREATE TABLE takings (day date)")
    op.execute("CREATE TABLE visits (number integer, place integer) PARTITION BY RANGE (number)")
    op.execute("CREATE TABLE visits_low PARTITION OF visits FOR VALUES FROM (0) TO (20000)")
    op.execute("CREATE TABLE visits_default PARTITION OF visits DEFAULT")
    op.execute("GRANT SELECT ON visits TO orion_shop_service")


def downgrade() -> None:
    op.execute("DROP TABLE orders, takings, visits")
'''

FILL = """
INSERT INTO orders (customer, city, country, placed_at)
SELECT n % 5000, 'city ' || n % 50, 'country ' || n % 50, timestamptz '2026-01-01' + n * interval '1 minute'
FROM generate_series(1, 30000) AS n
"""
FILL_VISITS = "INSERT INTO visits SELECT n, n % 3000 FROM generate_series(1, 40000) AS n"


@pytest.fixture
async def orders(shop: "Shop") -> "Shop":
    """30,000 orders, six of each customer, and 40,000 visits in two partitions."""
    shop.write("0003_orders", ORDERS)
    await orion_db.initialize(shop.target)
    for statement in (FILL, FILL_VISITS, "ANALYZE orders", "ANALYZE visits"):
        await shop.run(statement)
    return shop


async def test_a_missing_index_is_named_and_measured_on_a_copy(orders: "Shop", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "PREFIX", f"{orders.database}_")  # other tests make theirs at the same time
    query = "SELECT * FROM orders WHERE customer = :customer AND cancelled_at IS NULL AND placed_at > :day"
    values = {"customer": "42", "day": "2026-01-01"}
    indexes = await orders.run("SELECT indexrelid FROM pg_index ORDER BY 1")
    found = await explain_and_try(orders.target, query, values)
    plan, trial = found.plans[0], found.trial
    assert plan.was_run and not plan.rolled_back
    assert plan.costliest == "Seq Scan on orders"
    assert plan.blame.endswith("goes into Seq Scan on orders: 30,000 rows read, 6 kept by the filter")
    wanted = "CREATE INDEX CONCURRENTLY ON orders (customer, placed_at) WHERE cancelled_at IS NULL;"
    assert [advice.index for advice in plan.advice] == [wanted]
    assert trial is not None and trial.index == wanted and trial.is_used
    assert trial.after_ms * 3 < trial.before_ms
    assert trial.size_bytes > 0 and any("orion_tried_index" in line for line in trial.tree)
    assert await orders.run("SELECT indexrelid FROM pg_index ORDER BY 1") == indexes
    left = f"SELECT datname FROM pg_database WHERE starts_with(datname, '{orders.database}_')"
    assert await orders.run(left) == []


async def test_partitions_speak_for_their_table(orders: "Shop") -> None:
    found = await explain_and_try(orders.target, "SELECT * FROM visits WHERE place = 7", {})
    assert [advice.index for advice in found.plans[0].advice] == ["CREATE INDEX ON visits (place);"]
    assert found.trial is not None and found.trial.is_used and found.trial.tables == ("visits",)


async def test_a_wrong_estimate_is_marked(orders: "Shop") -> None:
    query = "SELECT count(*) FROM orders WHERE city = 'city 7' AND country = 'country 7'"
    found = await explain(orders.target, query, {})
    scan = next(node for node in found.plans[0].root.walk() if node.relation == "orders")
    assert scan.wrong_by is not None and scan.wrong_by > 10
    assert any("wrong by" in line for line in found.plans[0].tree)


async def test_an_index_that_could_not_be_used_says_why(orders: "Shop") -> None:
    found = await explain(orders.target, "SELECT * FROM orders WHERE placed_at > '2026-01-21 19:50Z'", {})
    (advice,) = found.plans[0].advice
    assert advice.index is None
    assert "ix_orders_cancelled has these columns but holds only rows with cancelled_at IS NOT NULL" in advice.why


async def test_a_change_is_measured_and_leaves_nothing(orders: "Shop") -> None:
    query = "INSERT INTO orders (customer, city, country) VALUES (:customer, 'x', 'y')"
    found = await explain(orders.target, query, {"customer": "1"})
    assert found.plans[0].rolled_back and found.plans[0].wal_bytes > 0
    assert any("numbers it took from sequences are gone" in line for line in found.in_words())
    assert await orders.run("SELECT * FROM orders WHERE city = 'x'") == []
    assert (await orders.run("DELETE FROM orders WHERE id = 1 RETURNING id")) != []


async def test_it_is_run_with_the_services_own_rights_and_reads_only_read(orders: "Shop") -> None:
    for query, why in (
        ("SELECT * FROM takings", "permission denied for table takings"),
        ("SELECT txid_current(), set_config('role', 'none', true), lo_create(0)", "read-only transaction"),
    ):
        with pytest.raises(Problem) as caught:
            await explain(orders.target, query, {})
        assert caught.value.code == "explain_failed" and why in caught.value.why


async def test_without_all_values_the_plan_for_any_is_shown_and_nothing_is_run(orders: "Shop") -> None:
    query = "DELETE FROM orders WHERE customer = :customer AND city = $1"
    found = await explain(orders.target, query, {"1": "city 1"})
    plan = found.plans[0]
    assert plan.is_generic and not plan.was_run and not plan.rolled_back
    assert any("orders.customer = $1" in line for line in plan.tree)


async def test_what_lasts_is_refused_when_run_and_planned_when_not(orders: "Shop") -> None:
    query = "SELECT pg_terminate_backend(id) FROM orders"
    for spelt in (
        query,
        query.replace("d(", "d /* (1) */ ("),
        query.replace("pg_t", 'pg_catalog."pg_t').replace("d(", 'd"('),
        "SELECT pg_replication_slot_advance('slot', '0/1')",
    ):
        with pytest.raises(Problem, match="whose effect no rollback takes back"):
            await explain(orders.target, spelt, {})
    found = await explain(orders.target, query, {}, run=False)
    assert not found.plans[0].was_run


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "-- nothing",
        "SELECT 1; DROP TABLE orders",
        "SELECT 1;;",
        "COMMIT",
        "COPY orders TO PROGRAM 'rm -rf /'",
        "DO $$ BEGIN COMMIT; END $$",
        "CALL anything()",
        "CREATE INDEX ON orders (customer)",
        "VACUUM orders",
        "EXPLAIN ANALYZE DELETE FROM orders",
        "PREPARE x AS SELECT 1",
    ],
)
def test_refused(statement: str) -> None:
    with pytest.raises(Problem) as caught:
        read_statement(statement, {})
    assert (caught.value.code, caught.value.exit_code) == ("not_explainable", Exit.REFUSED)


def test_placeholders_stand_outside_of_quotes_and_casts() -> None:
    typed = """SELECT ':a', "b:c", $$ $1 :d $$, x::text /* :e */ FROM t WHERE i = :i AND j = $2 AND s = ';' -- :f"""
    read = read_statement(typed, {"i": "it's"})
    assert "i = 'it''s' AND j = $1 AND s = ';'" in read.sql and read.unknown == 1 and read.reads_only
    assert read_statement("SELECT 1;", {}).sql == "SELECT 1"
    assert not read_statement("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", {}).reads_only
    assert not read_statement("SELECT * FROM t FOR NO KEY UPDATE", {}).reads_only
    with pytest.raises(Problem, match="has no placeholder 'b'"):
        read_statement("SELECT :a", {"a": "1", "b": "2"})


def test_conditions_are_read_back() -> None:
    written = (
        "((t.a = 1) AND ((t.b)::text = 'x AND y'::text) AND (t.c IS NULL) AND (NOT t.d) AND (t.e > u.f) AND (u.g = 3))"
    )
    assert len(split_and(written)) == 6
    found = [(each.column, each.use, each.constant, each.other) for each in read_conditions(written, "t")]
    assert found == [
        ("a", "equal", False, None),
        ("b", "equal", False, None),
        ("c", "null", True, None),
        ("d", "equal", True, None),
        ("e", "range", False, "u.f"),
    ]
    assert [each.use for each in read_conditions("(lower((t.a)::text) = 'x'::text)", "t")] == ["expression"]
    assert read_conditions("((t.a = 1) OR (t.b = 2))", "t") == []


def _scan(relation: str, *, rows: float, loops: float = 1, removed: float = 0, **more: Any) -> dict[str, Any]:
    times = {"Actual Rows": rows, "Actual Loops": loops, "Actual Total Time": 1.0, "Plan Rows": rows}
    scan = {"Node Type": "Seq Scan", "Relation Name": relation, "Alias": relation, "Rows Removed by Filter": removed}
    return scan | times | more


def test_the_inner_side_of_a_nested_loop() -> None:
    loop: dict[str, Any] = {
        "Node Type": "Nested Loop",
        "Actual Rows": 100,
        "Actual Loops": 1,
        "Actual Total Time": 200.0,
        "Plan Rows": 100,
    }
    loop |= {"Join Filter": "(outer_.id = items.order_id)", "Rows Removed by Join Filter": 99_900}
    loop["Plans"] = [_scan("outer_", rows=100), _scan("items", rows=1000, loops=100)]
    root = read_plan(loop)
    (advice,) = advise(root, {"items": Relation("items", None, 500, ()), "outer_": Relation("outer_", None, 5, ())})
    assert advice.index == "CREATE INDEX CONCURRENTLY ON items (order_id);"
    assert root.children[1].total_ms == 100 and root.self_ms == 99
    assert "kept by the join's condition" not in blame(root) and len(draw(root)) >= 5


def test_a_sort_on_disk_wants_an_index_in_that_order() -> None:
    scan = _scan("orders", rows=100_000, Filter="(orders.customer = 1)")
    sort = {"Node Type": "Sort", "Sort Key": ["orders.placed_at DESC", "orders.id"], "Sort Space Type": "Disk"}
    sort |= {"Actual Rows": 100_000, "Actual Loops": 1, "Actual Total Time": 9.0, "Plan Rows": 1, "Plans": [scan]}
    (advice,) = advise(read_plan(sort), {"orders": Relation("orders", None, 500, ())})
    assert advice.index == "CREATE INDEX CONCURRENTLY ON orders (customer, placed_at DESC, id);"


def test_an_index_that_is_there_is_not_suggested_again() -> None:
    scan = _scan("orders", rows=1, removed=50_000, Filter="(orders.customer = 1)")
    broken = Index("ix_orders_customer", ("customer",), None, "btree", is_valid=False)
    (advice,) = advise(read_plan(scan), {"orders": Relation("orders", None, 500, (broken,))})
    assert advice.index is None and "ix_orders_customer has these columns but is INVALID" in advice.why


async def test_the_time_of_foreign_keys_is_told(shop: "Shop") -> None:
    await orion_db.initialize(shop.target)
    await shop.run("INSERT INTO goods SELECT n, 'x' FROM generate_series(10, 2000) AS n")
    await shop.run("GRANT DELETE ON goods TO orion_shop_service")
    (plan,) = (await explain(shop.target, "DELETE FROM goods", {})).plans
    (trigger,) = plan.triggers
    assert (trigger.name, trigger.table) == ("prices_goods_id_fkey", "goods") and trigger.calls >= 1991
    assert plan.blame.startswith("most time") and "goes into the trigger prices_goods_id_fkey on goods" in plan.blame


def test_a_sort_over_partitions_wants_the_tables_index() -> None:
    parts = [
        _scan(f"visits_{n}", rows=5000, Alias=f"visits_{n}", Filter=f"(visits_{n}.city = 'x'::text)") for n in (1, 2)
    ]
    append = {"Node Type": "Append", "Actual Rows": 10_000, "Actual Loops": 1, "Plan Rows": 9, "Plans": parts}
    sort: dict[str, Any] = {"Node Type": "Sort", "Sort Key": ["visits.seen_at DESC"], "Sort Method": "top-N heapsort"}
    sort |= {"Actual Rows": 10, "Actual Loops": 1, "Actual Total Time": 9.0, "Plan Rows": 10, "Plans": [append]}
    relations = {f"visits_{n}": Relation(f"visits_{n}", "visits", 500, ()) for n in (1, 2)}
    assert [each.index for each in advise(read_plan(sort), relations)] == [
        "CREATE INDEX ON visits (city, seen_at DESC);"
    ]


def test_who_is_stopped_early_has_not_been_misjudged() -> None:
    scan = _scan("orders", rows=10) | {"Plan Rows": 8000}
    limit = {"Node Type": "Limit", "Actual Rows": 10, "Actual Loops": 1, "Actual Total Time": 1.0, "Plan Rows": 10}
    assert read_plan(limit | {"Plans": [scan]}).children[0].wrong_by is None
    assert read_plan(scan).wrong_by == 800


def test_workers_times_do_not_add_up() -> None:
    scan = _scan("orders", rows=1000, loops=3)
    gather = {"Node Type": "Gather", "Workers Launched": 2, "Actual Rows": 3000, "Actual Loops": 1, "Plan Rows": 3000}
    root = read_plan(gather | {"Actual Total Time": 1.5, "Plans": [scan]})
    assert root.children[0].rows == 3000 and root.children[0].total_ms == 1.0 and root.self_ms == 0.5

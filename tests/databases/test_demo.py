"""Demo users in all three databases: the same ones every time, none twice, valid by every constraint."""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from tests.databases.conftest import fetch

import orion_db
from orion_core.demo import DOMAIN, MOST, demo_user, user_id
from orion_core.ids import uuid7_time
from orion_core.service import installed_services
from orion_core.testing.plugin import MakeDatabase
from orion_db.demo import fill
from orion_db.demo.fill import DemoSeeding, seed_demo
from orion_db.demo.forecast import forecast
from orion_db.errors import Exit, Problem
from orion_db.explain import advice
from orion_db.explain.named import named_statements
from orion_db.explain.run import explain
from orion_db.explain.trial import explain_and_try
from orion_db.observe.size import sizes
from orion_db.observe.stats import stats
from orion_db.observe.top import look_once
from orion_db.progress import Step

if TYPE_CHECKING:
    from tests.databases.conftest import Server

USERS = 1_000
FEW = 200
NAMES = ("auth", "notifications", "user")

IN_DEFAULT_PARTITIONS = """
SELECT relid::regclass::text FROM pg_stat_user_tables WHERE relname ~ '_default$' AND n_live_tup > 0
"""

MakeTarget = Callable[[str], Awaitable[orion_db.Target]]

# What is a database's own: ids of its roles, its transactions, and the hash that names them.
OWN = "'role_id' - 'transaction_id' - 'leaf_hash'"


@pytest.fixture
def make_target(make_database: MakeDatabase) -> MakeTarget:
    """A migrated database of a service, with its reference rows."""

    async def make(name: str) -> orion_db.Target:
        made = await make_database(name)
        target = orion_db.Target(installed_services()[name], made.url, made.owner_url)
        await orion_db.seed(target, profile="reference")
        return target

    return make


async def rows_of(target: orion_db.Target, seeding: DemoSeeding) -> set[tuple[str, str]]:
    """The demo's rows, as text."""
    found: set[tuple[str, str]] = set()
    for table in seeding.inserted:
        rows = await fetch(target.owner_url, f"SELECT (to_jsonb(t) - {OWN})::text FROM {table} AS t")
        found |= {(table, row[0]) for row in rows}
    return found


async def test_the_same_rows_everywhere_and_the_three_agree(make_target: MakeTarget) -> None:
    targets = {name: await make_target(name) for name in NAMES}
    for target in targets.values():
        first = await seed_demo(target, users=USERS)
        written = await rows_of(target, first)
        assert first.users_inserted == USERS and len(written) == sum(first.inserted.values())
        again = await seed_demo(target, users=USERS)
        assert (again.inserted, again.users_inserted) == ({}, 0)
        larger = await make_target(target.service.name)
        await seed_demo(larger, users=USERS + 200)
        assert await rows_of(larger, first) > written
        assert await fetch(target.owner_url, IN_DEFAULT_PARTITIONS) == []
    assert (await orion_db.status(targets["auth"])).exit_code == Exit.OK  # partitions of past months are no drift
    await _check_agreement(targets["auth"].owner_url, targets["notifications"].owner_url, targets["user"].owner_url)


async def _check_agreement(auth: str, notifications: str, user: str) -> None:
    people = (
        await fetch(auth, "SELECT id, email FROM identities"),
        await fetch(user, "SELECT id, email FROM users"),
        await fetch(notifications, "SELECT user_id, email FROM user_preferences"),
    )
    first, second, third = ({tuple(row) for row in rows} for rows in people)
    assert first == second == third and len(first) == USERS
    begun = await fetch(auth, "SELECT DISTINCT session_id, user_id FROM auth_tokens")
    seen = await fetch(user, "SELECT token, user_id FROM sessions")
    assert {tuple(row) for row in begun} == {tuple(row) for row in seen}
    assert await fetch(notifications, "SELECT FROM notification_queue") == []
    unsent = "SELECT FROM notifications WHERE queued_at > now() OR status IN ('QUEUED', 'PROCESSING')"
    assert await fetch(notifications, unsent) == []


async def test_broken_off_it_goes_on_where_it_was(make_target: MakeTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken = await make_target("user"), await make_target("user")
    monkeypatch.setattr(fill, "FEWEST", FEW)
    expected = await seed_demo(whole, users=FEW)
    monkeypatch.setattr(fill, "CHUNK", 30)

    def stop(step: Step) -> None:
        if step.share is not None and step.share > 0.5:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        await seed_demo(broken, users=FEW, progress=stop)
    (count,) = await fetch(broken.owner_url, "SELECT count(*) FROM users")
    assert count[0] == 120
    assert (await seed_demo(broken, users=FEW)).users_inserted == 80
    assert await rows_of(broken, expected) == await rows_of(whole, expected)


async def test_refusals(make_target: MakeTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    target = await make_target("auth")
    monkeypatch.setattr(fill, "FEWEST", FEW)
    await seed_demo(target, users=FEW, seed=7)
    for users, seed, production, code in (
        (FEW, None, True, "production_database"),
        (FEW - 1, None, False, "wrong_size"),
        (MOST + 1, None, False, "wrong_size"),
        (FEW, 8, False, "other_demo_seed"),
    ):
        with pytest.raises(Problem) as caught:
            await seed_demo(target, users=users, seed=seed, production=production)
        assert caught.value.code == code
    assert (await seed_demo(target, users=FEW)).seed == 7
    await fetch(target.owner_url, f"COMMENT ON DATABASE {target.database} IS 'orion.environment = ''production'''")
    with pytest.raises(Problem) as caught:
        await seed_demo(target, users=FEW)
    assert caught.value.code == "production_database"


async def test_the_forecast_is_near_and_writes_nothing(make_target: MakeTarget) -> None:
    target = await make_target("notifications")
    expected = await forecast(target, users=USERS, seed=None, production=False)
    assert await fetch(target.owner_url, "SELECT FROM notifications") == []
    done = await seed_demo(target, users=USERS)
    assert expected.rows == done.inserted


async def test_also_on_postgresql_15(debian_15: "Server", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "FEWEST", FEW)
    monkeypatch.setattr(advice, "WORTH_ROWS", FEW)
    for service in installed_services().values():
        target = debian_15.target(service, f"demo_{service.name}")
        try:
            await orion_db.initialize(target)
            assert (await seed_demo(target, users=FEW)).users_inserted == FEW
            if service.name == "auth":
                await _observe(target)
        finally:
            await debian_15.drop(target.database)


async def _observe(target: orion_db.Target) -> None:
    found = await explain(target, "identities.find_by_email", {})
    assert found.plans[0].is_generic and "uq_identities_email" in found.plans[0].costliest
    tried = await explain_and_try(target, "SELECT * FROM identities WHERE locale = 'xx'", {})
    assert tried.trial is not None and tried.trial.tables == ("identities",) and tried.trial.size_bytes > 0
    assert next(each for each in (await sizes(target)).tables if each.name == "identities").rows >= FEW
    assert {each.name for each in (await stats(target)).tables} >= {"identities", "auth_tokens"}
    assert (await look_once(target, 0.1)).connections >= 1


@pytest.mark.parametrize("name", NAMES)
async def test_every_named_statement_can_be_planned(name: str, make_target: MakeTarget) -> None:
    target = await make_target(name)
    statements = named_statements(target.service)
    callable_ones = [statement for statement in statements if statement.not_explainable is None]
    assert len(callable_ones) * 2 > len(statements)
    for statement in callable_ones:
        found = await explain(target, statement.name, {}, run=False)
        assert found.plans and not any(plan.was_run for plan in found.plans), statement.name


async def test_a_named_statement_runs_as_the_service_sends_it(
    make_target: MakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await make_target("auth")
    monkeypatch.setattr(fill, "FEWEST", FEW)
    await seed_demo(target, users=FEW)
    someone = demo_user(1, 1, datetime.now(UTC).date())
    found = await explain(target, "identities.find_by_email", {"email": someone.email})
    (plan,) = found.plans
    assert (
        plan.was_run and plan.root.rows == 1 and plan.costliest == "Index Scan using uq_identities_email on identities"
    )
    standing = "SELECT status FROM identities ORDER BY id"
    before = await fetch(target.owner_url, standing)
    changed = await explain(target, "identities.suspend", {"identity_id": str(someone.id)})
    assert changed.plans[0].rolled_back and await fetch(target.owner_url, standing) == before
    for values, code in (({"identity_id": "x"}, "wrong_argument"), ({"id": "x"}, "wrong_argument")):
        with pytest.raises(Problem) as caught:
            await explain(target, "identities.find", values)
        assert caught.value.code == code
    with pytest.raises(Problem, match="no statement called"):
        await explain(target, "identities.lose", {})


def test_a_user_follows_from_the_number_alone() -> None:
    day = datetime(2026, 11, 1, tzinfo=UTC).date()
    assert demo_user(12_345, 1, day) == demo_user(12_345, 1, day)
    assert demo_user(12_345, 2, day).id == demo_user(12_345, 1, day).id == user_id(12_345)
    ids = {user_id(number) for number in range(1, 20_000)}
    assert len(ids) == 19_999 and all(each.version == 7 for each in list(ids)[:100])
    # Evenly over the time, however few they are: a hundred in 700 days have no gap of two weeks.
    times = sorted(uuid7_time(user_id(number)) for number in range(1, 101))
    assert max((after - before).days for before, after in pairwise(times)) < 15
    assert all(demo_user(number, 1, day).email.endswith(f"@{DOMAIN}") for number in range(1, 50))

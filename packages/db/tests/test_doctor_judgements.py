"""Judgements know nothing but the numbers they are given: what no test can plant in a server is judged here."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_core.service import installed_services
from orion_db.doctor.autovacuum import Changes, insert_threshold, vacuum_threshold
from orion_db.doctor.checks import BY_ID, CHECKS, GROUPS, WEIGHTS
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.report import sparkline
from orion_db.doctor.score import score
from orion_db.doctor.server import Server
from orion_db.errors import Problem
from orion_db.maintain.limits import read_limits
from orion_db.targets import Target

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GB = 1 << 30

SERVER = Server(
    target=Target(installed_services()["user"], "postgresql://service@host/users", "postgresql://owner@host/users"),
    version=180001,
    now=NOW,
    sees_all=True,
    production=True,
    settings={
        "autovacuum_vacuum_threshold": ("50", ""),
        "autovacuum_vacuum_scale_factor": ("0.2", ""),
        "autovacuum_vacuum_max_threshold": ("100000000", ""),
        "autovacuum_vacuum_insert_threshold": ("1000", ""),
        "autovacuum_vacuum_insert_scale_factor": ("0.2", ""),
        "autovacuum_freeze_max_age": ("200000000", ""),
        "autovacuum_multixact_freeze_max_age": ("400000000", ""),
        "max_connections": ("100", ""),
        "superuser_reserved_connections": ("3", ""),
        "checkpoint_timeout": ("300", "s"),
        "max_wal_size": ("1024", "MB"),
        "max_slot_wal_keep_size": ("-1", "MB"),
    },
    extensions={},
    exact=False,
    memory_bytes=16 * GB,
    statistics_since=NOW - timedelta(days=30),
)

findings = st.lists(
    st.builds(
        Finding,
        check=st.sampled_from(sorted(WEIGHTS)),
        severity=st.sampled_from(Severity),
        object=st.just("a"),
        what=st.just("b"),
    ),
    max_size=40,
)


def judge(check: str, *rows: dict[str, Any], server: Server = SERVER) -> list[Finding]:
    return list(BY_ID[check].judge(rows, server))


@given(findings, findings)
def test_one_finding_more_never_raises_the_score(some: list[Finding], more: list[Finding]) -> None:
    assert 0 <= score([*some, *more], WEIGHTS) <= score(some, WEIGHTS) <= 100


@given(findings)
def test_infos_cost_nothing_and_warnings_do(some: list[Finding]) -> None:
    ill = [finding for finding in some if finding.severity is not Severity.INFO]
    assert score(some, WEIGHTS) == score(ill, WEIGHTS)
    assert (score(some, WEIGHTS) == 100) is not bool(ill)


def test_one_critical_finding_of_the_worst_kind_is_not_hidden_by_health_elsewhere() -> None:
    assert score([Finding("wraparound-database", Severity.CRITICAL, "a", "b")], WEIGHTS) == 70


def test_autovacuum_is_reckoned_as_its_documentation_says() -> None:
    million = Changes(1_000_000)
    assert vacuum_threshold(SERVER, {}, million) == 200_050
    assert vacuum_threshold(SERVER, {}, Changes(-1)) == 50
    assert vacuum_threshold(SERVER, {"autovacuum_vacuum_scale_factor": "0.01"}, million) == 10_050
    assert vacuum_threshold(SERVER, {}, Changes(10_000_000_000)) == 100_000_000  # the maximum of version 18
    assert vacuum_threshold(SERVER, {"autovacuum_vacuum_max_threshold": "-1"}, Changes(10**10)) == 2_000_000_050
    assert insert_threshold(SERVER, {}, Changes(1_000_000, frozen_share=0.9)) == pytest.approx(21_000)
    assert insert_threshold(replace(SERVER, version=150000), {}, Changes(1_000_000, frozen_share=0.9)) == 201_000
    assert insert_threshold(SERVER, {"autovacuum_vacuum_insert_threshold": "-1"}, million) is None


@pytest.mark.parametrize(
    ("age", "multixacts", "severity"),
    [
        (250_000_000, 0, None),
        (310_000_000, 0, Severity.WARNING),
        (1_600_000_000, 0, Severity.CRITICAL),
        (0, 700_000_000, Severity.WARNING),
        (0, 1_900_000_000, Severity.CRITICAL),
    ],
)
def test_wraparound_of_a_database(age: int, multixacts: int, severity: Severity | None) -> None:
    found = judge("wraparound-database", {"database": "users", "here": True, "age": age, "multixact_age": multixacts})
    assert [finding.severity for finding in found] == ([severity] if severity else [])


def test_a_slot_that_nobody_reads_is_critical_when_nothing_limits_it() -> None:
    row = {"name": "gone", "type": "physical", "wal_status": "extended", "retained": 5 * GB}
    (finding,) = judge("inactive-slot", row)
    assert finding.severity is Severity.CRITICAL
    assert finding.fix == ("SELECT pg_drop_replication_slot('gone')",)
    limited = replace(SERVER, settings={**SERVER.settings, "max_slot_wal_keep_size": ("10240", "MB")})
    assert judge("inactive-slot", row, server=limited)[0].severity is Severity.WARNING
    assert not judge("inactive-slot", {**row, "retained": 1000})


def test_connections_that_run_out() -> None:
    row = {"state": "idle", "application": "auth", "count": 90}
    (finding,) = judge("connections", row)
    assert finding.severity is Severity.CRITICAL
    assert "90 of 97" in finding.what
    assert not judge("connections", {**row, "count": 50})


def test_a_cache_is_judged_only_after_enough_traffic() -> None:
    assert not judge("cache-hits", {"of": "tables", "hit": 10, "read": 90})
    (finding,) = judge("cache-hits", {"of": "tables", "hit": 1_000_000, "read": 1_000_000})
    assert finding.severity is Severity.WARNING
    assert not judge("cache-hits", {"of": "tables", "hit": None, "read": None})


def test_checkpoints_that_come_because_wal_is_full() -> None:
    since = NOW - timedelta(hours=1)
    (finding,) = judge("checkpoints", {"timed": 10, "requested": 90, "stats_reset": since})
    assert finding.fix[0] == "ALTER SYSTEM SET max_wal_size = '4096MB'"
    assert not judge("checkpoints", {"timed": 90, "requested": 10, "stats_reset": since})


def test_the_log_is_to_keep_its_files() -> None:
    def found(megabytes: str) -> set[str]:
        server = replace(SERVER, settings={**SERVER.settings, "min_wal_size": (megabytes, "MB")})
        return {finding.object for finding in judge("planner-settings", server=server)}

    assert "min_wal_size" in found("80")
    assert "min_wal_size" not in found("1024")


def test_statements_are_slow_or_dear() -> None:
    row = {"id": "7", "query": "SELECT 1", "calls": 1000, "mean_ms": 250.0, "total_ms": 250_000.0, "share": 0.5}
    assert [finding.severity for finding in judge("slow-statement", row)] == [Severity.WARNING]
    assert [finding.severity for finding in judge("dear-statement", row)] == [Severity.INFO]
    assert not judge("slow-statement", {**row, "calls": 3})


def test_what_others_wrote_gives_the_terminal_no_orders() -> None:
    query = "SELECT 1 /* \x1b[2J\x9b31m\n\u202e */"
    statement = {"id": "7", "query": query, "calls": 1000, "mean_ms": 250.0, "total_ms": 250_000.0, "share": 0.5}
    session = {"pid": 1, "login": "a", "application": "b", "state": "active", "query": query}
    since = NOW - timedelta(hours=2)
    found = judge("slow-statement", statement) + judge("dear-statement", statement)
    found += judge("long-transaction", {**session, "began_at": since})
    found += judge("idle-in-transaction", {**session, "state": "idle in transaction", "changed_at": since})
    waiting = {**session, "pid": 2, "blockers": [1], "since": since, "on_table": "t"}
    found += judge("lock-waits", {**session, "blockers": [], "since": None, "on_table": None}, waiting)
    assert [finding.what.isprintable() for finding in found] == [True] * 5


def test_an_unused_index_is_one_only_after_days_of_statistics() -> None:
    row = {"index": "ix", "table": "t", "scans": 0, "bytes": 1 << 24, "partitioned": False, "definition": "CREATE …"}
    assert judge("unused-index", row)
    assert not judge("unused-index", row, server=replace(SERVER, statistics_since=NOW - timedelta(days=3)))
    assert not judge("unused-index", row, server=replace(SERVER, statistics_since=None))


def test_what_is_not_known_to_be_ours_is_not_called_safe() -> None:
    """Without the migrations' catalog nothing is dropped or built by itself."""
    invalid = {
        "index": "ix",
        "table": "t",
        "name": "ix",
        "partitioned": False,
        "bytes": 8192,
        "constrains": False,
        "definition": "CREATE INDEX ix ON t (a)",
        "being_built": False,
    }
    assert not judge("invalid-index", invalid)[0].safe
    known = replace(SERVER, ours={})
    assert judge("invalid-index", invalid, server=known)[0].safe
    assert not judge("invalid-index", {**invalid, "being_built": True}, server=known)
    ours = replace(SERVER, ours={("index", "ix"): {"table": "t"}})
    assert judge("invalid-index", invalid, server=ours)[0].fix == ("REINDEX INDEX CONCURRENTLY ix",)


def test_the_machine_is_judged_only_where_it_is_known() -> None:
    small = replace(SERVER, settings={"shared_buffers": ("16384", "8kB"), "work_mem": ("4096", "kB")})
    assert "shared_buffers" in {finding.object for finding in judge("memory-settings", server=small)}
    assert not judge("memory-settings", server=replace(small, memory_bytes=None))


def test_what_is_deadly_in_production_is_worth_knowing_elsewhere() -> None:
    unsafe = replace(SERVER, settings={"fsync": ("off", "")})
    assert judge("durability", server=unsafe)[0].severity is Severity.CRITICAL
    assert judge("durability", server=replace(unsafe, production=False))[0].severity is Severity.INFO
    missing = {"folder": "/backups", "newest": None, "proved": None}
    assert judge("backup", missing)[0].severity is Severity.CRITICAL
    assert judge("backup", missing, server=replace(SERVER, production=False))[0].severity is Severity.INFO
    assert not judge("backup", {**missing, "newest": NOW, "proved": NOW - timedelta(hours=5)})
    (unproved,) = judge("backup", {**missing, "newest": NOW})
    assert "never proved" in unproved.what and unproved.fix == ("-- orion db backup verify user",)


def test_a_big_table_that_is_read_whole_again_and_again() -> None:
    row = {"table": "t", "scans": 1_000, "rows_read": 10**9, "index_scans": 500, "bytes": GB}
    (finding,) = judge("missing-index", row)
    assert "1.0 GB were read whole 1000 times (1000000 rows each)" in finding.what
    assert not judge("missing-index", {**row, "bytes": 1 << 20}), "a small one is read fastest so"
    assert not judge("missing-index", {**row, "scans": 20}), "a report now and then"
    assert not judge("missing-index", {**row, "index_scans": 10**6}), "one in a thousand"


def test_sorts_that_spill_are_judged_by_the_day() -> None:
    row = {"files": 100, "bytes": 60 * GB, "database": "users"}
    (finding,) = judge("temporary-files", row)
    assert finding.numbers["bytes_a_day"] == 2 * GB
    assert not judge("temporary-files", {**row, "bytes": 20 * GB})
    assert not judge("temporary-files", row, server=replace(SERVER, statistics_since=NOW - timedelta(minutes=5)))


def test_versions_end() -> None:
    assert not judge("end-of-life")
    assert judge("end-of-life", server=replace(SERVER, version=140020))[0].severity is Severity.WARNING
    assert judge("end-of-life", server=replace(SERVER, version=150020, now=NOW + timedelta(days=200)))
    assert not judge("end-of-life", server=replace(SERVER, version=190000))


def test_a_prepared_transaction_that_was_forgotten() -> None:
    row = {"name": "it's", "owner": "app", "prepared_at": NOW - timedelta(hours=2)}
    (finding,) = judge("prepared-transaction", row)
    assert finding.severity is Severity.CRITICAL
    assert finding.fix[-1] == "ROLLBACK PREPARED 'it''s'"


def test_scores_over_time_are_drawn() -> None:
    assert sparkline([0, 50, 100]) == "▁▄█"


@pytest.mark.parametrize(
    ("budget", "until", "end"),
    [
        (None, None, None),
        ("30m", None, NOW + timedelta(minutes=30)),
        ("1h30m", "12:45", NOW + timedelta(minutes=45)),
        (None, "05:00", NOW + timedelta(hours=17)),
    ],
)
def test_limits_are_read(budget: str | None, until: str | None, end: datetime | None) -> None:
    assert read_limits(NOW, budget, until, None).until == end


@pytest.mark.parametrize(("budget", "until"), [("soon", None), ("", "25:00"), ("30", None)])
def test_limits_that_cannot_be_read_are_refused(budget: str, until: str | None) -> None:
    with pytest.raises(Problem, match="is no"):
        read_limits(NOW, budget, until, None)


def test_every_check_is_explained_in_its_document() -> None:
    """docs/doctor.md has each check with what it means and what to do, in the words of the code."""
    document = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text(encoding="utf-8")
    for group, checks in GROUPS.items():
        assert f"### {group}\n" in document
        for check in checks:
            line = f"| `{check.id}` | {check.title}. {check.why} | {check.todo} | {check.weight} |"
            assert line in document, line
    assert document.count("\n| `") == len(CHECKS)

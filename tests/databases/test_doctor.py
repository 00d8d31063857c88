"""A database just made is healthy, on the newest and on the oldest PostgreSQL; a login that sees little says so."""

from typing import TYPE_CHECKING

import asyncpg
import pytest
from sqlalchemy import make_url

import orion_db
from orion_core.service import installed_services
from orion_db.doctor.checks import CHECKS
from orion_db.doctor.examine import doctor, history
from orion_db.doctor.finding import Severity
from orion_db.errors import Exit

if TYPE_CHECKING:
    from tests.databases.conftest import Platform

WORTH_KNOWING = {
    "statements-unknown",  # pg_stat_statements must be loaded by the server
    "durability",  # the servers of the tests write nothing to the disk
    "data-checksums",
    "memory-settings",
    "planner-settings",
    "blind-settings",
    "end-of-life",
}
"""What an untuned server may be told, which costs nothing."""

DATABASES_OWN = [check.id for check in CHECKS if check.id != "checkpoints"]
"""All but the one that tells of the server's other guests: each CREATE DATABASE of a test ends in a checkpoint."""


@pytest.mark.parametrize("service", sorted(installed_services()))
async def test_a_new_database_scores_a_hundred(platform: "Platform", service: str) -> None:
    result = await doctor(platform.targets[service], only=DATABASES_OWN, record=False)
    assert result.score == 100
    assert result.exit_code is Exit.OK
    assert {finding.check for finding in result.findings} <= WORTH_KNOWING
    assert all(finding.severity is Severity.INFO for finding in result.findings)
    assert not result.not_seen


async def test_a_checkup_is_kept_with_sizes_and_is_no_drift(platform: "Platform") -> None:
    target = platform.targets["user"]
    result = await doctor(target)
    assert result.recorded
    (last,) = (await history(target)).checkups[-1:]
    assert last.score == result.score
    assert last.sizes["users"].bytes > 0
    assert "audit_logs" in last.sizes
    assert not any(table.startswith("audit_logs_") for table in last.sizes)
    assert (await orion_db.status(target)).exit_code is Exit.OK


async def test_an_owner_who_is_no_superuser_is_told_what_is_not_seen(platform: "Platform") -> None:
    target = platform.targets["auth"]
    role = target.service.owner_role
    connection = await asyncpg.connect(target.owner_url)
    try:
        await connection.execute(f"CREATE ROLE doctor_test LOGIN PASSWORD 'doctor-test' IN ROLE {role}")
        url = make_url(target.owner_url).set(username="doctor_test", password="doctor-test")
        plain = orion_db.Target(target.service, target.url, url.render_as_string(hide_password=False))
        result = await doctor(plain, only=DATABASES_OWN)
    finally:
        await connection.execute("DROP ROLE IF EXISTS doctor_test")
        await connection.close()
    assert result.score == 100
    unseen = {entry.check: entry.why for entry in result.not_seen}
    assert "pg_monitor" in unseen["long-transaction"]
    assert "pg_hba" in unseen["pg-hba"]
    assert set(unseen) <= {
        "long-transaction",
        "idle-in-transaction",
        "lock-waits",
        "slow-statement",
        "dear-statement",
        "pg-hba",
    }

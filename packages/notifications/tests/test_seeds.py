"""Seeds: complete, done once, and respectful of what an operator has changed."""

from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from orion_core.database import Database
from orion_core.seeds import SAMPLE_USERS, Profile, SeedReport
from orion_notifications.service import service

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query


async def seed(owner: Database, profile: Profile) -> SeedReport:
    async with owner.transaction() as transaction:
        return await service.seed(transaction.connection, profile)


async def test_every_template_is_published_in_five_languages(query: "Query") -> None:
    rows = await query(
        "SELECT t.name, count(*) FROM templates t JOIN template_versions v "
        "ON v.template_id = t.id AND v.version = t.published_version, jsonb_object_keys(v.locales) GROUP BY 1"
    )
    assert len(rows) == 19
    assert {languages for _, languages in rows} == {5}


async def test_sample_users_have_switches_and_quiet_hours(owner: Database, query: "Query") -> None:
    report = await seed(owner, "development")
    assert report.inserted["user_preferences"] == len(SAMPLE_USERS)
    rows = await query(
        "SELECT user_id, email_enabled, sms_enabled, push_enabled, in_app_enabled, quiet_hours_enabled, "
        "quiet_hours_start::text, quiet_hours_end::text, quiet_hours_timezone FROM user_preferences ORDER BY user_id"
    )
    assert [row[0] for row in rows] == [user.id for user in SAMPLE_USERS]
    assert rows[1][1:] == (True, False, True, True, True, "22:00:00", "07:00:00", "Europe/Berlin")


async def test_a_second_run_changes_nothing(owner: Database) -> None:
    await seed(owner, "development")
    again = await seed(owner, "development")
    assert sum(again.inserted.values()) == 0
    assert again.left_alone == {
        "templates": 19,
        "template_versions": 19,
        "notification_rules": 21,
        "user_preferences": 2,
    }


async def test_what_an_operator_did_stays(owner: Database, query: "Query") -> None:
    await query("UPDATE templates SET display_name = 'Hello' WHERE name = 'welcome'")
    await query("UPDATE templates SET deleted_at = now() WHERE name = 'password_reset'")
    assert sum((await seed(owner, "reference")).inserted.values()) == 0
    assert await query("SELECT display_name FROM templates WHERE name = 'welcome'") == [("Hello",)]
    assert await query("SELECT count(*) FROM templates WHERE name = 'password_reset' AND deleted_at IS NULL") == [(0,)]


async def test_a_published_version_never_changes(query: "Query") -> None:
    for statement in ("UPDATE template_versions SET changelog = 'x'", "DELETE FROM template_versions"):
        with pytest.raises(IntegrityError, match="can no longer change"):
            await query(statement)
    with pytest.raises(IntegrityError, match="has no published version 9"):
        await query("UPDATE templates SET published_version = 9")


async def test_the_service_may_not_change_the_schema(query: "Query") -> None:
    for statement in ("CREATE TABLE t ()", "ALTER TABLE templates ADD c int", "DROP TABLE templates"):
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            await query(statement)

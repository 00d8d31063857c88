"""The seed document's lists, one by one: models, enums, indexes with their leading columns, and seed rows."""

from typing import TYPE_CHECKING

import pytest

import orion_db
from orion_core.service import installed_services
from orion_db.documents.models import Models

if TYPE_CHECKING:
    from tests.databases.conftest import Platform

MODELS = {
    "notifications": "Notification Template DeliveryAttempt UserPreference NotificationBatch",
    "user": "User Role Permission UserRole RolePermission UserPermission Session AuditLog ApiKey",
    "auth": "AuthToken LoginAttempt PasswordReset TwoFactorAuth TwoFactorBackupCode Device SessionBlacklist "
    "OAuthProvider SecurityEvent RateLimit",
}

ENUMS = {
    ("notifications", "notifications.channel"): "EMAIL SMS PUSH IN_APP WEBHOOK SLACK DISCORD",
    ("notifications", "notifications.priority"): "LOW NORMAL HIGH URGENT",
    ("notifications", "notifications.status"): "QUEUED PROCESSING SENT DELIVERED FAILED",
    ("user", "permissions.scope"): "GLOBAL ORG TEAM USER",
    ("user", "roles.type"): "SYSTEM CUSTOM",
    ("auth", "two_factor_auth.primary_method"): "TOTP SMS EMAIL HARDWARE_KEY BACKUP_CODE",
}

INDEXES = [
    ("notifications", "notifications", "status priority queued_at"),
    ("notifications", "notifications", "user_id status"),
    ("notifications", "templates", "name channel"),
    ("notifications", "notifications", "tags"),
    ("user", "users", "email"),
    ("user", "users", "username"),
    ("user", "users", "status"),
    ("user", "users", "deleted_at"),
    ("user", "user_roles", "user_id role_id"),
    ("user", "role_permissions", "role_id permission_id"),
    ("user", "user_roles", "role_id"),
    ("user", "audit_logs", "user_id action timestamp"),
    ("user", "sessions", "token"),
    ("user", "sessions", "expires_at"),
    ("auth", "auth_tokens", "token"),
    ("auth", "auth_tokens", "token_hash"),
    ("auth", "login_attempts", "email status attempted_at"),
    ("auth", "login_attempts", "ip_address attempted_at"),
    ("auth", "devices", "user_id device_id"),
    ("auth", "devices", "device_id"),
    ("auth", "devices", "fingerprint"),
    ("auth", "rate_limits", "key"),
    ("auth", "rate_limits", "reset_at"),
]

COLUMNS = {
    (
        "user",
        "users",
    ): "email_verified_at phone_verified_at deleted_at login_count failed_login_count last_failed_login_at "
    "locked_until social_links metadata",
    ("user", "user_roles"): "expires_at starts_at condition assigned_by",
    ("user", "user_preferences"): "notifications privacy display security",
    ("user", "audit_logs"): "old_values new_values session_id duration_ms",
    ("notifications", "user_preferences"): "timezone",
    ("notifications", "notifications"): "attempts max_attempts next_attempt_at scheduled_at tags",
    ("auth", "auth_tokens"): "family_id parent_token_id scopes expires_at rotated_from_id",
    ("auth", "login_attempts"): "is_suspicious risk_score ip_address country city location",
    (
        "auth",
        "two_factor_auth",
    ): "totp_secret sms_phone recovery_email totp_verified_at sms_verified_at email_verified_at",
    ("auth", "oauth_providers"): "refresh_token token_expires_at profile last_synced_at",
}


@pytest.mark.parametrize("service", sorted(MODELS))
async def test_every_model_has_its_table(platform: "Platform", service: str) -> None:
    models = Models(installed_services()[service].metadata)
    tables = {models.name(table): table.name for table in models.tables}
    assert set(MODELS[service].split()) <= tables.keys()
    there = set(await platform.column(service, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
    assert {tables[name] for name in MODELS[service].split()} <= there


@pytest.mark.parametrize(("service", "column"), sorted(ENUMS))
async def test_every_enum_has_its_labels(platform: "Platform", service: str, column: str) -> None:
    table, name = column.split(".")
    labels = await platform.column(
        service,
        f"""SELECT enumlabel FROM pg_enum JOIN pg_attribute ON atttypid = enumtypid
        WHERE attrelid = '{table}'::regclass AND attname = '{name}' ORDER BY enumsortorder""",
    )
    wanted = ENUMS[service, column].split()
    assert [label for label in labels if label in wanted] == wanted


@pytest.mark.parametrize(("service", "table", "columns"), INDEXES)
async def test_every_index_has_its_leading_columns(
    platform: "Platform", service: str, table: str, columns: str
) -> None:
    wanted = columns.split()
    indexes = await platform.column(
        service,
        f"""SELECT array(SELECT attname::text FROM unnest(indkey::int2[]) WITH ORDINALITY AS k (number, place)
          JOIN pg_attribute ON attrelid = indrelid AND attnum = k.number ORDER BY place)
        FROM pg_index WHERE indrelid = '{table}'::regclass""",
    )
    assert any(index[: len(wanted)] == wanted for index in indexes), indexes


@pytest.mark.parametrize(("service", "table"), sorted(COLUMNS))
async def test_every_feature_has_its_columns(platform: "Platform", service: str, table: str) -> None:
    there = await platform.column(
        service, f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0"
    )
    assert set(COLUMNS[service, table].split()) - set(there) == set()


async def test_templates(platform: "Platform") -> None:
    rows = await platform.read("notifications", "SELECT display_name, category::text, channel::text FROM templates")
    wanted = {
        ("Welcome Email", "ACCOUNT", "EMAIL"),
        ("Password Reset", "SECURITY", "EMAIL"),
        ("Email Verification", "SECURITY", "EMAIL"),
        ("Two-Factor SMS", "SECURITY", "SMS"),
        ("New Message Push", "SOCIAL", "PUSH"),
        ("System Maintenance", "SYSTEM", "EMAIL"),
    }
    assert wanted <= {tuple(row) for row in rows}
    languages = "SELECT DISTINCT array(SELECT jsonb_object_keys(locales) ORDER BY 1) FROM template_versions"
    for found in await platform.column("notifications", languages):
        assert {"de", "en", "es", "fr", "ja"} <= set(found)


async def test_preferences_of_the_sample_users(platform: "Platform") -> None:
    assert len(await platform.read("notifications", "SELECT FROM user_preferences")) == 2
    quiet = "SELECT count(*) FROM user_preferences WHERE quiet_hours_enabled"
    assert await platform.column("notifications", quiet) == [1]


async def test_permissions(platform: "Platform") -> None:
    rows = await platform.read("user", "SELECT resource, count(*) FROM permissions GROUP BY 1")
    found = {row[0]: row[1] for row in rows}
    document = {"user": 5, "role": 5, "permission": 3, "content": 5, "system": 3}
    assert {name: found[name] for name in document} == document
    rows = await platform.read("user", "SELECT category, count(*) FROM permissions GROUP BY 1")
    named = {f"{name.title()} Management": number for name, number in document.items()}
    assert {row[0]: row[1] for row in rows if row[0] in named} == named


async def test_roles_and_what_they_allow(platform: "Platform") -> None:
    rows = await platform.read(
        "user",
        """SELECT r.display_name, array(
          SELECT DISTINCT p.name::text FROM role_ancestors AS a
          JOIN role_permissions ON role_permissions.role_id = a.ancestor_id
          JOIN permissions AS p ON p.id = permission_id WHERE a.role_id = r.id ORDER BY 1) AS names
        FROM roles AS r""",
    )
    allowed = {row["display_name"]: set(row["names"]) for row in rows}
    assert allowed.keys() == {"Super Admin", "Admin", "Moderator", "Editor", "User", "Guest"}
    everything = set(await platform.column("user", "SELECT name FROM permissions"))
    assert allowed["Super Admin"] == everything
    assert len(everything) / 2 < len(allowed["Admin"]) < len(everything)
    assert {name.split(":")[0] for name in allowed["Moderator"]} >= {"user", "content"}
    assert allowed["Editor"] >= {"content:create", "content:read", "content:update"}
    assert all(name.endswith(":read") for name in allowed["User"] | allowed["Guest"])
    assert allowed["Guest"] < allowed["User"]


async def test_sample_users(platform: "Platform") -> None:
    rows = await platform.read(
        "user",
        """SELECT email, display_name FROM users
        JOIN user_roles ON user_id = users.id JOIN roles ON roles.id = role_id""",
    )
    assert {tuple(row) for row in rows} == {("admin@orion.local", "Super Admin"), ("user@orion.local", "User")}
    ids = "SELECT id FROM {} ORDER BY id"
    assert await platform.column("user", ids.format("users")) == await platform.column("auth", ids.format("identities"))


async def test_devices_of_the_sample_users(platform: "Platform") -> None:
    rows = await platform.read("auth", "SELECT user_id, fingerprint FROM devices WHERE status = 'TRUSTED'")
    assert len({row["user_id"] for row in rows}) == 2
    assert all(row["fingerprint"] for row in rows)


async def test_rate_limits(platform: "Platform") -> None:
    rows = await platform.read("auth", 'SELECT endpoint, "limit", window_seconds FROM rate_limit_policies')
    assert {tuple(row) for row in rows} >= {
        ("login", 5, 60),
        ("refresh", 10, 60),
        ("password_reset", 3, 300),
        ("email_verification", 5, 300),
        ("two_factor_verification", 5, 60),
    }


@pytest.mark.parametrize("service", sorted(MODELS))
async def test_a_second_init_changes_nothing(platform: "Platform", service: str) -> None:
    target = platform.targets[service]
    before = await rows_of(platform, service), await orion_db.catalog_of(target)
    done = await orion_db.initialize(target)
    assert (done.roles_made, done.memberships_made, done.database_made, done.deployment.applied) == ((), (), False, ())
    assert done.seeding is not None
    assert set(done.seeding.inserted.values()) <= {0}
    assert (await rows_of(platform, service), await orion_db.catalog_of(target)) == before


async def rows_of(platform: "Platform", service: str) -> dict[str, list[str]]:
    """All rows of all tables, with the transactions that wrote them."""
    tables = await platform.column(service, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {
        table: await platform.column(service, f"SELECT t.xmin::text || t::text FROM {table} AS t ORDER BY 1")
        for table in sorted(tables)
    }

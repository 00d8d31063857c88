"""What holds in every table of every database, read from PostgreSQL's catalogs."""

from typing import TYPE_CHECKING

import pytest

from orion_core.service import installed_services

if TYPE_CHECKING:
    from tests.databases.conftest import Platform

SERVICES = sorted(installed_services())

TABLES = """pg_class AS c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'schema_migrations'"""

COLUMNS = f"""pg_attribute AS a JOIN (SELECT c.oid, c.relname FROM {TABLES}) AS t ON t.oid = a.attrelid
  WHERE a.attnum > 0 AND NOT a.attisdropped"""

UNINDEXED_FOREIGN_KEYS = """
SELECT conrelid::regclass::text || '.' || conname FROM pg_constraint AS k
WHERE contype = 'f' AND conparentid = 0 AND NOT EXISTS (
  SELECT FROM pg_index AS i WHERE i.indrelid = k.conrelid AND i.indisvalid
    AND (i.indkey::int2[])[0:array_length(k.conkey, 1) - 1] @> k.conkey
    AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%s IS NOT NULL)',
      (SELECT attname FROM pg_attribute WHERE attrelid = k.conrelid AND attnum = k.conkey[1]))))
"""

REDUNDANT_INDEXES = """
WITH indexes AS (
  SELECT i.*, c.relname, c.relam, coalesce(pg_get_expr(indpred, indrelid), '') AS predicate, indkey::int2[] AS keys
  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
  WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND indexprs IS NULL)
SELECT shorter.relname || ' repeats ' || longer.relname FROM indexes AS shorter JOIN indexes AS longer
  ON longer.indrelid = shorter.indrelid AND longer.indexrelid <> shorter.indexrelid AND longer.relam = shorter.relam
  AND longer.keys[0:shorter.indnkeyatts - 1] = shorter.keys[0:shorter.indnkeyatts - 1]
  AND longer.predicate = shorter.predicate
WHERE NOT shorter.indisunique AND shorter.indnkeyatts <= longer.indnkeyatts
  AND shorter.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
  AND shorter.indoption::int2[] = (longer.indoption::int2[])[0:shorter.indnkeyatts - 1]
  AND shorter.indclass::oid[] = (longer.indclass::oid[])[0:shorter.indnkeyatts - 1]
"""

SECRET_NAMES = "(password|passphrase|secret|token|credential|private|otp|pin$|_key$|^key|keys$|_code$|codes$)"

NOT_SECRET = {
    # public selectors: they say which row is meant, the secret beside them is only there as a hash
    "auth_tokens.token", "password_resets.token", "memberships.invitation_token", "sessions.token",
    # references and moments
    "auth_tokens.parent_token_id", "identities.password_changed_at", "oauth_providers.token_expires_at",
    "two_factor_auth.backup_codes_generated_at", "two_factor_auth.hardware_key_verified_at",
    "two_factor_auth.totp_verified_at", "two_factor_auth.totp_last_step",
    # where to send what, what is counted, in what order
    "oauth_connections.token_url", "rate_limits.key", "notification_queue.ordering_key", "notification_keys.key",
    # what a stranger tells us or may know: error codes, a client's own idempotency key, public halves of key pairs
    "delivery_attempts.error_code", "delivery_attempts.status_code", "notifications.error_code",
    "notifications.idempotency_key", "webauthn_credentials.credential_id", "webauthn_credentials.public_key",
    "audit_checkpoints.key_id", "audit_signing_keys.key_id", "oauth_connections.key_id",
    # the address that a push service has given the device; its key material is sealed beside it
    "push_subscriptions.token",
}  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
class TestEveryDatabase:
    async def test_every_foreign_key_is_indexed(self, platform: "Platform", service: str) -> None:
        assert await platform.column(service, UNINDEXED_FOREIGN_KEYS) == []

    async def test_no_index_repeats_the_beginning_of_another(self, platform: "Platform", service: str) -> None:
        assert await platform.column(service, REDUNDANT_INDEXES) == []

    async def test_every_foreign_key_says_what_a_deletion_does(self, platform: "Platform", service: str) -> None:
        silent = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND confdeltype = 'a'"
        assert await platform.column(service, silent) == []

    async def test_nothing_but_counters_is_unlogged(self, platform: "Platform", service: str) -> None:
        unlogged = "SELECT relname FROM pg_class WHERE relpersistence = 'u' AND relkind IN ('r', 'p')"
        assert set(await platform.column(service, unlogged)) <= {"rate_limits", "api_key_rates", "leak_report_rates"}

    async def test_no_column_holds_a_secret_in_clear(self, platform: "Platform", service: str) -> None:
        """By name, and by what it would take: hashes and sealed bytes are `bytea`, a password is an Argon2id string."""
        suspects = await platform.column(
            service,
            f"""SELECT t.relname || '.' || a.attname FROM {COLUMNS} AND a.attname ~ '{SECRET_NAMES}'
            AND NOT (a.atttypid = 'bytea'::regtype AND a.attname ~ '(_hash|secret|token|key|keys|credentials)$')
            AND a.atttypid NOT IN (SELECT oid FROM pg_type WHERE typtype = 'e')""",
        )
        assert set(suspects) - NOT_SECRET - {"identities.password_hash"} == set()

    async def test_sealed_columns_are_declared_so(self, platform: "Platform", service: str) -> None:
        """Bytes that are neither a hash nor public are sealed, and `orion keys rotate` finds them by that mark."""
        metadata = installed_services()[service].metadata
        bytes_ = {
            f"{table.name}.{column.name}": column
            for table in metadata.tables.values()
            for column in table.columns
            if column.type.python_type is bytes and "hash" not in column.name
        }
        public = {
            "webauthn_credentials.credential_id", "webauthn_credentials.public_key", "webauthn_users.handle",
        }  # fmt: skip
        house = {"idempotency_keys.fingerprint", "idempotency_keys.response_body"}
        unmarked = {name for name, column in bytes_.items() if not column.info.get("sealed")} - public - house
        assert {name for name in unmarked if not name.startswith("audit_")} == set()

    async def test_every_string_has_a_length(self, platform: "Platform", service: str) -> None:
        endless = f"""SELECT t.relname || '.' || a.attname FROM {COLUMNS}
          AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'text[]'::regtype, 'varchar[]'::regtype)
          AND a.atttypmod = -1 AND a.attgenerated = ''"""
        assert await platform.column(service, endless) == []

    async def test_times_have_a_zone_and_json_is_binary(self, platform: "Platform", service: str) -> None:
        wrong = f"""SELECT t.relname || '.' || a.attname FROM {COLUMNS}
          AND a.atttypid IN ('timestamp'::regtype, 'json'::regtype, 'timetz'::regtype)"""
        assert await platform.column(service, wrong) == []

    async def test_updated_at_is_kept_by_the_database(self, platform: "Platform", service: str) -> None:
        careless = f"""SELECT t.relname FROM {COLUMNS} AND a.attname = 'updated_at' AND NOT EXISTS (
          SELECT FROM pg_trigger WHERE tgrelid = t.oid AND tgname = 'set_updated_at' AND tgenabled = 'O')"""
        assert await platform.column(service, careless) == []

    async def test_ids_are_made_by_the_database_when_nobody_else_does(self, platform: "Platform", service: str) -> None:
        without = f"""SELECT t.relname FROM {COLUMNS} AND a.attname = 'id' AND NOT a.atthasdef
          AND t.relname NOT IN ('inbox', 'identities', 'users')"""
        assert await platform.column(service, without) == []

    async def test_partitioned_tables_have_a_default_and_the_coming_months(
        self, platform: "Platform", service: str
    ) -> None:
        partitions = await platform.read(
            service,
            """SELECT inhparent::regclass::text AS parent, count(*) AS all,
              count(*) FILTER (WHERE pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT') AS default
            FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid WHERE c.relkind = 'r' GROUP BY 1""",
        )
        parents = set(await platform.column(service, f"SELECT c.relname FROM {TABLES} AND c.relkind = 'p'"))
        assert {row["parent"] for row in partitions} == parents
        assert all(row["default"] == 1 and row["all"] >= 5 for row in partitions)

    async def test_everything_belongs_to_the_owner(self, platform: "Platform", service: str) -> None:
        owner = installed_services()[service].owner_role
        owners = await platform.column(
            service,
            """SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace
            UNION SELECT DISTINCT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()""",
        )
        assert owners == [owner]

    async def test_checks_are_all_validated_and_indexes_valid(self, platform: "Platform", service: str) -> None:
        assert await platform.column(service, "SELECT conname FROM pg_constraint WHERE NOT convalidated") == []
        assert (
            await platform.column(service, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid") == []
        )

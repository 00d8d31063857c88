"""Rules by which messages follow from what auth and user tell."""

from alembic import op

revision = "0026_notification_rules"
down_revision = "0025_digests_put_off"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE channel_rule AS ENUM ('ALL', 'FIRST', 'ESCALATE')")
    op.execute(
        """
        CREATE TABLE notification_rules (
          id uuid NOT NULL DEFAULT uuidv7(),
          name varchar(100) NOT NULL,
          description varchar(1000) NOT NULL DEFAULT '',
          event_type varchar(120) NOT NULL,
          condition varchar(2000),
          type varchar(100) NOT NULL,
          template varchar(100) NOT NULL,
          channels channel[] NOT NULL,
          channel_rule channel_rule NOT NULL DEFAULT 'ALL',
          escalate_after_seconds integer NOT NULL DEFAULT 600,
          priority priority,
          user_fact varchar(60),
          address jsonb,
          locale_fact varchar(60),
          expires_fact varchar(60),
          variables jsonb NOT NULL DEFAULT '{}'::jsonb,
          opened_variables jsonb NOT NULL DEFAULT '{}'::jsonb,
          once_per varchar(200),
          is_active boolean NOT NULL DEFAULT true,
          is_system boolean NOT NULL DEFAULT false,
          failures integer NOT NULL DEFAULT 0,
          last_error varchar(500),
          last_error_at timestamptz,
          metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          deleted_at timestamptz,
          CONSTRAINT pk_notification_rules PRIMARY KEY (id),
          CONSTRAINT ck_notification_rules_name
            CHECK (name ~ '^[a-z][a-z0-9_.]*$' AND is_system = (name LIKE 'orion.%')),
          CONSTRAINT ck_notification_rules_channels CHECK (cardinality(channels) BETWEEN 1 AND 7),
          CONSTRAINT ck_notification_rules_escalate_after_seconds
            CHECK (escalate_after_seconds BETWEEN 1 AND 604800),
          CONSTRAINT ck_notification_rules_recipient CHECK (user_fact IS NOT NULL OR address IS NOT NULL),
          CONSTRAINT ck_notification_rules_variables CHECK (jsonb_typeof(variables) = 'object'),
          CONSTRAINT ck_notification_rules_secrets_of_ours CHECK (is_system OR opened_variables = '{}'),
          CONSTRAINT ck_notification_rules_secrets_go_one_way
            CHECK (opened_variables = '{}' OR is_active AND channel_rule = 'ALL'),
          CONSTRAINT ck_notification_rules_system CHECK (NOT is_system OR deleted_at IS NULL AND once_per IS NOT NULL),
          CONSTRAINT ck_notification_rules_failures
            CHECK ((failures > 0) = (last_error IS NOT NULL AND last_error_at IS NOT NULL))
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX uq_notification_rules_name ON notification_rules (name) WHERE deleted_at IS NULL")
    op.execute(
        "CREATE INDEX ix_notification_rules_event_type ON notification_rules (event_type) WHERE deleted_at IS NULL"
    )
    op.execute(
        "CREATE INDEX ix_notification_rules_deleted_at ON notification_rules (deleted_at) WHERE deleted_at IS NOT NULL"
    )
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON notification_rules FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON notification_rules TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE notification_rules")
    op.execute("DROP TYPE channel_rule")

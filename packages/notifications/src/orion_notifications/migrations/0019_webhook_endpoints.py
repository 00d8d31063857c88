"""Programs that are told of messages: where they are, and what deliveries to them are signed with."""

from alembic import op

revision = "0019_webhook_endpoints"
down_revision = "0018_inbox"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE webhook_endpoints (
          id uuid NOT NULL DEFAULT uuidv7(),
          user_id uuid,
          url varchar(2048) NOT NULL,
          description varchar(200) NOT NULL DEFAULT '',
          sealed_keys bytea NOT NULL,
          failing_since timestamptz,
          last_success_at timestamptz,
          disabled_at timestamptz,
          disabled_reason varchar(200),
          metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_webhook_endpoints PRIMARY KEY (id),
          CONSTRAINT ck_webhook_endpoints_url CHECK (url ~ '^https?://'),
          CONSTRAINT ck_webhook_endpoints_disabled CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
        )
        """
    )
    op.execute("CREATE INDEX ix_webhook_endpoints_user_id ON webhook_endpoints (user_id)")
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON webhook_endpoints FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_endpoints TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE webhook_endpoints")

"""Messages that go through one channel after the other, until one works or somebody has seen it."""

from alembic import op

revision = "0020_escalations"
down_revision = "0019_webhook_endpoints"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE escalation_rule AS ENUM ('FIRST', 'ESCALATE')")
    op.execute(
        """
        CREATE TABLE escalations (
          id uuid NOT NULL DEFAULT uuidv7(),
          user_id uuid,
          rule escalation_rule NOT NULL,
          sealed_message bytea,
          notification_ids uuid[] NOT NULL,
          next_look_at timestamptz NOT NULL,
          ended_at timestamptz,
          metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_escalations PRIMARY KEY (id),
          CONSTRAINT ck_escalations_sealed_message CHECK ((sealed_message IS NULL) = (ended_at IS NOT NULL)),
          CONSTRAINT ck_escalations_notification_ids CHECK (notification_ids <> '{}')
        )
        """
    )
    op.execute("CREATE INDEX ix_escalations_next_look_at ON escalations (next_look_at) WHERE ended_at IS NULL")
    op.execute("CREATE INDEX ix_escalations_ended_at ON escalations (ended_at) WHERE ended_at IS NOT NULL")
    op.execute("CREATE INDEX ix_escalations_user_id ON escalations (user_id)")
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON escalations FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON escalations TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE escalations")
    op.execute("DROP TYPE escalation_rule")

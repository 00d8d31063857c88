"""Numbers of messages, and by what those are found that ended other than by being sent."""

from alembic import op

revision = "0027_numbers"
down_revision = "0026_notification_rules"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_notifications_reported ON notifications (delivered_at) WHERE delivered_at <> sent_at")
    op.execute(
        """
        CREATE INDEX ix_notifications_ended
          ON notifications (coalesce(failed_at, cancelled_at, processing_at, queued_at))
          WHERE status IN ('FAILED', 'BOUNCED', 'REJECTED', 'CANCELLED', 'EXPIRED')
        """
    )
    op.execute(
        """
        CREATE TABLE notification_numbers (
          id uuid NOT NULL DEFAULT uuidv7(),
          begins_at timestamptz NOT NULL,
          channel channel NOT NULL,
          category category NOT NULL,
          provider varchar(60),
          template_id uuid,
          accepted integer NOT NULL DEFAULT 0,
          sent integer NOT NULL DEFAULT 0,
          delivered integer NOT NULL DEFAULT 0,
          failed integer NOT NULL DEFAULT 0,
          bounced integer NOT NULL DEFAULT 0,
          rejected integer NOT NULL DEFAULT 0,
          cancelled integer NOT NULL DEFAULT 0,
          expired integer NOT NULL DEFAULT 0,
          latency integer[] NOT NULL,
          CONSTRAINT pk_notification_numbers PRIMARY KEY (id),
          CONSTRAINT uq_notification_numbers_kind
            UNIQUE NULLS NOT DISTINCT (begins_at, channel, category, provider, template_id),
          CONSTRAINT ck_notification_numbers_latency CHECK (cardinality(latency) = 21)
        )
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON notification_numbers TO orion_notifications_service")
    op.execute(
        """
        CREATE TABLE numbers_progress (
          single boolean NOT NULL,
          counted_until timestamptz NOT NULL,
          CONSTRAINT pk_numbers_progress PRIMARY KEY (single),
          CONSTRAINT ck_numbers_progress_single CHECK (single)
        )
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON numbers_progress TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE numbers_progress")
    op.execute("DROP TABLE notification_numbers")
    op.execute("DROP INDEX ix_notifications_ended")
    op.execute("DROP INDEX ix_notifications_reported")

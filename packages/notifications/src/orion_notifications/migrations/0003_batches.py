"""Batches: one template sent to an audience."""

from alembic import op

revision = "0003_batches"
down_revision = "0002_templates"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TYPE batch_status AS ENUM ('DRAFT', 'SCHEDULED', 'RUNNING', 'PAUSED', 'COMPLETED', 'CANCELLED', 'FAILED')
        """
    )
    op.execute(
        """
        CREATE TABLE notification_batches (
          id uuid NOT NULL DEFAULT uuidv7(),
          name varchar(200) NOT NULL,
          template_id uuid,
          template_version integer,
          channel channel NOT NULL,
          priority priority NOT NULL DEFAULT 'LOW',
          status batch_status NOT NULL DEFAULT 'DRAFT',
          audience jsonb NOT NULL DEFAULT '{}'::jsonb,
          recipient_count integer NOT NULL DEFAULT 0,
          total_queued integer NOT NULL DEFAULT 0,
          total_sent integer NOT NULL DEFAULT 0,
          total_delivered integer NOT NULL DEFAULT 0,
          total_failed integer NOT NULL DEFAULT 0,
          total_skipped integer NOT NULL DEFAULT 0,
          scheduled_at timestamptz,
          started_at timestamptz,
          completed_at timestamptz,
          created_by uuid,
          metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_notification_batches PRIMARY KEY (id),
          CONSTRAINT fk_notification_batches_template_id_template_version FOREIGN KEY (template_id, template_version)
            REFERENCES template_versions (template_id, version) ON DELETE RESTRICT,
          CONSTRAINT ck_notification_batches_template CHECK ((template_id IS NULL) = (template_version IS NULL)),
          CONSTRAINT ck_notification_batches_ready CHECK (template_id IS NOT NULL OR status IN ('DRAFT', 'CANCELLED')),
          CONSTRAINT ck_notification_batches_scheduled_at CHECK (status <> 'SCHEDULED' OR scheduled_at IS NOT NULL),
          CONSTRAINT ck_notification_batches_completed_at CHECK (status <> 'COMPLETED' OR completed_at IS NOT NULL),
          CONSTRAINT ck_notification_batches_counts
            CHECK (least(recipient_count, total_queued, total_sent, total_delivered, total_failed, total_skipped) >= 0),
          CONSTRAINT ck_notification_batches_duration CHECK (completed_at >= started_at)
        )
        """
    )
    op.execute("CREATE INDEX ix_notification_batches_scheduled_at ON notification_batches (scheduled_at)")
    op.execute("CREATE INDEX ix_notification_batches_status ON notification_batches (status)")
    op.execute(
        """
        CREATE INDEX ix_notification_batches_template_id_template_version
            ON notification_batches (template_id, template_version)
        """
    )
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON notification_batches
        FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON notification_batches TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE notification_batches")
    op.execute("DROP TYPE batch_status")

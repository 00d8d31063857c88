"""The queue, narrow and apart from the record, and the attempts, cut into months by id."""

from alembic import op

revision = "0005_delivery"
down_revision = "0004_notifications"
phase = "pre"


def upgrade() -> None:
    # notification_queue
    op.execute(
        """
        CREATE TABLE notification_queue (
          notification_id uuid NOT NULL,
          priority priority NOT NULL,
          attempt smallint NOT NULL DEFAULT 0,
          due_at timestamptz NOT NULL,
          lease_until timestamptz,
          ordering_key varchar(255),
          CONSTRAINT pk_notification_queue PRIMARY KEY (notification_id),
          CONSTRAINT ck_notification_queue_attempt CHECK (attempt >= 0),
          CONSTRAINT fk_notification_queue_notification_id FOREIGN KEY (notification_id)
            REFERENCES notifications (id) ON DELETE CASCADE
        )
        """
    )
    op.execute(
        """
        CREATE INDEX ix_notification_queue_due ON notification_queue (priority, due_at) WHERE lease_until IS NULL
        """
    )
    op.execute(
        """
        CREATE INDEX ix_notification_queue_leased ON notification_queue (lease_until) WHERE lease_until IS NOT NULL
        """
    )
    op.execute(
        """
        CREATE INDEX ix_notification_queue_ordering_key
            ON notification_queue (ordering_key, notification_id) WHERE ordering_key IS NOT NULL
        """
    )
    op.execute(
        """
        ALTER TABLE notification_queue SET (
          fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
          autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
          vacuum_truncate = false
        )
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON notification_queue TO orion_notifications_service")
    # delivery_attempts
    op.execute(
        """
        CREATE TYPE attempt_status AS ENUM (
          'PENDING', 'SUCCESS', 'FAILURE', 'TIMEOUT', 'RATE_LIMITED', 'UNKNOWN', 'NOT_TRIED'
        )
        """
    )
    op.execute(
        """
        CREATE TABLE delivery_attempts (
          id uuid NOT NULL DEFAULT uuidv7(),
          notification_id uuid NOT NULL,
          attempt_number smallint NOT NULL,
          status attempt_status NOT NULL DEFAULT 'PENDING',
          provider varchar(60),
          provider_message_id varchar(255),
          status_code integer,
          response_time_ms integer,
          response varchar(2000),
          error_code varchar(100),
          error_message varchar(2000),
          error_details jsonb,
          attempted_at timestamptz NOT NULL DEFAULT now(),
          completed_at timestamptz,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_delivery_attempts PRIMARY KEY (id),
          CONSTRAINT ck_delivery_attempts_attempt_number CHECK (attempt_number >= 1),
          CONSTRAINT ck_delivery_attempts_completed_at CHECK ((status = 'PENDING') = (completed_at IS NULL)),
          CONSTRAINT ck_delivery_attempts_duration CHECK (completed_at >= attempted_at),
          CONSTRAINT ck_delivery_attempts_response_time_ms CHECK (response_time_ms >= 0),
          CONSTRAINT fk_delivery_attempts_notification_id FOREIGN KEY (notification_id)
            REFERENCES notifications (id) ON DELETE CASCADE
        ) PARTITION BY RANGE (id)
        """
    )
    op.execute(
        """
        CREATE INDEX ix_delivery_attempts_failures
            ON delivery_attempts (attempted_at) WHERE status NOT IN ('PENDING', 'SUCCESS', 'NOT_TRIED')
        """
    )
    op.execute("CREATE INDEX ix_delivery_attempts_notification_id ON delivery_attempts (notification_id)")
    op.execute(
        """
        CREATE INDEX ix_delivery_attempts_provider_attempted_at ON delivery_attempts (provider, attempted_at)
        """
    )
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON delivery_attempts FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("CREATE TABLE delivery_attempts_default PARTITION OF delivery_attempts DEFAULT")
    op.execute("SELECT ensure_partitions('delivery_attempts', 3)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON delivery_attempts TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE delivery_attempts")
    op.execute("DROP TABLE notification_queue")
    op.execute("DROP TYPE attempt_status")

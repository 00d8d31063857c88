"""Notifications, cut into months by id, and the idempotency keys that outlive them.

A trigger refuses a status that may not follow the present one; its condition is evaluated by the executor, so that a
lawful update never enters PL/pgSQL.
"""

from alembic import op

revision = "0004_notifications"
down_revision = "0003_batches"
phase = "pre"

REFUSE_NOTIFICATION_STATUS = """
CREATE FUNCTION refuse_notification_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'notification % cannot go from % to %', OLD.id, OLD.status, NEW.status
    USING ERRCODE = '23514', CONSTRAINT = 'ck_notifications_status_transition', TABLE = 'notifications';
END
$$
"""


def upgrade() -> None:
    # notifications
    op.execute(
        """
        CREATE TYPE notification_status AS ENUM (
          'QUEUED', 'PROCESSING', 'SENT', 'DELIVERED', 'FAILED', 'BOUNCED',
          'REJECTED', 'CANCELLED', 'EXPIRED'
        )
        """
    )
    op.execute(
        """
        CREATE TABLE notifications (
          id uuid NOT NULL DEFAULT uuidv7(),
          user_id uuid,
          type varchar(100) NOT NULL,
          category category NOT NULL,
          channel channel NOT NULL,
          priority priority NOT NULL DEFAULT 'NORMAL',
          status notification_status NOT NULL DEFAULT 'QUEUED',
          template_id uuid,
          template_version integer,
          locale varchar(35),
          timezone varchar(64),
          subject varchar(998),
          content varchar(100000),
          html_content varchar(1000000),
          recipient varchar(2048),
          recipient_name varchar(200),
          variables jsonb NOT NULL DEFAULT '{}'::jsonb,
          sealed_variables bytea,
          attempts integer NOT NULL DEFAULT 0,
          max_attempts integer NOT NULL DEFAULT 8,
          next_attempt_at timestamptz,
          scheduled_at timestamptz,
          deferred_reason varchar(200),
          expires_at timestamptz,
          queued_at timestamptz NOT NULL DEFAULT now(),
          processing_at timestamptz,
          sent_at timestamptz,
          delivered_at timestamptz,
          failed_at timestamptz,
          cancelled_at timestamptz,
          read_at timestamptz,
          seen_at timestamptz,
          archived_at timestamptz,
          error_code varchar(100),
          error_message varchar(2000),
          provider varchar(60),
          provider_message_id varchar(255),
          provider_response jsonb,
          batch_id uuid,
          idempotency_key varchar(255),
          tags varchar(50)[] NOT NULL DEFAULT '{}',
          metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_notifications PRIMARY KEY (id),
          CONSTRAINT fk_notifications_template_id_template_version FOREIGN KEY (template_id, template_version)
            REFERENCES template_versions (template_id, version) ON DELETE RESTRICT,
          CONSTRAINT fk_notifications_batch_id FOREIGN KEY (batch_id)
            REFERENCES notification_batches (id) ON DELETE RESTRICT,
          CONSTRAINT ck_notifications_attempts CHECK (attempts BETWEEN 0 AND max_attempts),
          CONSTRAINT ck_notifications_template CHECK ((template_id IS NULL) = (template_version IS NULL)),
          CONSTRAINT ck_notifications_content CHECK (template_id IS NOT NULL OR content IS NOT NULL),
          CONSTRAINT ck_notifications_recipient CHECK (user_id IS NOT NULL OR recipient IS NOT NULL),
          CONSTRAINT ck_notifications_in_app_user CHECK (channel <> 'IN_APP' OR user_id IS NOT NULL),
          CONSTRAINT ck_notifications_email
            CHECK (channel <> 'EMAIL' OR recipient IS NULL OR recipient = lower(recipient)),
          CONSTRAINT ck_notifications_variables CHECK (jsonb_typeof(variables) = 'object'),
          CONSTRAINT ck_notifications_expires_at CHECK (expires_at > queued_at),
          CONSTRAINT ck_notifications_read_at CHECK (seen_at IS NOT NULL OR read_at IS NULL),
          CONSTRAINT ck_notifications_status CHECK (
            CASE status
              WHEN 'PROCESSING' THEN processing_at IS NOT NULL
              WHEN 'SENT' THEN sent_at IS NOT NULL
              WHEN 'DELIVERED' THEN delivered_at IS NOT NULL
              WHEN 'FAILED' THEN failed_at IS NOT NULL AND error_code IS NOT NULL
              WHEN 'CANCELLED' THEN cancelled_at IS NOT NULL
              ELSE true
            END
          ),
          CONSTRAINT ck_notifications_sealed_variables
            CHECK (sealed_variables IS NULL OR status IN ('QUEUED', 'PROCESSING'))
        ) PARTITION BY RANGE (id)
        """
    )
    op.execute("CREATE INDEX ix_notifications_batch_id ON notifications (batch_id) WHERE batch_id IS NOT NULL")
    op.execute(
        """
        CREATE INDEX ix_notifications_provider_message_id
            ON notifications (provider_message_id) WHERE provider_message_id IS NOT NULL
        """
    )
    op.execute(
        """
        CREATE INDEX ix_notifications_status_priority_queued_at
            ON notifications (status, priority, queued_at) WHERE status IN ('QUEUED', 'PROCESSING')
        """
    )
    op.execute("CREATE INDEX ix_notifications_tags ON notifications USING gin (tags) WHERE tags <> '{}'")
    op.execute(
        """
        CREATE INDEX ix_notifications_template_id_template_version ON notifications (template_id, template_version)
        """
    )
    op.execute(
        """
        CREATE INDEX ix_notifications_unread ON notifications (user_id, id) INCLUDE (seen_at)
            WHERE channel = 'IN_APP' AND read_at IS NULL AND archived_at IS NULL
        """
    )
    op.execute("CREATE INDEX ix_notifications_user_id_id ON notifications (user_id, id)")
    op.execute("CREATE INDEX ix_notifications_user_id_status ON notifications (user_id, status)")
    op.execute(REFUSE_NOTIFICATION_STATUS)
    op.execute(
        """
        CREATE TRIGGER refuse_notification_status BEFORE UPDATE OF status ON notifications FOR EACH ROW
        WHEN (OLD.status <> NEW.status AND NOT CASE OLD.status
          WHEN 'QUEUED' THEN NEW.status IN ('PROCESSING', 'FAILED', 'REJECTED', 'CANCELLED', 'EXPIRED')
          WHEN 'PROCESSING' THEN NEW.status IN (
            'QUEUED', 'SENT', 'DELIVERED', 'FAILED', 'BOUNCED', 'REJECTED', 'EXPIRED'
          )
          WHEN 'SENT' THEN NEW.status IN ('DELIVERED', 'FAILED', 'BOUNCED', 'REJECTED')
          ELSE false END)
        EXECUTE FUNCTION refuse_notification_status()
        """
    )
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON notifications FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("CREATE TABLE notifications_default PARTITION OF notifications DEFAULT")
    op.execute("SELECT ensure_partitions('notifications', 3)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON notifications TO orion_notifications_service")
    # notification_keys
    op.execute(
        """
        CREATE TABLE notification_keys (
          key varchar(255) NOT NULL,
          notification_id uuid NOT NULL,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_notification_keys PRIMARY KEY (key)
        )
        """
    )
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON notification_keys FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT ON notification_keys TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE notification_keys")
    op.execute("DROP TABLE notifications")
    op.execute("DROP FUNCTION refuse_notification_status()")
    op.execute("DROP TYPE notification_status")

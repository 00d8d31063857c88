"""A worker may take and send a message in one, so that its record is written once; `updated_at` may be set by hand.

Both conditions are evaluated by the executor: a lawful update that sets `updated_at` itself enters no PL/pgSQL.
"""

from alembic import op

revision = "0014_sent_at_once"
down_revision = "0013_template_kinds"
phase = "pre"

STATUS_TRANSITION = """
CREATE TRIGGER refuse_notification_status BEFORE UPDATE OF status ON notifications FOR EACH ROW
WHEN (OLD.status <> NEW.status AND NOT CASE OLD.status
  WHEN 'QUEUED' THEN NEW.status IN ('PROCESSING', 'FAILED', 'REJECTED', 'CANCELLED', 'EXPIRED'){at_once}
  WHEN 'PROCESSING' THEN NEW.status IN (
    'QUEUED', 'SENT', 'DELIVERED', 'FAILED', 'BOUNCED', 'REJECTED', {taken_back}'EXPIRED'
  )
  WHEN 'SENT' THEN NEW.status IN ('DELIVERED', 'FAILED', 'BOUNCED', 'REJECTED')
  ELSE false END)
EXECUTE FUNCTION refuse_notification_status()
"""
AT_ONCE = " OR NEW.processing_at IS NOT NULL AND NEW.status IN ('SENT', 'DELIVERED')"


def upgrade() -> None:
    op.execute("DROP TRIGGER refuse_notification_status ON notifications")
    op.execute(STATUS_TRANSITION.format(at_once=AT_ONCE, taken_back="'CANCELLED', "))
    op.execute("DROP TRIGGER set_updated_at ON notifications")
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON notifications FOR EACH ROW
        WHEN (NEW.updated_at = OLD.updated_at) EXECUTE FUNCTION set_updated_at()
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER set_updated_at ON notifications")
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON notifications FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("DROP TRIGGER refuse_notification_status ON notifications")
    op.execute(STATUS_TRANSITION.format(at_once="", taken_back=""))

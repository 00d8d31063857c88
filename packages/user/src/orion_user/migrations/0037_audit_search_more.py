"""Find what failed or was denied, and what a session or a request did, without going through the whole audit trail."""

from alembic import op

revision = "0037_audit_search_more"
down_revision = "0036_user_grants_swept"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_audit_logs_status_id ON audit_logs (status, id) WHERE status <> 'SUCCESS'")
    op.execute("CREATE INDEX ix_audit_logs_session_id_id ON audit_logs (session_id, id) WHERE session_id IS NOT NULL")
    op.execute("CREATE INDEX ix_audit_logs_request_id_id ON audit_logs (request_id, id) WHERE request_id IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP INDEX ix_audit_logs_request_id_id")
    op.execute("DROP INDEX ix_audit_logs_session_id_id")
    op.execute("DROP INDEX ix_audit_logs_status_id")

"""Find entries of the audit trail in the order in which they are shown, however long ago the latest of them is.

Behind what is asked for stood the time, and pages go by the id: so all of an actor's entries were sorted, or the whole
trail was gone through backwards. Ids tell the time as well.
"""

from alembic import op

revision = "0030_audit_search"
down_revision = "0029_membership_email"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_audit_logs_user_id_id ON audit_logs (user_id, id) WHERE user_id IS NOT NULL")
    op.execute("CREATE INDEX ix_audit_logs_actor_id_id ON audit_logs (actor_id, id)")
    op.execute("CREATE INDEX ix_audit_logs_action_id ON audit_logs (action, id)")
    op.execute("CREATE INDEX ix_audit_logs_resource_type_resource_id_id ON audit_logs (resource_type, resource_id, id)")
    op.execute("DROP INDEX ix_audit_logs_actor_id_timestamp")
    op.execute("DROP INDEX ix_audit_logs_resource_type_resource_id_timestamp")


def downgrade() -> None:
    op.execute("CREATE INDEX ix_audit_logs_actor_id_timestamp ON audit_logs (actor_id, timestamp)")
    op.execute(
        "CREATE INDEX ix_audit_logs_resource_type_resource_id_timestamp"
        " ON audit_logs (resource_type, resource_id, timestamp)"
    )
    op.execute("DROP INDEX ix_audit_logs_resource_type_resource_id_id")
    op.execute("DROP INDEX ix_audit_logs_action_id")
    op.execute("DROP INDEX ix_audit_logs_actor_id_id")
    op.execute("DROP INDEX ix_audit_logs_user_id_id")

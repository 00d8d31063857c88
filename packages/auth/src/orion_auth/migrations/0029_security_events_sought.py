"""Find security events by whom, type, category and address in the order in which pages show them."""

from alembic import op

revision = "0029_security_events_sought"
down_revision = "0028_dpop_proofs"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_security_events_category_id ON security_events (category, id)")
    op.execute("CREATE INDEX ix_security_events_event_type_id ON security_events (event_type, id)")
    op.execute("CREATE INDEX ix_security_events_ip_address_id ON security_events (ip_address, id)")
    op.execute("CREATE INDEX ix_security_events_user_id_id ON security_events (user_id, id)")


def downgrade() -> None:
    op.execute("DROP INDEX ix_security_events_user_id_id")
    op.execute("DROP INDEX ix_security_events_ip_address_id")
    op.execute("DROP INDEX ix_security_events_event_type_id")
    op.execute("DROP INDEX ix_security_events_category_id")

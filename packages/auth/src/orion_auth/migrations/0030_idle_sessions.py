"""Find the sessions that nobody has carried on in time, so that they can be ended and others be told."""

from alembic import op

revision = "0030_idle_sessions"
down_revision = "0029_security_events_sought"
phase = "pre"


def upgrade() -> None:
    op.execute(
        "CREATE INDEX ix_auth_tokens_idle ON auth_tokens (idle_until) "
        "WHERE status = 'ACTIVE' AND idle_until IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_auth_tokens_idle")

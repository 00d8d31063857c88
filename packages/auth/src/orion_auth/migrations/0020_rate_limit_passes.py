"""Remember when tries passed, so that a limit holds in every window and not only in those that begin at a first try.

Counters of before count nothing for the new code: for the minutes that their windows had left, as after a crash.
"""

from alembic import op

revision = "0020_rate_limit_passes"
down_revision = "0019_oauth_flows"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE rate_limits ADD COLUMN passes timestamptz[] NOT NULL DEFAULT '{}'::timestamptz[]")
    op.execute("COMMENT ON COLUMN rate_limits.passes IS 'When tries passed, ordered'")
    op.execute(
        "COMMENT ON COLUMN rate_limits.count IS 'Tries that count; one above the limit when the latest was refused'"
    )
    op.execute("COMMENT ON COLUMN rate_limits.reset_at IS 'From when on nothing counts that passed, rounded up'")


def downgrade() -> None:
    op.execute("COMMENT ON COLUMN rate_limits.reset_at IS NULL")
    op.execute("COMMENT ON COLUMN rate_limits.count IS NULL")
    op.execute("ALTER TABLE rate_limits DROP COLUMN passes")

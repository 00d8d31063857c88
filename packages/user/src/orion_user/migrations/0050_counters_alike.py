"""Say of both counters of a minute the same."""

from alembic import op

revision = "0050_counters_alike"
down_revision = "0049_names_look"
phase = "pre"


def upgrade() -> None:
    for table in ("api_key_rates", "leak_report_rates"):
        op.execute(f"COMMENT ON COLUMN {table}.counts IS 'How many in each of them'")


def downgrade() -> None:
    op.execute("COMMENT ON COLUMN leak_report_rates.counts IS 'Reports in each of them'")
    op.execute("COMMENT ON COLUMN api_key_rates.counts IS 'Uses in each of them'")

"""Count how often keys are reported as found, by network."""

from alembic import op

revision = "0028_leak_report_rates"
down_revision = "0027_invitation_expiry"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE UNLOGGED TABLE leak_report_rates (
            id uuid NOT NULL DEFAULT uuidv7(),
            network varchar(43) NOT NULL,
            seconds bigint[] NOT NULL,
            counts integer[] NOT NULL,
            counts_until timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_leak_report_rates PRIMARY KEY (id),
            CONSTRAINT uq_leak_report_rates_network UNIQUE (network),
            CONSTRAINT ck_leak_report_rates_pairs CHECK (cardinality(seconds) = cardinality(counts))
        )
        """
    )
    op.execute("CREATE INDEX ix_leak_report_rates_counts_until ON leak_report_rates (counts_until)")
    op.execute(
        "COMMENT ON TABLE leak_report_rates IS"
        " 'Reports of found API keys in the last minute; lost on a crash, which is harmless'"
    )
    op.execute("COMMENT ON COLUMN leak_report_rates.seconds IS 'Since 1970, ascending'")
    op.execute("COMMENT ON COLUMN leak_report_rates.counts IS 'Reports in each of them'")
    op.execute("COMMENT ON COLUMN leak_report_rates.counts_until IS 'From when on none of them counts'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON leak_report_rates"
        " FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON leak_report_rates TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE leak_report_rates")

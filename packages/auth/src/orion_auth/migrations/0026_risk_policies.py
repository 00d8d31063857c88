"""Keep what the signals of risk weigh where an administrator can change it, every version of it."""

from alembic import op

revision = "0026_risk_policies"
down_revision = "0025_devices_checked"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE risk_policies (
            id uuid NOT NULL DEFAULT uuidv7(),
            version integer NOT NULL,
            is_active boolean NOT NULL DEFAULT false,
            step_up_at smallint NOT NULL,
            block_at smallint NOT NULL,
            weights jsonb NOT NULL,
            created_by varchar(100) NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_risk_policies PRIMARY KEY (id),
            CONSTRAINT uq_risk_policies_version UNIQUE (version),
            CONSTRAINT ck_risk_policies_version CHECK (version > 0),
            CONSTRAINT ck_risk_policies_thresholds CHECK (
                step_up_at >= 1 AND step_up_at <= block_at AND block_at <= 101
            ),
            CONSTRAINT ck_risk_policies_weights CHECK (
                jsonb_typeof(weights) = 'object'
                AND NOT jsonb_path_exists(weights, '$.* ? (@.type() != "number" || @ < 0 || @ > 100)')
            )
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX uq_risk_policies_active ON risk_policies (is_active) WHERE is_active")
    op.execute("COMMENT ON TABLE risk_policies IS 'What the signals of risk weigh'")
    op.execute("COMMENT ON COLUMN risk_policies.step_up_at IS 'Score from which on a second factor is asked for'")
    op.execute("COMMENT ON COLUMN risk_policies.block_at IS 'Score from which on the attempt is stopped'")
    op.execute("COMMENT ON COLUMN risk_policies.weights IS 'What each signal weighs, 0 to 100'")
    op.execute("COMMENT ON COLUMN risk_policies.created_by IS 'A user id, or the name of a service'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON risk_policies FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON risk_policies TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE risk_policies")

"""Remember which proofs of keys were used, so that each gets tokens once, whichever process it is shown to."""

from alembic import op

revision = "0028_dpop_proofs"
down_revision = "0027_account_recoveries"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE dpop_proofs (
            proof_hash bytea NOT NULL,
            expires_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_dpop_proofs PRIMARY KEY (proof_hash),
            CONSTRAINT ck_dpop_proofs_proof_hash CHECK (octet_length(proof_hash) = 32)
        )
        """
    )
    op.execute("CREATE INDEX ix_dpop_proofs_expires_at ON dpop_proofs (expires_at)")
    op.execute("COMMENT ON TABLE dpop_proofs IS 'Proofs of keys that were used up (RFC 9449)'")
    op.execute("COMMENT ON COLUMN dpop_proofs.proof_hash IS 'SHA-256 of the key''s thumbprint and the proof''s jti'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON dpop_proofs FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON dpop_proofs TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE dpop_proofs")

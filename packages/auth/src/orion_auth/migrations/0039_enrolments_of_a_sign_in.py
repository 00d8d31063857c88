"""Let the making of a passkey belong to the half-finished sign-in that waits for it. The rows are checked by the next revision."""

from alembic import op

revision = "0039_enrolments_of_a_sign_in"
down_revision = "0038_attempts_of_a_network"
phase = "pre"
accepted = {
    "wrong-phase": "in the same transaction a constraint takes its place that allows all that was allowed before",
}


def upgrade() -> None:
    op.execute("ALTER TABLE webauthn_challenges DROP CONSTRAINT ck_webauthn_challenges_sign_in_id")
    op.execute(
        "ALTER TABLE webauthn_challenges ADD CONSTRAINT ck_webauthn_challenges_sign_in_id "
        "CHECK (CASE WHEN sign_in_id IS NULL THEN purpose <> 'SECOND_FACTOR'"
        " ELSE purpose IN ('SECOND_FACTOR', 'REGISTRATION') END) NOT VALID"
    )


def downgrade() -> None:
    op.execute("DELETE FROM webauthn_challenges WHERE purpose = 'REGISTRATION' AND sign_in_id IS NOT NULL")
    op.execute("ALTER TABLE webauthn_challenges DROP CONSTRAINT ck_webauthn_challenges_sign_in_id")
    op.execute(
        "ALTER TABLE webauthn_challenges ADD CONSTRAINT ck_webauthn_challenges_sign_in_id "
        "CHECK ((purpose = 'SECOND_FACTOR') = (sign_in_id IS NOT NULL))"
    )

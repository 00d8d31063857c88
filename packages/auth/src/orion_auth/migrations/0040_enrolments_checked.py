"""Check the rows of webauthn_challenges for what the migration before asks of them."""

from alembic import op

revision = "0040_enrolments_checked"
down_revision = "0039_enrolments_of_a_sign_in"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE webauthn_challenges VALIDATE CONSTRAINT ck_webauthn_challenges_sign_in_id")


def downgrade() -> None:
    op.execute("ALTER TABLE webauthn_challenges DROP CONSTRAINT ck_webauthn_challenges_sign_in_id")
    op.execute(
        "ALTER TABLE webauthn_challenges ADD CONSTRAINT ck_webauthn_challenges_sign_in_id "
        "CHECK (CASE WHEN sign_in_id IS NULL THEN purpose <> 'SECOND_FACTOR'"
        " ELSE purpose IN ('SECOND_FACTOR', 'REGISTRATION') END) NOT VALID"
    )

"""Check the rows of two_factor_auth for what the migration before asks of them: nothing is verified that is not there."""

from alembic import op

revision = "0032_recovery_checked"
down_revision = "0031_passkeys_used"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE two_factor_auth VALIDATE CONSTRAINT ck_two_factor_auth_recovery_email_verified")
    op.execute("ALTER TABLE two_factor_auth VALIDATE CONSTRAINT ck_two_factor_auth_recovery_phone_verified")


def downgrade() -> None:
    op.execute("ALTER TABLE two_factor_auth DROP CONSTRAINT ck_two_factor_auth_recovery_email_verified")
    op.execute(
        "ALTER TABLE two_factor_auth ADD CONSTRAINT ck_two_factor_auth_recovery_email_verified "
        "CHECK (recovery_email_verified_at IS NULL OR recovery_email IS NOT NULL) NOT VALID"
    )
    op.execute("ALTER TABLE two_factor_auth DROP CONSTRAINT ck_two_factor_auth_recovery_phone_verified")
    op.execute(
        "ALTER TABLE two_factor_auth ADD CONSTRAINT ck_two_factor_auth_recovery_phone_verified "
        "CHECK (recovery_phone_verified_at IS NULL OR recovery_phone IS NOT NULL) NOT VALID"
    )

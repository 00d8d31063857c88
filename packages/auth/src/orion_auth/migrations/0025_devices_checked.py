"""Check the rows of devices for what 0018 asks of them: only a trusted device has a secret, and it is a hash."""

from alembic import op

revision = "0025_devices_checked"
down_revision = "0024_devices_proved"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE devices VALIDATE CONSTRAINT ck_devices_secret_hash")
    op.execute("ALTER TABLE devices VALIDATE CONSTRAINT ck_devices_secret")


def downgrade() -> None:
    op.execute("ALTER TABLE devices DROP CONSTRAINT ck_devices_secret_hash")
    op.execute(
        "ALTER TABLE devices ADD CONSTRAINT ck_devices_secret_hash CHECK (octet_length(secret_hash) = 32) NOT VALID"
    )
    op.execute("ALTER TABLE devices DROP CONSTRAINT ck_devices_secret")
    op.execute(
        "ALTER TABLE devices ADD CONSTRAINT ck_devices_secret CHECK (secret_hash IS NULL OR status = 'TRUSTED') NOT VALID"
    )

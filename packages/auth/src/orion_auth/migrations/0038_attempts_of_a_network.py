"""Find the attempts that came from one network, of IPv6 a /64, in the order of time: risk counts them."""

from alembic import op

revision = "0038_attempts_of_a_network"
down_revision = "0037_two_factor_wanted"
phase = "pre"


def upgrade() -> None:
    op.execute(
        "CREATE INDEX ix_login_attempts_network_attempted_at ON login_attempts"
        " (network(set_masklen(ip_address, CASE family(ip_address) WHEN 4 THEN 32 ELSE 64 END)), attempted_at)"
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_login_attempts_network_attempted_at")

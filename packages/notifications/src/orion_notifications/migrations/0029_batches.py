"""Whom a batch has still to reach, and what makes it go on, slow down and stop."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029_batches"
down_revision = "0028_engagements"
phase = "pre"

CHECKS = {
    "ck_notification_batches_bounced_permille": "bounced_permille BETWEEN 0 AND 1000",
    "ck_notification_batches_canary": (
        "(canary_recipients IS NULL) = (canary_seconds IS NULL) AND least(canary_recipients, canary_seconds) >= 1"
    ),
    "ck_notification_batches_complained_permille": "complained_permille BETWEEN 0 AND 1000",
    "ck_notification_batches_rate_per_second": "rate_per_second BETWEEN 1 AND 100000",
    "ck_notification_batches_variables": "jsonb_typeof(variables) = 'object'",
}


def upgrade() -> None:
    op.create_table(
        "batch_recipients",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("recipient", sa.String(length=2048), nullable=True),
        sa.Column("locale", sa.String(length=35), nullable=True),
        sa.Column(
            "variables", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.CheckConstraint("jsonb_typeof(variables) = 'object'", name=op.f("ck_batch_recipients_variables")),
        sa.CheckConstraint("(user_id IS NULL) <> (recipient IS NULL)", name=op.f("ck_batch_recipients_recipient")),
        sa.CheckConstraint("position >= 1", name=op.f("ck_batch_recipients_position")),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["notification_batches.id"], name=op.f("fk_batch_recipients_batch_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("batch_id", "position", name=op.f("pk_batch_recipients")),
    )
    op.create_index(
        "uq_batch_recipients_recipient_batch_id",
        "batch_recipients",
        ["recipient", "batch_id"],
        unique=True,
        postgresql_where=sa.text("recipient IS NOT NULL"),
    )
    op.create_index(
        "uq_batch_recipients_user_id_batch_id",
        "batch_recipients",
        ["user_id", "batch_id"],
        unique=True,
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )
    op.add_column(
        "notification_batches",
        sa.Column("type", sa.String(length=100), server_default=sa.text("'announcement'"), nullable=False),
    )
    op.add_column(
        "notification_batches",
        sa.Column(
            "variables", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
    )
    op.add_column(
        "notification_batches", sa.Column("total_bounced", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "notification_batches", sa.Column("total_complained", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "notification_batches", sa.Column("fed_count", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("notification_batches", sa.Column("rate_per_second", sa.Integer(), nullable=True))
    op.add_column("notification_batches", sa.Column("canary_recipients", sa.Integer(), nullable=True))
    op.add_column("notification_batches", sa.Column("canary_seconds", sa.Integer(), nullable=True))
    op.add_column("notification_batches", sa.Column("canary_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("notification_batches", sa.Column("bounced_permille", sa.Integer(), nullable=True))
    op.add_column("notification_batches", sa.Column("complained_permille", sa.Integer(), nullable=True))
    op.add_column("notification_batches", sa.Column("reason", sa.String(length=300), nullable=True))
    op.add_column(
        "notification_batches", sa.Column("is_releasing", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("notification_batches", sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("notification_batches", sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_notification_batches_next_look_at",
        "notification_batches",
        ["next_look_at"],
        unique=False,
        postgresql_where=sa.text("next_look_at IS NOT NULL"),
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE public.batch_recipients TO orion_notifications_service")
    for name, condition in CHECKS.items():
        op.execute(f"ALTER TABLE notification_batches ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")


def downgrade() -> None:
    op.drop_index(
        "ix_notification_batches_next_look_at",
        table_name="notification_batches",
        postgresql_where=sa.text("next_look_at IS NOT NULL"),
    )
    op.drop_column("notification_batches", "counted_at")
    op.drop_column("notification_batches", "next_look_at")
    op.drop_column("notification_batches", "is_releasing")
    op.drop_column("notification_batches", "reason")
    op.drop_column("notification_batches", "complained_permille")
    op.drop_column("notification_batches", "bounced_permille")
    op.drop_column("notification_batches", "canary_until")
    op.drop_column("notification_batches", "canary_seconds")
    op.drop_column("notification_batches", "canary_recipients")
    op.drop_column("notification_batches", "rate_per_second")
    op.drop_column("notification_batches", "fed_count")
    op.drop_column("notification_batches", "total_complained")
    op.drop_column("notification_batches", "total_bounced")
    op.drop_column("notification_batches", "variables")
    op.drop_column("notification_batches", "type")
    op.drop_index(
        "uq_batch_recipients_user_id_batch_id",
        table_name="batch_recipients",
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )
    op.drop_index(
        "uq_batch_recipients_recipient_batch_id",
        table_name="batch_recipients",
        postgresql_where=sa.text("recipient IS NOT NULL"),
    )
    op.drop_table("batch_recipients")

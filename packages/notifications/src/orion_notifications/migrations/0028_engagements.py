"""Whether mails are read, where their template asks for it and their reader allows it."""

from alembic import op

revision = "0028_engagements"
down_revision = "0027_numbers"
phase = "pre"
accepted = {
    "locks-several-tables": "each column is a change of the catalogue alone, and nothing takes both tables' locks in turn"
}

RETENTION_MINIMUM = """
CREATE OR REPLACE FUNCTION retention_minimum(parent regclass) RETURNS interval
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE (SELECT relname FROM pg_class WHERE oid = parent AND relnamespace = 'public'::regnamespace)
    WHEN 'delivery_attempts' THEN interval '168 hours'{}
    WHEN 'notifications' THEN interval '720 hours'
    WHEN 'outbox' THEN interval '168 hours'
    ELSE NULL::interval
  END
$$
"""


def upgrade() -> None:
    op.execute("ALTER TABLE template_versions ADD COLUMN tracks_opens boolean NOT NULL DEFAULT false")
    op.execute("ALTER TABLE template_versions ADD COLUMN tracks_clicks boolean NOT NULL DEFAULT false")
    op.execute("ALTER TABLE user_preferences ADD COLUMN refuses_tracking boolean NOT NULL DEFAULT false")
    op.execute("ALTER TABLE notification_numbers ADD COLUMN opened integer NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE notification_numbers ADD COLUMN clicked integer NOT NULL DEFAULT 0")
    op.execute("CREATE TYPE engagement_kind AS ENUM ('OPEN', 'CLICK')")
    op.execute("CREATE TYPE agent AS ENUM ('BROWSER', 'PROXY', 'SCANNER')")
    op.execute(
        """
        CREATE TABLE engagements (
          id uuid NOT NULL DEFAULT uuidv7(),
          notification_id uuid NOT NULL,
          user_id uuid,
          kind engagement_kind NOT NULL,
          link smallint NOT NULL DEFAULT 0,
          agent agent NOT NULL,
          machine varchar(40),
          occurred_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_engagements PRIMARY KEY (id),
          CONSTRAINT ck_engagements_link CHECK ((kind = 'CLICK') = (link > 0))
        ) PARTITION BY RANGE (id)
        """
    )
    op.execute("CREATE INDEX ix_engagements_notification_id ON engagements (notification_id)")
    op.execute("CREATE INDEX ix_engagements_user_id ON engagements (user_id)")
    op.execute("CREATE TABLE engagements_default PARTITION OF engagements DEFAULT")
    op.execute("SELECT ensure_partitions('engagements', 3)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON engagements TO orion_notifications_service")
    op.execute(RETENTION_MINIMUM.format("\n    WHEN 'engagements' THEN interval '168 hours'"))


def downgrade() -> None:
    op.execute(RETENTION_MINIMUM.format(""))
    op.execute("DROP TABLE engagements")
    op.execute("DROP TYPE agent")
    op.execute("DROP TYPE engagement_kind")
    op.execute("ALTER TABLE notification_numbers DROP COLUMN clicked, DROP COLUMN opened")
    op.execute("ALTER TABLE user_preferences DROP COLUMN refuses_tracking")
    op.execute("ALTER TABLE template_versions DROP COLUMN tracks_clicks, DROP COLUMN tracks_opens")

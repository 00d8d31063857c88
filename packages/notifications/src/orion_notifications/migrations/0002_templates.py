"""Templates, and their versions, which never change once published.

The words that all later tables use (channel, priority, category) come into the world here.
"""

from alembic import op

revision = "0002_templates"
down_revision = "0001_house"
phase = "pre"

REQUIRE_PUBLISHED_VERSION = """
CREATE FUNCTION require_published_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM template_versions
    WHERE template_id = NEW.id AND version = NEW.published_version AND published_at IS NOT NULL
  ) THEN
    RAISE EXCEPTION 'template % has no published version %', NEW.name, NEW.published_version
      USING ERRCODE = '23503', CONSTRAINT = 'fk_templates_published_version', TABLE = 'templates';
  END IF;
  RETURN NULL;
END
$$
"""

REFUSE_PUBLISHED_CHANGE = """
CREATE FUNCTION refuse_published_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'version % of template % is published and can no longer change', OLD.version, OLD.template_id
    USING ERRCODE = '23514', CONSTRAINT = 'ck_template_versions_immutable', TABLE = 'template_versions';
END
$$
"""


def upgrade() -> None:
    # templates
    op.execute(
        """
        CREATE TYPE category AS ENUM ('TRANSACTIONAL', 'MARKETING', 'SECURITY', 'SYSTEM', 'ACCOUNT', 'SOCIAL')
        """
    )
    op.execute("CREATE TYPE channel AS ENUM ('EMAIL', 'SMS', 'PUSH', 'IN_APP', 'WEBHOOK', 'SLACK', 'DISCORD')")
    op.execute("CREATE TYPE priority AS ENUM ('LOW', 'NORMAL', 'HIGH', 'URGENT')")
    op.execute(
        """
        CREATE TABLE templates (
          id uuid NOT NULL DEFAULT uuidv7(),
          name varchar(100) NOT NULL,
          display_name varchar(200) NOT NULL,
          description varchar(1000) NOT NULL DEFAULT '',
          category category NOT NULL,
          channel channel NOT NULL,
          priority priority NOT NULL DEFAULT 'NORMAL',
          default_locale varchar(35) NOT NULL DEFAULT 'en',
          variables jsonb NOT NULL DEFAULT '{}'::jsonb,
          published_version integer,
          is_active boolean NOT NULL DEFAULT true,
          tags varchar(50)[] NOT NULL DEFAULT '{}',
          metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          deleted_at timestamptz,
          CONSTRAINT pk_templates PRIMARY KEY (id),
          CONSTRAINT ck_templates_name CHECK (name ~ '^[a-z][a-z0-9_]*$'),
          CONSTRAINT ck_templates_variables CHECK (jsonb_typeof(variables) = 'object')
        )
        """
    )
    op.execute("CREATE INDEX ix_templates_category ON templates (category)")
    op.execute("CREATE INDEX ix_templates_channel ON templates (channel)")
    op.execute("CREATE INDEX ix_templates_deleted_at ON templates (deleted_at) WHERE deleted_at IS NOT NULL")
    op.execute("CREATE INDEX ix_templates_tags ON templates USING gin (tags)")
    op.execute("CREATE UNIQUE INDEX uq_templates_name_channel ON templates (name, channel) WHERE deleted_at IS NULL")
    op.execute(REQUIRE_PUBLISHED_VERSION)
    op.execute(
        """
        CREATE CONSTRAINT TRIGGER require_published_version AFTER INSERT OR UPDATE OF published_version ON templates
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.published_version IS NOT NULL)
        EXECUTE FUNCTION require_published_version()
        """
    )
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON templates FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON templates TO orion_notifications_service")
    # template_versions
    op.execute(
        """
        CREATE TABLE template_versions (
          id uuid NOT NULL DEFAULT uuidv7(),
          template_id uuid NOT NULL,
          version integer NOT NULL,
          locales jsonb NOT NULL,
          changelog varchar(1000) NOT NULL DEFAULT '',
          created_by uuid,
          published_at timestamptz,
          metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_template_versions PRIMARY KEY (id),
          CONSTRAINT uq_template_versions_template_id_version UNIQUE (template_id, version),
          CONSTRAINT ck_template_versions_version CHECK (version >= 1),
          CONSTRAINT ck_template_versions_locales CHECK (jsonb_typeof(locales) = 'object' AND locales <> '{}'),
          CONSTRAINT fk_template_versions_template_id FOREIGN KEY (template_id)
            REFERENCES templates (id) ON DELETE RESTRICT
        )
        """
    )
    op.execute(REFUSE_PUBLISHED_CHANGE)
    op.execute(
        """
        CREATE TRIGGER refuse_published_change BEFORE UPDATE OR DELETE ON template_versions FOR EACH ROW
        WHEN (OLD.published_at IS NOT NULL) EXECUTE FUNCTION refuse_published_change()
        """
    )
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON template_versions FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON template_versions TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE template_versions")
    op.execute("DROP TABLE templates")
    op.execute("DROP FUNCTION refuse_published_change()")
    op.execute("DROP FUNCTION require_published_version()")
    op.execute("DROP TYPE category")
    op.execute("DROP TYPE channel")
    op.execute("DROP TYPE priority")

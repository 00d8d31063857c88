"""Keep what roles come to, with the time for which it did, so that a decision needs no hierarchy and the past no guess.

What there is already is filled in by the backfill: an UPDATE of roles has the trigger compare and write what is missing.
"""

from alembic import op

revision = "0024_role_rights"
down_revision = "0023_audit_keys"
phase = "pre"

KEEP_ROLE_RIGHTS = """
CREATE FUNCTION keep_role_rights() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  concerned uuid[];
BEGIN
  -- `changed` are the rows that the statement wrote. What a role says concerns all that inherit from it.
  IF TG_TABLE_NAME = 'role_ancestors' THEN
    SELECT array_agg(DISTINCT role_id) INTO concerned FROM changed;
  ELSIF TG_TABLE_NAME = 'role_permissions' THEN
    SELECT array_agg(DISTINCT below.role_id) INTO concerned
    FROM changed JOIN role_ancestors AS below ON below.ancestor_id = changed.role_id;
  ELSE
    SELECT array_agg(DISTINCT below.role_id) INTO concerned
    FROM changed JOIN role_ancestors AS below ON below.ancestor_id = changed.id;
  END IF;
  IF concerned IS NULL THEN
    RETURN NULL;
  END IF;
  WITH present AS (
    SELECT above.role_id, said.permission_id, said.role_id AS source_role_id, said.effect, said.condition
    FROM role_ancestors AS above
    JOIN roles AS role ON role.id = above.role_id AND role.is_active
    JOIN roles AS source ON source.id = above.ancestor_id AND source.is_active
    JOIN role_permissions AS said ON said.role_id = source.id
    WHERE above.role_id = ANY (concerned)
  ), gone AS (
    SELECT known.id, known.began_at FROM role_rights AS known
    WHERE known.role_id = ANY (concerned) AND known.ended_at IS NULL AND NOT EXISTS (
      SELECT FROM present
      WHERE present.role_id = known.role_id AND present.permission_id = known.permission_id
        AND present.source_role_id = known.source_role_id AND present.effect = known.effect
        AND present.condition IS NOT DISTINCT FROM known.condition
    )
  ), unmade AS (
    DELETE FROM role_rights USING gone WHERE role_rights.id = gone.id AND gone.began_at >= now()
  )
  UPDATE role_rights SET ended_at = now() FROM gone WHERE role_rights.id = gone.id AND gone.began_at < now();
  INSERT INTO role_rights (role_id, permission_id, source_role_id, effect, condition)
  SELECT above.role_id, said.permission_id, said.role_id, said.effect, said.condition
  FROM role_ancestors AS above
  JOIN roles AS role ON role.id = above.role_id AND role.is_active
  JOIN roles AS source ON source.id = above.ancestor_id AND source.is_active
  JOIN role_permissions AS said ON said.role_id = source.id
  WHERE above.role_id = ANY (concerned)
  ON CONFLICT (role_id, permission_id, source_role_id) WHERE ended_at IS NULL DO NOTHING;
  RETURN NULL;
END
$$
"""
TRIGGERS = (
    ("role_ancestors", "INSERT", "NEW"),
    ("role_ancestors", "DELETE", "OLD"),
    ("role_permissions", "INSERT", "NEW"),
    ("role_permissions", "UPDATE", "NEW"),
    ("role_permissions", "DELETE", "OLD"),
    ("roles", "UPDATE", "NEW"),
)

backfill = """
UPDATE roles SET is_active = true
WHERE id IN (
  SELECT role.id FROM roles AS role
  WHERE role.is_active AND NOT EXISTS (SELECT FROM role_rights AS known WHERE known.role_id = role.id)
    AND EXISTS (
      SELECT FROM role_ancestors AS above
      JOIN roles AS source ON source.id = above.ancestor_id AND source.is_active
      JOIN role_permissions AS said ON said.role_id = source.id
      WHERE above.role_id = role.id
    )
  LIMIT 100
)
"""


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE role_rights (
            id uuid NOT NULL DEFAULT uuidv7(),
            role_id uuid NOT NULL,
            permission_id uuid NOT NULL,
            source_role_id uuid NOT NULL,
            effect permission_effect NOT NULL,
            condition varchar(2000),
            began_at timestamptz NOT NULL DEFAULT now(),
            ended_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_role_rights PRIMARY KEY (id),
            CONSTRAINT fk_role_rights_role_id FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE CASCADE,
            CONSTRAINT fk_role_rights_permission_id
                FOREIGN KEY (permission_id) REFERENCES permissions (id) ON DELETE CASCADE,
            CONSTRAINT fk_role_rights_source_role_id FOREIGN KEY (source_role_id) REFERENCES roles (id) ON DELETE CASCADE,
            CONSTRAINT ck_role_rights_period CHECK (began_at < ended_at)
        )
        """
    )
    op.execute("CREATE INDEX ix_role_rights_role_id_permission_id ON role_rights (role_id, permission_id)")
    op.execute("CREATE INDEX ix_role_rights_permission_id ON role_rights (permission_id)")
    op.execute("CREATE INDEX ix_role_rights_source_role_id ON role_rights (source_role_id)")
    op.execute(
        "CREATE UNIQUE INDEX uq_role_rights_present ON role_rights (role_id, permission_id, source_role_id)"
        " WHERE ended_at IS NULL"
    )
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON role_rights FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT ON role_rights TO orion_user_service")
    op.execute(KEEP_ROLE_RIGHTS)
    for changed, operation, rows in TRIGGERS:
        op.execute(
            f"CREATE TRIGGER keep_role_rights_{operation.lower()} AFTER {operation} ON {changed}"
            f" REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keep_role_rights()"
        )


def downgrade() -> None:
    for changed, operation, _ in TRIGGERS:
        op.execute(f"DROP TRIGGER keep_role_rights_{operation.lower()} ON {changed}")
    op.execute("DROP FUNCTION keep_role_rights()")
    op.execute("DROP TABLE role_rights")

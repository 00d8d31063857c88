"""Have all that a decision reads in two tables: what a user was given, and what roles come to, by names.

The service may read the table when what there is already is in it (0034): a decision by half of it could miss a
refusal, so until then there is none. It is filled in by the backfill. It holds each grant and its user until it has committed, so what
ends or suspends meanwhile comes before or after it.
"""

from alembic import op

revision = "0032_user_grants"
down_revision = "0031_role_right_names"
phase = "pre"
accepted = {
    "missing-grants": "given by 0034, when the backfill is through: a decision by half of it could miss a refusal"
}

KEEP_USER_GRANTS = """
CREATE FUNCTION keep_user_grants() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- Whoever suspends or restores one of these users at the same time waits for us, or we for him (see below); each
  -- statement from here on sees what he has committed.
  IF TG_OP <> 'INSERT' THEN
    PERFORM FROM users WHERE id IN (SELECT user_id FROM gone) ORDER BY id FOR KEY SHARE;
    DELETE FROM user_grants AS known USING gone WHERE known.grant_id = gone.id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM FROM users WHERE id IN (SELECT user_id FROM given) ORDER BY id FOR KEY SHARE;
    IF TG_TABLE_NAME = 'user_roles' THEN
      INSERT INTO user_grants (user_id, grant_id, role_id, scope_id, starts_at, expires_at, condition)
      SELECT given.user_id, given.id, given.role_id, given.scope_id, given.starts_at, given.expires_at, given.condition
      FROM given JOIN users AS holder ON holder.id = given.user_id
      WHERE holder.deleted_at IS NULL AND holder.status <> 'SUSPENDED';
    ELSE
      INSERT INTO user_grants (user_id, grant_id, permission, effect, scope_id, starts_at, expires_at, condition)
      SELECT
        given.user_id, given.id, permission.name, given.effect, given.scope_id, given.starts_at, given.expires_at,
        given.condition
      FROM given
      JOIN permissions AS permission ON permission.id = given.permission_id
      JOIN users AS holder ON holder.id = given.user_id
      WHERE holder.deleted_at IS NULL AND holder.status <> 'SUSPENDED';
    END IF;
  END IF;
  RETURN NULL;
END
$$
"""
KEEP_USER_GRANTS_OF_STANDING = """
CREATE FUNCTION keep_user_grants_of_standing() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- Waits for all who are changing grants of this user, and has others wait until this is committed.
  PERFORM FROM users WHERE id = NEW.id FOR UPDATE;
  DELETE FROM user_grants WHERE user_id = NEW.id;
  IF NEW.deleted_at IS NULL AND NEW.status <> 'SUSPENDED' THEN
    INSERT INTO user_grants (user_id, grant_id, role_id, scope_id, starts_at, expires_at, condition)
    SELECT user_id, id, role_id, scope_id, starts_at, expires_at, condition FROM user_roles WHERE user_id = NEW.id;
    INSERT INTO user_grants (user_id, grant_id, permission, effect, scope_id, starts_at, expires_at, condition)
    SELECT held.user_id, held.id, permission.name, held.effect, held.scope_id, held.starts_at, held.expires_at,
      held.condition
    FROM user_permissions AS held JOIN permissions AS permission ON permission.id = held.permission_id
    WHERE held.user_id = NEW.id;
  END IF;
  RETURN NULL;
END
$$
"""
TRIGGERS = tuple(
    (f"keep_user_grants_{operation.lower()}", operation, given, rows)
    for given in ("user_roles", "user_permissions")
    for operation, rows in (
        ("INSERT", "NEW TABLE AS given"),
        ("UPDATE", "OLD TABLE AS gone NEW TABLE AS given"),
        ("DELETE", "OLD TABLE AS gone"),
    )
)

backfill = """
INSERT INTO user_grants (user_id, grant_id, role_id, permission, effect, scope_id, starts_at, expires_at, condition)
SELECT * FROM (
  SELECT
    held.user_id, held.id, held.role_id, CAST(NULL AS varchar), CAST(NULL AS permission_effect), held.scope_id,
    held.starts_at, held.expires_at, held.condition
  FROM user_roles AS held JOIN users AS holder ON holder.id = held.user_id
  WHERE holder.deleted_at IS NULL AND holder.status <> 'SUSPENDED' AND NOT EXISTS (
    SELECT FROM user_grants AS known WHERE known.grant_id = held.id
  )
  LIMIT 10000
  FOR SHARE OF held, holder
) AS roles
UNION ALL
SELECT * FROM (
  SELECT
    held.user_id, held.id, CAST(NULL AS uuid), permission.name, held.effect, held.scope_id,
    held.starts_at, held.expires_at, held.condition
  FROM user_permissions AS held
  JOIN permissions AS permission ON permission.id = held.permission_id
  JOIN users AS holder ON holder.id = held.user_id
  WHERE holder.deleted_at IS NULL AND holder.status <> 'SUSPENDED' AND NOT EXISTS (
    SELECT FROM user_grants AS known WHERE known.grant_id = held.id
  )
  LIMIT 10000
  FOR SHARE OF held, holder
) AS permissions
ON CONFLICT (grant_id) DO NOTHING
"""


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE user_grants (
            grant_id uuid NOT NULL,
            user_id uuid NOT NULL,
            role_id uuid,
            permission varchar(121),
            effect permission_effect,
            scope_id uuid,
            starts_at timestamptz NOT NULL,
            expires_at timestamptz,
            condition varchar(2000),
            is_conditional boolean NOT NULL GENERATED ALWAYS AS (condition IS NOT NULL) STORED,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_user_grants PRIMARY KEY (grant_id),
            CONSTRAINT fk_user_grants_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
            CONSTRAINT ck_user_grants_given
                CHECK ((role_id IS NULL) = (permission IS NOT NULL AND effect IS NOT NULL))
        )
        """
    )
    op.execute(
        "CREATE INDEX ix_user_grants_user_id ON user_grants (user_id)"
        " INCLUDE (grant_id, role_id, permission, effect, scope_id, starts_at, expires_at, is_conditional)"
    )
    op.execute("COMMENT ON COLUMN user_grants.grant_id IS 'Of the row of user_roles or user_permissions'")
    op.execute("COMMENT ON COLUMN user_grants.permission IS 'Name of one that was given directly'")
    op.execute("COMMENT ON COLUMN user_grants.effect IS 'Of one that was given directly'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON user_grants FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute(KEEP_USER_GRANTS)
    op.execute(KEEP_USER_GRANTS_OF_STANDING)
    for name, operation, given, rows in TRIGGERS:
        op.execute(
            f"CREATE TRIGGER {name} AFTER {operation} ON {given}"
            f" REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION keep_user_grants()"
        )
    op.execute(
        """
        CREATE TRIGGER keep_user_grants AFTER UPDATE ON users FOR EACH ROW
        WHEN ((OLD.deleted_at IS NULL AND OLD.status <> 'SUSPENDED')
          IS DISTINCT FROM (NEW.deleted_at IS NULL AND NEW.status <> 'SUSPENDED'))
        EXECUTE FUNCTION keep_user_grants_of_standing()
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER keep_user_grants ON users")
    for name, _, given, _ in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON {given}")
    op.execute("DROP FUNCTION keep_user_grants_of_standing()")
    op.execute("DROP FUNCTION keep_user_grants()")
    op.execute("DROP TABLE user_grants")

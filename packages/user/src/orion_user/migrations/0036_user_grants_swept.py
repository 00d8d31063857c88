"""Find who may do something by what they were given now: grants that have ended are swept out of `user_grants`.

And say once how a grant comes into it, and who may come in.
"""

from alembic import op

revision = "0036_user_grants_swept"
down_revision = "0035_audience_index"
phase = "pre"

MAY_COME_IN = """
CREATE FUNCTION may_come_in(status user_status, deleted_at timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT deleted_at IS NULL AND status <> 'SUSPENDED'
$$
"""
ADD_USER_GRANTS = """
CREATE FUNCTION add_user_grants(given uuid[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO user_grants (user_id, grant_id, role_id, permission, effect, scope_id, starts_at, expires_at, condition)
  SELECT held.user_id, held.id, held.role_id, NULL, NULL, held.scope_id, held.starts_at, held.expires_at, held.condition
  FROM user_roles AS held JOIN users AS holder ON holder.id = held.user_id
  WHERE held.id = ANY (given) AND may_come_in(holder.status, holder.deleted_at)
  UNION ALL
  SELECT
    held.user_id, held.id, NULL, permission.name, held.effect, held.scope_id, held.starts_at, held.expires_at,
    held.condition
  FROM user_permissions AS held
  JOIN permissions AS permission ON permission.id = held.permission_id
  JOIN users AS holder ON holder.id = held.user_id
  WHERE held.id = ANY (given) AND may_come_in(holder.status, holder.deleted_at);
END
$$
"""
KEEP_USER_GRANTS = """
CREATE OR REPLACE FUNCTION keep_user_grants() RETURNS trigger LANGUAGE plpgsql
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
    PERFORM add_user_grants(ARRAY(SELECT id FROM given));
  END IF;
  RETURN NULL;
END
$$
"""
KEEP_USER_GRANTS_OF_STANDING = """
CREATE OR REPLACE FUNCTION keep_user_grants_of_standing() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- Waits for all who are changing grants of this user, and has others wait until this is committed.
  PERFORM FROM users WHERE id = NEW.id FOR UPDATE;
  DELETE FROM user_grants WHERE user_id = NEW.id;
  PERFORM add_user_grants(ARRAY(
    SELECT id FROM user_roles WHERE user_id = NEW.id
    UNION ALL
    SELECT id FROM user_permissions WHERE user_id = NEW.id
  ));
  RETURN NULL;
END
$$
"""
SWEEP_USER_GRANTS = """
CREATE FUNCTION sweep_user_grants(ended_before timestamptz, at_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  swept integer;
BEGIN
  DELETE FROM user_grants WHERE grant_id = ANY (ARRAY(
    SELECT grant_id FROM user_grants                                     -- ix_user_grants_expires_at
    WHERE expires_at < least(ended_before, now())                        -- a caller's clock makes nothing due too early
    ORDER BY expires_at LIMIT at_most
    FOR UPDATE SKIP LOCKED
  ));
  GET DIAGNOSTICS swept = ROW_COUNT;
  RETURN swept;
END
$$
"""
SWEEP_SIGNATURE = "sweep_user_grants(timestamp with time zone, integer)"
KEEP_USER_GRANTS_BEFORE = """
CREATE OR REPLACE FUNCTION keep_user_grants() RETURNS trigger LANGUAGE plpgsql
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
KEEP_USER_GRANTS_OF_STANDING_BEFORE = """
CREATE OR REPLACE FUNCTION keep_user_grants_of_standing() RETURNS trigger LANGUAGE plpgsql
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
STANDING_CHANGES = """
CREATE OR REPLACE TRIGGER keep_user_grants AFTER UPDATE ON users FOR EACH ROW
WHEN (%s IS DISTINCT FROM %s)
EXECUTE FUNCTION keep_user_grants_of_standing()
"""


def upgrade() -> None:
    for function in (MAY_COME_IN, ADD_USER_GRANTS, KEEP_USER_GRANTS, KEEP_USER_GRANTS_OF_STANDING, SWEEP_USER_GRANTS):
        op.execute(function)
    op.execute(STANDING_CHANGES % tuple(f"may_come_in({row}.status, {row}.deleted_at)" for row in ("OLD", "NEW")))
    op.execute(f"REVOKE EXECUTE ON FUNCTION {SWEEP_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SWEEP_SIGNATURE} TO orion_user_service")
    op.execute(
        "CREATE INDEX ix_user_grants_role_id_scope_id_user_id ON user_grants (role_id, scope_id, user_id)"
        " WHERE role_id IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX ix_user_grants_permission_scope_id_user_id ON user_grants (permission, scope_id, user_id)"
        " WHERE effect = 'ALLOW'"
    )
    op.execute("CREATE INDEX ix_user_grants_expires_at ON user_grants (expires_at) WHERE expires_at IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP INDEX ix_user_grants_expires_at")
    op.execute("DROP INDEX ix_user_grants_permission_scope_id_user_id")
    op.execute("DROP INDEX ix_user_grants_role_id_scope_id_user_id")
    op.execute(f"DROP FUNCTION {SWEEP_SIGNATURE}")
    op.execute(
        STANDING_CHANGES
        % tuple(f"({row}.deleted_at IS NULL AND {row}.status <> 'SUSPENDED')" for row in ("OLD", "NEW"))
    )
    op.execute(KEEP_USER_GRANTS_OF_STANDING_BEFORE)
    op.execute(KEEP_USER_GRANTS_BEFORE)
    op.execute("DROP FUNCTION add_user_grants(uuid[])")
    op.execute("DROP FUNCTION may_come_in(user_status, timestamp with time zone)")

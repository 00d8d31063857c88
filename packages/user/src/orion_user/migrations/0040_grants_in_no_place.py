"""Keep what decisions read of grants in no place without asking whether that place is deleted.

It was asked of each by a call that took longer than all else that is done for the grant.
"""

from alembic import op

revision = "0040_grants_in_no_place"
down_revision = "0039_deleted_organizations"
phase = "pre"

ADD_USER_GRANTS = """
CREATE OR REPLACE FUNCTION add_user_grants(given uuid[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO user_grants (user_id, grant_id, role_id, permission, effect, scope_id, starts_at, expires_at, condition)
  SELECT held.user_id, held.id, held.role_id, NULL, NULL, held.scope_id, held.starts_at, held.expires_at, held.condition
  FROM user_roles AS held JOIN users AS holder ON holder.id = held.user_id
  WHERE held.id = ANY (given) AND may_come_in(holder.status, holder.deleted_at)
    AND (held.scope_id IS NULL OR NOT lies_in_deleted_organization(held.scope_id))
  UNION ALL
  SELECT
    held.user_id, held.id, NULL, permission.name, held.effect, held.scope_id, held.starts_at, held.expires_at,
    held.condition
  FROM user_permissions AS held
  JOIN permissions AS permission ON permission.id = held.permission_id
  JOIN users AS holder ON holder.id = held.user_id
  WHERE held.id = ANY (given) AND may_come_in(holder.status, holder.deleted_at)
    AND (held.scope_id IS NULL OR NOT lies_in_deleted_organization(held.scope_id));
END
$$
"""
ADD_USER_GRANTS_BEFORE = """
CREATE OR REPLACE FUNCTION add_user_grants(given uuid[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO user_grants (user_id, grant_id, role_id, permission, effect, scope_id, starts_at, expires_at, condition)
  SELECT held.user_id, held.id, held.role_id, NULL, NULL, held.scope_id, held.starts_at, held.expires_at, held.condition
  FROM user_roles AS held JOIN users AS holder ON holder.id = held.user_id
  WHERE held.id = ANY (given) AND may_come_in(holder.status, holder.deleted_at)
    AND NOT lies_in_deleted_organization(held.scope_id)
  UNION ALL
  SELECT
    held.user_id, held.id, NULL, permission.name, held.effect, held.scope_id, held.starts_at, held.expires_at,
    held.condition
  FROM user_permissions AS held
  JOIN permissions AS permission ON permission.id = held.permission_id
  JOIN users AS holder ON holder.id = held.user_id
  WHERE held.id = ANY (given) AND may_come_in(holder.status, holder.deleted_at)
    AND NOT lies_in_deleted_organization(held.scope_id);
END
$$
"""


def upgrade() -> None:
    op.execute(ADD_USER_GRANTS)


def downgrade() -> None:
    op.execute(ADD_USER_GRANTS_BEFORE)

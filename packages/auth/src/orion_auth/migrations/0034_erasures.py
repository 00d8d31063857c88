"""Let the history of somebody whose identity is gone be erased, which the service itself may only append to."""

from alembic import op

revision = "0034_erasures"
down_revision = "0033_told_of_sign_ins"
phase = "pre"

ERASE_HISTORY = """
CREATE FUNCTION erase_history(person uuid, address text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  attempts bigint;
  events bigint;
BEGIN
  IF EXISTS (SELECT FROM public.identities WHERE id = person OR (email = address AND deleted_at IS NULL)) THEN
    RAISE EXCEPTION 'the history of % stays: the identity, or its address, is still there', person
      USING ERRCODE = '22023';
  END IF;
  DELETE FROM public.login_attempts WHERE user_id = person OR email = address;
  GET DIAGNOSTICS attempts = ROW_COUNT;
  DELETE FROM public.security_events WHERE user_id = person;
  GET DIAGNOSTICS events = ROW_COUNT;
  RETURN attempts + events;
END
$$
"""


def upgrade() -> None:
    op.execute(ERASE_HISTORY)
    op.execute("REVOKE EXECUTE ON FUNCTION erase_history(uuid, text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION erase_history(uuid, text) TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP FUNCTION erase_history(uuid, text)")

"""What the database does to erase a person's history, which the service itself may only append to."""

from sqlalchemy import DDL, event

from orion_auth.base import Table
from orion_contracts.account_messages import AccountMessageRequested, SecurityNoticeRaised
from orion_contracts.api_keys import ApiKeyUsed
from orion_contracts.events import (
    EmailChanged,
    EmailVerificationRequested,
    EmailVerified,
    IdentityProfileChanged,
    IdentityRegistered,
    PhoneChanged,
    SessionStarted,
)

NAMING = tuple(
    named.type
    for named in (
        AccountMessageRequested,
        ApiKeyUsed,
        EmailChanged,
        EmailVerificationRequested,
        EmailVerified,
        IdentityProfileChanged,
        IdentityRegistered,
        PhoneChanged,
        SecurityNoticeRaised,
        SessionStarted,
    )
)
"""Events that hold an address, a number, a name or a place. The others hold ids and times."""

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
"""Only of somebody who is gone: a service that was taken over cannot wipe out the traces of it with this."""

SIGNATURE = "erase_history(uuid, text)"

for statement in (
    ERASE_HISTORY,
    f"REVOKE EXECUTE ON FUNCTION {SIGNATURE} FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO orion_auth_service",
):
    event.listen(Table.metadata, "after_create", DDL(statement.replace("%", "%%")))

"""Knowing the service that asks: by what it signs, or by the key that it shows."""

from collections.abc import Mapping
from datetime import datetime

from orion_auth.dpop import actions as dpop
from orion_auth.oauth2.assertions import read_assertion
from orion_auth.oauth2.rules import TokenRequestError, check_service, read_client
from orion_auth.settings import AuthSettings
from orion_core.database import Database
from orion_core.dpop import InvalidProofError, Proof

SECRET_REFUSED = "Here services sign (private_key_jwt, RFC 7523); a key that is shown is taken from none."


async def service_of(
    database: Database, settings: AuthSettings, authorization: str, form: Mapping[str, str], now: datetime
) -> str:
    """The name of the service whose request this is; raises TokenRequestError. What it has signed is good once."""
    if "client_assertion" not in form and "client_assertion_type" not in form:
        client = read_client(authorization, form)
        if settings.client_authentication == "private_key_jwt":
            raise TokenRequestError("invalid_client", SECRET_REFUSED)
        check_service(client, settings.service_key_hashes)
        return client.id
    if authorization or "client_secret" in form:
        raise TokenRequestError("invalid_request", "Send the client's credentials in one way only.")
    assertion = read_assertion(form, settings.service_public_keys, settings.issuer, now)
    try:
        async with database.autocommit() as connection:
            # Like proofs of keys, whose table it shares: remembered for as long as it would be good.
            await dpop.use(connection, Proof("", assertion.id, assertion.expires_at), now)
    except InvalidProofError:
        raise TokenRequestError("invalid_client", "The assertion was used before; sign one for each request.") from None
    return assertion.client_id

"""An access token for an API key (RFC 6749 §4.4): the key's public part is the client, the whole key its secret."""

from datetime import datetime, timedelta

from orion_auth.api_keys import actions as api_keys
from orion_auth.api_keys.actions import KnownKey
from orion_auth.dpop import actions as dpop
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.key_desk import KeyDesk
from orion_auth.oauth2.actions import Granted, Wanted, response_of
from orion_auth.oauth2.rules import (
    FURTHER_SCOPES,
    OPERATOR_SCOPES,
    SERVICE_SCOPES,
    Client,
    TokenRequestError,
    granted_audience,
    requested_scopes,
)
from orion_auth.rate_limits import actions as rate_limits
from orion_contracts.claims import API_KEY_CLIENT
from orion_core.api_keys import ApiKeyText
from orion_core.dpop import Proof
from orion_core.errors import unavailable
from orion_core.http.context import IpAddress

RESERVED_SCOPES = SERVICE_SCOPES.union(OPERATOR_SCOPES, *FURTHER_SCOPES.values())
"""What is for services and operators alone, should a permission ever be called alike."""

STALE_AFTER = timedelta(minutes=15)
"""For so long tokens are given on while user cannot be heard, so that programs outlive its restart; then no longer,
since a key that was revoked there must not live on because a cable was cut."""


def is_api_key(client: Client) -> bool:
    """Whether this client shows an API key, good or not."""
    return client.secret.startswith(API_KEY_CLIENT)


async def grant_to_api_key(
    gate: Gate,
    desk: KeyDesk,
    client: Client,
    wanted: Wanted,
    proof: Proof | None,
    address: IpAddress,
    now: datetime,
) -> Granted:
    """A token that is limited to the key's scopes and ends with it; for the next one the key is shown again."""
    require_fresh(desk, now)
    shown = ApiKeyText.parse(client.secret)
    if shown is None or shown.stage != desk.stage or shown.client_id != client.id:
        raise _unknown()  # what anybody can tell without us costs us nothing
    audience = granted_audience(wanted.resource)
    async with gate.database.autocommit() as connection:
        key = await api_keys.know(connection, shown, now)
        owner = await identities.find(connection, key.user_id, now) if key is not None and key.user_id else None
    if key is None:
        await rate_limits.take_wrong_api_key(gate.database, address, now)
        raise _unknown()
    limit = await rate_limits.take_api_key(gate.database, key.id, now)
    if not key.admits(address):
        raise TokenRequestError("invalid_client", "This API key may not be used from this address.")
    if key.user_id is not None and (owner is None or owner.standing != "GOOD"):
        raise TokenRequestError("invalid_grant", "The owner of this API key may not come in now.")
    scope = _granted_scope(key, wanted.scope)
    if proof is not None:
        async with gate.database.autocommit() as connection:
            await dpop.use(connection, proof, now)
    token = await gate.signer.for_api_key(
        key.subject,
        key.client_id,
        key.id,
        scope,
        now,
        epoch=owner.security_epoch if owner is not None else 0,
        audience=audience,
        ends_at=key.ends_at,
        networks=key.networks,
        rate_limit=key.rate_limit,
        jkt=proof.jkt if proof is not None else None,
    )
    desk.uses.note(key.id, key.user_id, address, now)
    return Granted(response_of(token, scope=scope), limit)


def require_fresh(desk: KeyDesk, now: datetime) -> None:
    """Refuse (503) while it cannot be known what has become of keys since a while."""
    if not desk.feed.is_fresh(now, STALE_AFTER):
        detail = "Whether this API key is still good cannot be known just now; user has not been heard of lately."
        raise unavailable("api_keys_stale", detail, 5)


def _granted_scope(key: KnownKey, requested: str | None) -> str:
    """What was asked for, or all of the key's; nothing that services or operators have, whatever it is called."""
    may_have = key.scopes - RESERVED_SCOPES
    scopes = frozenset(requested_scopes(requested)) or may_have
    if not scopes or not scopes <= may_have:
        raise TokenRequestError("invalid_scope", f"This API key may have: {' '.join(sorted(may_have))}.")
    return " ".join(sorted(scopes))


def _unknown() -> TokenRequestError:
    return TokenRequestError("invalid_client", "There is no such API key, or it has ended.")

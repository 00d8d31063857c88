"""Making the key that signs access tokens, and telling others how to verify what it signed."""

import json
from datetime import datetime
from typing import Any

from joserfc.jwk import ECKey

from orion_auth.signer import SigningKey
from orion_auth.signing_keys import store
from orion_auth.signing_keys.tables import SigningKeyStatus
from orion_core.access_tokens import ALGORITHM
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.sealing import Keyring, place

CURVE = "P-256"


async def load_or_create(database: Database, keyring: Keyring, now: datetime) -> SigningKey:
    """The active key; the first process that ever asks makes it, the others wait for that one."""
    async with database.transaction() as transaction:
        await store.take_lock(transaction.connection)
        row = await store.find_active(transaction.connection, ALGORITHM)
        if row is not None:
            opened = keyring.open(row.private_key, place("signing_keys", "private_key", row.id))
            return SigningKey(row.kid, ECKey.import_key(json.loads(opened)))
        made, values = _new_key(keyring, now)
        await store.insert_key(transaction.connection, values)
    return made


async def public_keys(database: Database) -> dict[str, Any]:
    """The JWK set (RFC 7517 §5)."""
    async with database.autocommit() as connection:
        return {"keys": list(await store.list_public(connection))}


def _new_key(keyring: Keyring, now: datetime) -> tuple[SigningKey, dict[str, Any]]:
    key = ECKey.generate_key(CURVE)
    key_id, kid = uuid7(), key.thumbprint()
    private = json.dumps(key.as_dict(private=True)).encode()
    values = {
        "id": key_id,
        "kid": kid,
        "algorithm": ALGORITHM,
        "public_jwk": {**key.as_dict(private=False), "kid": kid, "alg": ALGORITHM, "use": "sig"},
        "private_key": keyring.seal(private, place("signing_keys", "private_key", key_id)),
        "status": SigningKeyStatus.ACTIVE,
        "activated_at": now,
    }
    return SigningKey(kid, key), values

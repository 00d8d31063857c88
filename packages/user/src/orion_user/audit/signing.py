"""The key that signs checkpoints: Ed25519, its private half sealed like auth's."""

import json
from dataclasses import dataclass, field
from datetime import datetime

from orion_core.database import Transaction
from orion_core.ids import uuid7
from orion_core.sealing import Keyring, place
from orion_core.signatures import PrivateKey, decode, new_jwk, private_key
from orion_user.audit import chain_store


@dataclass(frozen=True)
class Signer:
    """A key, and the name under which verifiers know it."""

    key_id: str
    key: PrivateKey = field(repr=False)


async def current(transaction: Transaction, keyring: Keyring, now: datetime) -> Signer:
    """The newest key; a first one is made where there is none. Under the lock of the chain."""
    row = await chain_store.newest_key(transaction.connection)
    if row is None:
        return await bring_in(transaction, keyring, now)
    opened = keyring.open(row["private_key"], place("audit_signing_keys", "private_key", row["id"]))
    return Signer(row["key_id"], private_key(json.loads(opened), "EdDSA"))


async def bring_in(transaction: Transaction, keyring: Keyring, now: datetime) -> Signer:
    """Make a key, which signs from now on. Those before it stay, so that what they signed can be checked."""
    pair, row_id = new_jwk("EdDSA"), uuid7()
    key_id = pair.thumbprint()
    values = {
        "id": row_id,
        "key_id": key_id,
        "public_key": decode(str(pair.as_dict(private=False)["x"])),
        "private_key": keyring.seal(
            json.dumps(pair.as_dict(private=True)).encode(), place("audit_signing_keys", "private_key", row_id)
        ),
        "created_at": now,
    }
    await chain_store.insert_key(transaction.connection, values)
    return Signer(key_id, private_key(pair.as_dict(private=True), "EdDSA"))

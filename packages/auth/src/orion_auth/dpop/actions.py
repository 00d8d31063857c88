"""Using up the proofs of keys that tokens are bound to."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.dpop import store
from orion_core.dpop import InvalidProofError, Proof


async def use(connection: AsyncConnection, proof: Proof | None, now: datetime) -> None:
    """Use up the proof that tokens are got with, if one was shown; raises InvalidProofError when it was used before.

    Called once it is clear that tokens are due: what is refused writes nothing.
    """
    if proof is not None and not await store.use(connection, proof.id, proof.expires_at, now):
        raise _used()


async def require_unused(connection: AsyncConnection, proof: Proof, now: datetime) -> None:
    """Refuse a proof that was used before, ahead of a change that cannot be undone; `use` decides between two at once.

    Raises InvalidProofError.
    """
    if await store.is_used(connection, proof.id, now):
        raise _used()


def _used() -> InvalidProofError:
    return InvalidProofError("The DPoP proof was used before; make one for each request.")

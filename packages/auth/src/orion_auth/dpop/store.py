"""The statement of proofs."""

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.dpop.tables import DpopProof


async def use(connection: AsyncConnection, proof_hash: bytes, expires_at: datetime, now: datetime) -> bool:
    """Use a proof up (pk_dpop_proofs); False when it was before. Of several at once one gets the row."""
    statement = (
        insert(DpopProof)
        .values(proof_hash=proof_hash, expires_at=expires_at)
        .on_conflict_do_update(
            index_elements=[DpopProof.proof_hash], set_={"expires_at": expires_at}, where=DpopProof.expires_at < now
        )
        .returning(DpopProof.proof_hash)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def is_used(connection: AsyncConnection, proof_hash: bytes, now: datetime) -> bool:
    """Whether a proof was used up before (pk_dpop_proofs)."""
    found = exists().where(DpopProof.proof_hash == proof_hash, DpopProof.expires_at >= now)
    return bool((await connection.execute(select(found))).scalar_one())

"""Taking in many users at once, for the user service."""

from fastapi import APIRouter

from orion_auth.components import Claims, Wired
from orion_auth.imports.bulk import take_in_many
from orion_auth.imports.shapes import BulkImport, BulkOutcome
from orion_core.http.authentication import IMPORTS, require_scope

router = APIRouter(prefix="/auth/v1", tags=["services"])


@router.post("/identity-imports")
async def import_identities(body: BulkImport, claims: Claims, wired: Wired) -> list[BulkOutcome]:
    """Take in those of whom nothing is taken; what became of each, in their order. Sent again, it answers the same."""
    require_scope(claims, IMPORTS)
    return await take_in_many(
        wired.database, wired.outbox, body.import_id, body.identities, by=claims.sub, now=wired.clock()
    )

"""Taking in many users at once, for the user service."""

from typing import Annotated

from fastapi import APIRouter, Depends

from orion_auth.components import Claims, Wired
from orion_auth.imports.bulk import take_in_many
from orion_auth.imports.shapes import BulkImport, BulkOutcome
from orion_contracts.claims import AccessClaims
from orion_core.http.authentication import IMPORTS, require_scope

router = APIRouter(prefix="/auth/v1", tags=["services"])


async def _importer(claims: Claims) -> AccessClaims:
    """Before anything is said of what was sent."""
    require_scope(claims, IMPORTS)
    return claims


@router.post("/identity-imports")
async def import_identities(
    body: BulkImport, importer: Annotated[AccessClaims, Depends(_importer)], wired: Wired
) -> list[BulkOutcome]:
    """Take in those of whom nothing is taken; what became of each, in their order. Sent again, it answers the same."""
    return await take_in_many(wired.database, body.import_id, body.identities, by=importer.sub, now=wired.clock())

"""The keys that others verify access tokens with."""

from typing import Any

from fastapi import APIRouter, Response

from orion_auth.components import Wired
from orion_auth.signing_keys import actions

router = APIRouter(prefix="/auth", tags=["tokens"])


@router.get("/.well-known/jwks.json")
async def read_keys(wired: Wired, response: Response) -> dict[str, Any]:
    """The JWK set (RFC 7517): public keys by `kid`."""
    await wired.signer.ready()
    response.headers["Cache-Control"] = "public, max-age=60"
    return await actions.public_keys(wired.database)

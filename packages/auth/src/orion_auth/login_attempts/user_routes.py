"""The sign-ins to one's own account, over HTTP."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from orion_auth.components import Claims, Wired
from orion_auth.login_attempts import of_user
from orion_auth.login_attempts.user_shapes import SignInList
from orion_core.http.authentication import user_id
from orion_core.http.openapi import refusals
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT

router = APIRouter(prefix="/auth/v1/me", tags=["sessions"])


@router.get("/sign-ins", responses=refusals(HTTPStatus.BAD_REQUEST))
async def list_sign_ins(
    wired: Wired,
    claims: Claims,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> SignInList:
    """Who tried to sign in to your account, from where, what came of it, and what spoke against it."""
    return await of_user.list_sign_ins(wired.database, wired.cursors, user_id(claims), cursor, limit)

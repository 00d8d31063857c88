"""What a user may know of the attempts to sign in to his account."""

from uuid import UUID

from orion_auth.base import AnyRow
from orion_auth.login_attempts import actions
from orion_auth.login_attempts.rules import Wanted
from orion_auth.login_attempts.user_shapes import SignInList, SignInReason, SignInShape
from orion_auth.user_agents import describe
from orion_core.database import Database
from orion_core.paging import Cursors


async def list_sign_ins(
    database: Database, cursors: Cursors, user_id: UUID, cursor: str | None, limit: int
) -> SignInList:
    """One page of the attempts at this account, the latest first."""
    listing = f"me/sign-ins {user_id}"
    after = cursors.read(listing, cursor) if cursor is not None else None
    rows = await actions.search(database, Wanted(user_id=user_id), (after[0], after[1]) if after else None, limit + 1)
    page = rows[:limit]
    more = cursors.issue(listing, [page[-1].attempted_at, page[-1].id]) if len(rows) > limit else None
    return SignInList(items=[_shape(row) for row in page], next=more)


def _shape(row: AnyRow) -> SignInShape:
    return SignInShape(
        id=row.id,
        attempted_at=row.attempted_at,
        outcome=row.status.value,
        method=row.method.value,
        second_factor=row.two_factor_method.value if row.two_factor_method else None,
        ip_address=str(row.ip_address) if row.ip_address else None,
        country=row.country,
        region=row.region,
        city=row.city,
        device_id=row.device_id,
        device=describe(row.user_agent).name,
        risk_score=row.risk_score,
        reasons=[SignInReason.model_validate(reason) for reason in row.risk_reasons],
    )

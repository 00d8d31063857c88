"""The policy of risk, over HTTP, for administrators."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request, Response

from orion_auth.components import Configurer, Investigator, Reader, Sender, Wired
from orion_auth.risk import administration
from orion_auth.risk.rules import Policy
from orion_auth.risk.shapes import PolicyChange, PolicyShape, PolicyVersions, SimulationPart, SimulationRequest
from orion_auth.security_events.actions import Circumstances
from orion_core.http.etags import etag, require_match
from orion_core.http.openapi import refusals

router = APIRouter(prefix="/auth/v1/risk-policy", tags=["risk"])


@router.get("")
async def read_policy(wired: Wired, _: Reader, response: Response) -> PolicyShape:
    """What the signals weigh now, with an ETag."""
    found = await administration.read(wired.database)
    response.headers["ETag"] = etag(found)
    return found


@router.put("", responses=refusals(HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED))
async def change_policy(
    change: PolicyChange,
    request: Request,
    response: Response,
    wired: Wired,
    administrator: Configurer,
    bearer: Sender,
) -> PolicyShape:
    """Put another policy in force, from the next sign-in on. `If-Match` with the ETag you read is required."""

    def require(current: PolicyShape) -> None:
        require_match(request, etag(current))

    circumstances = Circumstances.of(bearer)
    changed = await administration.change(
        wired.database, change, administrator.sub, require, circumstances, wired.clock()
    )
    response.headers["ETag"] = etag(changed)
    return changed


@router.get("/versions")
async def list_versions(wired: Wired, _: Reader) -> PolicyVersions:
    """What the policy was, the latest version first."""
    return await administration.versions(wired.database)


@router.post("/simulations", responses=refusals(HTTPStatus.BAD_REQUEST))
async def simulate(body: SimulationRequest, wired: Wired, _: Investigator) -> SimulationPart:
    """Who would have been stopped or asked for a second factor under another policy. Changes nothing.

    One request looks at 20,000 attempts at most, and for half a second; `next` goes on from there.
    """
    policy = Policy(body.step_up_at, body.block_at, body.weights)
    listing = f"risk simulation {body.model_dump_json(exclude={'cursor'})}"
    after: UUID | None = wired.cursors.read(listing, body.cursor)[0] if body.cursor is not None else None
    part, following = await administration.simulate_part(wired.database, policy, body.since, body.until, after)
    cursor = wired.cursors.issue(listing, [following]) if following is not None else None
    return SimulationPart(**part.model_dump(), next=cursor)

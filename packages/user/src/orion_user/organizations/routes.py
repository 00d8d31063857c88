"""`/organizations`, `/teams`, and what one is invited to."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from orion_core.errors import Problem
from orion_core.http.context import Context
from orion_core.http.etags import etag, require_match
from orion_core.http.openapi import refusals
from orion_core.http.pages import PAGE, html, page
from orion_core.paging import Page
from orion_user.audit.actions import Actor
from orion_user.components import Components, Wired
from orion_user.desk import AtDesk, Teller
from orion_user.listing import DEFAULT_LIMIT, Cursor, Limit, answer_page
from orion_user.once import MakingOnce
from orion_user.organizations import actions, invitations, members, pages, teams
from orion_user.organizations.mailing import Mailing
from orion_user.organizations.shapes import (
    InvitationAcceptance,
    MembershipState,
    NewInvitation,
    NewOrganization,
    NewOwner,
    NewTeam,
    OrganizationChanges,
    OrganizationState,
    TeamChanges,
    TeamState,
)

router = APIRouter(tags=["organizations"])

GONE = refusals(HTTPStatus.NOT_FOUND)
REFUSED = refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
MATCHED = REFUSED | refusals(HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)

PAGES: dict[int | str, dict[str, Any]] = {410: PAGE}

Token = Annotated[str, Path(max_length=200, description="The token in the link of the mail.")]


def _mailing(wired: Components) -> Mailing:
    return Mailing(wired.settings.event_sealing_keys, wired.settings.before_invitation_token)


@router.get("/organizations")
async def organizations(
    request: Request,
    response: Response,
    wired: Wired,
    desk: AtDesk,
    mine: bool = True,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[OrganizationState]:
    """One's own organizations, or with `mine=false` all."""
    listing = f"organizations {desk.claims.sub if mine else 'of all'}"
    after: UUID | None = None if cursor is None else wired.cursors.read(listing, cursor)[0]
    found = await actions.page(desk, mine, after, limit + 1)
    return answer_page(request, response, wired.cursors, listing, found, limit, ["id"], OrganizationState.of)


@router.post(
    "/organizations",
    status_code=HTTPStatus.CREATED,
    response_model=OrganizationState,
    responses=refusals(HTTPStatus.CONFLICT),
)
async def create_organization(once: MakingOnce, desk: AtDesk, body: NewOrganization) -> Response:
    """Make an organization. Its owner may do everything in it."""
    return await once.make(partial(actions.create, desk, body), "/user/v1/organizations/{id}", tag=etag)


@router.get("/organizations/{organization_id}", responses=GONE)
async def organization(response: Response, desk: AtDesk, organization_id: UUID) -> OrganizationState:
    """One organization."""
    found = await actions.read(desk, organization_id)
    response.headers["ETag"] = etag(found)
    return found


@router.patch("/organizations/{organization_id}", responses=MATCHED)
async def change_organization(
    request: Request, response: Response, desk: AtDesk, organization_id: UUID, body: OrganizationChanges
) -> OrganizationState:
    """Change what an organization is called. `If-Match` is required."""
    changed = await actions.change(desk, organization_id, body, partial(require_match, request))
    response.headers["ETag"] = etag(changed)
    return changed


@router.delete("/organizations/{organization_id}", status_code=HTTPStatus.NO_CONTENT, responses=GONE)
async def delete_organization(desk: AtDesk, organization_id: UUID) -> None:
    """Put an organization away; it can be restored."""
    await actions.remove(desk, organization_id)


@router.post("/organizations/{organization_id}/restoration", responses=REFUSED)
async def restore_organization(desk: AtDesk, organization_id: UUID) -> OrganizationState:
    """Bring a deleted organization back."""
    return await actions.restore(desk, organization_id)


@router.post("/organizations/{organization_id}/ownership", responses=REFUSED)
async def hand_organization_over(desk: AtDesk, organization_id: UUID, body: NewOwner) -> OrganizationState:
    """Make a member the owner."""
    return await actions.hand_over(desk, organization_id, body.user_id)


@router.get("/organizations/{organization_id}/teams", responses=GONE)
async def organization_teams(
    request: Request,
    response: Response,
    wired: Wired,
    desk: AtDesk,
    organization_id: UUID,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[TeamState]:
    """Teams of an organization, in the order they were made."""
    listing = f"teams of {organization_id}"
    after: UUID | None = None if cursor is None else wired.cursors.read(listing, cursor)[0]
    found = await teams.page(desk, organization_id, after, limit + 1)
    return answer_page(request, response, wired.cursors, listing, found, limit, ["id"], TeamState.of)


@router.post(
    "/organizations/{organization_id}/teams",
    status_code=HTTPStatus.CREATED,
    response_model=TeamState,
    responses=REFUSED,
)
async def create_team(once: MakingOnce, desk: AtDesk, organization_id: UUID, body: NewTeam) -> Response:
    """Make a team, in another one or not."""
    return await once.make(partial(teams.create, desk, organization_id, body), "/user/v1/teams/{id}", tag=etag)


@router.get("/organizations/{organization_id}/members", responses=GONE)
async def organization_members(
    request: Request,
    response: Response,
    wired: Wired,
    desk: AtDesk,
    organization_id: UUID,
    team_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[MembershipState]:
    """Who belongs to an organization, or to one team of it, or is invited to.

    Invitations and addresses are shown to those who may invite, or `system:read`, in it. Other members see each other
    there, but for those who let nobody see their profile.
    """
    listing = f"members of {organization_id} {team_id}"
    after: UUID | None = None if cursor is None else wired.cursors.read(listing, cursor)[0]
    found = await members.page(desk, organization_id, team_id, after, limit + 1)
    return answer_page(request, response, wired.cursors, listing, found, limit, ["id"], MembershipState.of)


@router.delete(
    "/organizations/{organization_id}/members/{user_id}", status_code=HTTPStatus.NO_CONTENT, responses=REFUSED
)
async def end_membership(desk: AtDesk, organization_id: UUID, user_id: UUID) -> None:
    """Leave, or remove somebody, with all that was given in the organization."""
    await members.leave(desk, organization_id, user_id)


@router.post(
    "/organizations/{organization_id}/invitations",
    status_code=HTTPStatus.CREATED,
    response_model=MembershipState,
    responses=REFUSED | refusals(HTTPStatus.TOO_MANY_REQUESTS),
)
async def invite_member(
    once: MakingOnce, wired: Wired, desk: AtDesk, organization_id: UUID, body: NewInvitation
) -> Response:
    """Invite an address, by mail. Whoever has its link, or has shown that the address is his, can accept for a week."""
    return await once.make(partial(invitations.invite, desk, _mailing(wired), organization_id, body.email))


@router.post("/invitations/{invitation_id}/mails", responses=GONE | refusals(HTTPStatus.TOO_MANY_REQUESTS))
async def mail_invitation_again(wired: Wired, desk: AtDesk, invitation_id: UUID) -> MembershipState:
    """Mail an invitation once more, also one that has expired: it is good for a week from now, and its link is new."""
    return await invitations.mail_again(desk, _mailing(wired), invitation_id)


@router.get("/me/invitations")
async def my_invitations(
    request: Request,
    response: Response,
    wired: Wired,
    desk: AtDesk,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[MembershipState]:
    """What I am invited to, in the order it was sent."""
    listing = f"invitations of {desk.user_id}"
    after: UUID | None = None if cursor is None else wired.cursors.read(listing, cursor)[0]
    found = await invitations.mine(desk, after, limit + 1)
    return answer_page(request, response, wired.cursors, listing, found, limit, ["id"], MembershipState.of)


@router.post("/me/invitations/{invitation_id}/acceptance", responses=REFUSED)
async def accept_invitation(desk: AtDesk, invitation_id: UUID) -> MembershipState:
    """Become a member."""
    return await invitations.accept(desk, invitation_id)


@router.post("/me/invitation-acceptances", responses=REFUSED)
async def accept_mailed_invitation(desk: AtDesk, body: InvitationAcceptance) -> MembershipState:
    """Become a member by the token in a mailed link, whatever one's own address is."""
    return await invitations.accept_by_token(desk, body.token)


@router.get("/invitation-links/{token}", response_class=HTMLResponse, responses=PAGES)
@router.head("/invitation-links/{token}", include_in_schema=False)
async def read_invitation_link(wired: Wired, token: Token) -> HTMLResponse:
    """The page behind the link, where the product has none of its own. Opening it changes nothing, however often."""
    try:
        opened = await invitations.look_at(wired.database, token, wired.clock())
    except Problem:
        return pages.dead()
    if opened.user_id is None:
        return pages.unknown_address(opened.organization, opened.email, HTTPStatus.OK)
    return pages.question(token, opened.organization, opened.email)


@router.post("/invitation-links/{token}", response_class=HTMLResponse, responses=PAGES | {409: PAGE})
async def accept_by_invitation_link(wired: Wired, context: Context, token: Token) -> HTMLResponse:
    """The button of that page: whoever has shown that the invited address is his becomes a member."""
    actor = Actor(
        ip_address=context.ip_address,
        user_agent=context.user_agent,
        request_id=context.request_id,
        began=context.began,
    )
    try:
        guest = Teller(wired.outbox, actor, wired.clock())
        opened = await invitations.accept_by_link(wired.database, guest, token)
    except Problem as problem:
        if problem.status == HTTPStatus.NOT_FOUND:
            return pages.dead()
        return html(page(problem.title, problem.detail), problem.status)
    if opened.user_id is None:
        return pages.unknown_address(opened.organization, opened.email, HTTPStatus.CONFLICT)
    return pages.joined(opened.organization)


@router.delete("/invitations/{invitation_id}", status_code=HTTPStatus.NO_CONTENT, responses=GONE)
async def take_invitation_back(desk: AtDesk, invitation_id: UUID) -> None:
    """Take an invitation back, or decline one's own."""
    await invitations.take_back(desk, invitation_id)


@router.get("/teams/{team_id}", responses=GONE)
async def team(response: Response, desk: AtDesk, team_id: UUID) -> TeamState:
    """One team."""
    found = await teams.read(desk, team_id)
    response.headers["ETag"] = etag(found)
    return found


@router.patch("/teams/{team_id}", responses=MATCHED)
async def change_team(
    request: Request, response: Response, desk: AtDesk, team_id: UUID, body: TeamChanges
) -> TeamState:
    """Change what a team is called, or move it into another. `If-Match` is required."""
    changed = await teams.change(desk, team_id, body, partial(require_match, request))
    response.headers["ETag"] = etag(changed)
    return changed


@router.delete("/teams/{team_id}", status_code=HTTPStatus.NO_CONTENT, responses=GONE)
async def delete_team(desk: AtDesk, team_id: UUID) -> None:
    """Delete a team, with the teams in it and what was given in them."""
    await teams.remove(desk, team_id)


@router.put("/teams/{team_id}/members/{user_id}", responses=GONE)
async def add_team_member(desk: AtDesk, team_id: UUID, user_id: UUID) -> MembershipState:
    """Have a member of the organization belong to a team of it."""
    return await members.add_to_team(desk, team_id, user_id)


@router.delete("/teams/{team_id}/members/{user_id}", status_code=HTTPStatus.NO_CONTENT, responses=GONE)
async def end_team_membership(desk: AtDesk, team_id: UUID, user_id: UUID) -> None:
    """Leave a team, or remove somebody, with what was given in it."""
    await members.leave_team(desk, team_id, user_id)

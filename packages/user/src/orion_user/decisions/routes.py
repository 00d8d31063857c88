"""Questions about rights: AuthZEN 1.0 under `/access`, and explanations."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from orion_core.errors import Problem, invalid_field
from orion_core.http.openapi import refusals
from orion_core.http.shapes import Moment as MomentShape
from orion_core.rights.client import RightsDocument
from orion_core.rights.decider import Rights
from orion_core.rights.decisions import Decision, Saying
from orion_core.stretches import Stretches
from orion_user.components import Claims, Components, Wired
from orion_user.decisions import actions, shapes
from orion_user.decisions.actions import Moment
from orion_user.decisions.explanations import explanation
from orion_user.decisions.rules import SUBJECT_TYPE, Question, Subject

PREFIX = "/user/v1/access"
UNPROCESSABLE = refusals(HTTPStatus.UNPROCESSABLE_ENTITY)

router = APIRouter(prefix="/access", tags=["access"], responses=UNPROCESSABLE)
metadata_router = APIRouter(tags=["access"])

At = Annotated[MomentShape | None, Query(description="A moment in the past or the future; now when it is left out.")]


def _moment(wired: Components, at: datetime | None) -> Moment:
    now = wired.clock()
    return Moment(now) if at is None else Moment(at, is_past=at < now)


@router.post("/evaluation")
async def evaluate(wired: Wired, claims: Claims, asked: shapes.EvaluationShape, at: At = None) -> shapes.DecisionShape:
    """May the subject do that to the resource? About others than oneself, this needs `access:read`."""
    question, moment = asked.question(), _moment(wired, at)
    await actions.require_asking(wired.database, claims, [question.subject], wired.clock())
    return _shown(await actions.evaluate(wired.database, question, moment))


@router.post("/evaluations", response_model=shapes.DecisionsShape | shapes.DecisionShape)
async def evaluate_several(
    wired: Wired, claims: Claims, asked: shapes.EvaluationsShape, at: At = None
) -> shapes.DecisionsShape | shapes.DecisionShape:
    """Up to 100 questions at once; with no `evaluations` in it, the one that stands there itself."""
    try:
        questions = [each.question() for each in asked.questions()]
    except ValidationError:
        raise invalid_field("/evaluations", "missing", "Each needs subject, action and resource.") from None
    moment = _moment(wired, at)
    await actions.require_asking(wired.database, claims, [each.subject for each in questions], wired.clock())
    if not asked.evaluations:
        return _shown(await actions.evaluate(wired.database, questions[0], moment))
    answers, kept, stretches = list[shapes.DecisionShape](), dict[UUID, Rights](), Stretches()
    async with wired.database.autocommit() as connection:
        for question in questions:
            answers.append(await _answered(connection, question, moment, kept, stretches))
            if _is_enough(asked.options.evaluations_semantic, answers[-1]):
                break
            await stretches.give_way()
    return shapes.DecisionsShape(evaluations=answers)


@router.post("/search/subject")
async def search_subjects(
    wired: Wired, claims: Claims, asked: shapes.SubjectSearch, at: At = None
) -> shapes.FoundEntities:
    """Who may do that to the resource? This needs `access:read`. A page may be short though there are more."""
    subject = Subject(asked.subject.type, "", asked.subject.properties)
    question = Question(subject, asked.action.name, asked.resource.resource(), asked.context)
    moment = _moment(wired, at)

    async def find(after: UUID | None) -> tuple[list[UUID], UUID | None]:
        await actions.require_asking(wired.database, claims, None, wired.clock())
        async with wired.database.autocommit() as connection:
            return await actions.subjects_who(connection, question, moment, after, asked.page.limit)

    return await _paged(wired, asked, at, asked.subject.type, find)


@router.post("/search/resource")
async def search_resources(
    wired: Wired, claims: Claims, asked: shapes.ResourceSearch, at: At = None
) -> shapes.FoundEntities:
    """In which organizations or teams, or to which users, may the subject do that?"""
    subject = asked.subject.subject()
    resource = actions.Resource(asked.resource.type, "", asked.resource.properties)
    question = Question(subject, asked.action.name, resource, asked.context)
    moment = _moment(wired, at)

    async def find(after: UUID | None) -> tuple[list[UUID], UUID | None]:
        await actions.require_asking(wired.database, claims, [subject], wired.clock())
        async with wired.database.autocommit() as connection:
            return await actions.resources_where(connection, question, moment, after, asked.page.limit)

    return await _paged(wired, asked, at, asked.resource.type, find)


@router.post("/search/action")
async def search_actions(
    wired: Wired, claims: Claims, asked: shapes.ActionSearch, at: At = None
) -> shapes.FoundActions:
    """What may the subject do to the resource?"""
    subject, listing = asked.subject.subject(), _listing(asked, at)
    after: str = wired.cursors.read(listing, asked.page.token)[0] if asked.page.token else ""
    moment = _moment(wired, at)
    await actions.require_asking(wired.database, claims, [subject], wired.clock())
    async with wired.database.autocommit() as connection:
        names = await actions.actions_on(connection, subject, asked.resource.resource(), asked.context, moment)
    rest = [name for name in names if name > after]
    page = rest[: asked.page.limit]
    following = wired.cursors.issue(listing, [page[-1]]) if len(rest) > len(page) else ""
    found = [shapes.FoundAction(name=name) for name in page]
    return shapes.FoundActions(results=found, page=shapes.NextShape(next_token=following, count=len(page)))


@router.post("/explanation")
async def explain(
    wired: Wired, claims: Claims, asked: shapes.EvaluationShape, at: At = None
) -> shapes.ExplanationShape:
    """Why may they, or why not: each grant that speaks of it, its conditions, and what comes nearest to allowing it."""
    question, moment = asked.question(), _moment(wired, at)
    await actions.require_asking(wired.database, claims, [question.subject], wired.clock())
    async with wired.database.autocommit() as connection:
        explained = await actions.explain(connection, question, moment)
    return explanation(explained, question, moment.at)


@router.get("/rights/{user_id}", response_model=RightsDocument, responses={304: {"description": "Not changed"}})
async def rights(
    request: Request, response: Response, wired: Wired, claims: Claims, user_id: UUID
) -> RightsDocument | Response:
    """All that was granted to a user and has not ended, for deciding in another process; the ETag is its version.

    For a service that keeps it: one `If-None-Match` for each request of its own, and nothing decided is ever old.
    """
    subject = Subject(SUBJECT_TYPE, str(user_id), {})
    known = request.headers.get("if-none-match", "").strip('"') or None
    await actions.require_asking(wired.database, claims, [subject], wired.clock())
    found = await actions.rights(wired.database, user_id, known, wired.clock())
    if found is None:
        return Response(status_code=304, headers={"ETag": f'"{known}"'})
    response.headers["ETag"] = f'"{found.version}"'
    return RightsDocument.of(found)


@metadata_router.get("/.well-known/authzen-configuration")
async def metadata(request: Request, wired: Wired) -> shapes.Metadata:
    """Where this decision point answers what."""
    base = next(iter(wired.settings.public_urls), None) or str(request.base_url).rstrip("/")
    return shapes.Metadata(
        policy_decision_point=base,
        access_evaluation_endpoint=f"{base}{PREFIX}/evaluation",
        access_evaluations_endpoint=f"{base}{PREFIX}/evaluations",
        search_subject_endpoint=f"{base}{PREFIX}/search/subject",
        search_resource_endpoint=f"{base}{PREFIX}/search/resource",
        search_action_endpoint=f"{base}{PREFIX}/search/action",
    )


def _shown(decision: Decision[Saying]) -> shapes.DecisionShape:
    return shapes.DecisionShape(decision=decision.allowed, context={"reason": decision.reason.value})


async def _answered(
    connection: Any, question: Question, moment: Moment, kept: dict[UUID, Rights], stretches: Stretches
) -> shapes.DecisionShape:
    """The answer to one of several questions; one that cannot be answered spoils no other."""
    try:
        return _shown(await actions.evaluate_one_of_several(connection, question, moment, kept, stretches))
    except Problem as problem:
        error = {"status": problem.status, "code": problem.code, "message": problem.detail}
        return shapes.DecisionShape(decision=False, context={"error": error})


def _is_enough(semantic: shapes.Semantic, answer: shapes.DecisionShape) -> bool:
    ends_with = {shapes.Semantic.DENY_ON_FIRST_DENY: False, shapes.Semantic.PERMIT_ON_FIRST_PERMIT: True}
    return ends_with.get(semantic) is answer.decision


def _listing(asked: shapes.AuthzenShape, at: datetime | None) -> str:
    """Name of a search, for its cursors: all that was asked for but the page."""
    return f"{type(asked).__name__} {asked.model_dump_json(exclude={'page'})} {at}"


async def _paged(
    wired: Components,
    asked: shapes.SubjectSearch | shapes.ResourceSearch,
    at: datetime | None,
    kind: str,
    find: Callable[[UUID | None], Awaitable[tuple[list[UUID], UUID | None]]],
) -> shapes.FoundEntities:
    listing = _listing(asked, at)
    after: UUID | None = wired.cursors.read(listing, asked.page.token)[0] if asked.page.token else None
    found, last = await find(after)
    following = wired.cursors.issue(listing, [last]) if last is not None else ""
    results = [shapes.EntityShape(type=kind, id=str(each)) for each in found]
    return shapes.FoundEntities(results=results, page=shapes.NextShape(next_token=following, count=len(results)))

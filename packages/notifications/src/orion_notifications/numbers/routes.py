"""`/numbers`: how many messages became what, when, and how soon they left. For administrators and programs."""

from typing import Annotated

from fastapi import APIRouter, Query

from orion_core.http.shapes import Moment
from orion_notifications.components import Claims, Wired
from orion_notifications.numbers import actions
from orion_notifications.numbers.rules import Grain
from orion_notifications.numbers.shapes import GrainLabel, NumbersAnswer

router = APIRouter(prefix="/numbers", tags=["numbers"])


@router.get("", response_model_exclude_unset=True)
async def read(
    wired: Wired,
    claims: Claims,
    begins_at: Annotated[
        Moment | None, Query(alias="from", description="Default: a day or 30 days before `to`.")
    ] = None,
    ends_at: Annotated[Moment | None, Query(alias="to", description="Default: now.")] = None,
    grain: GrainLabel = "hour",
    by: Annotated[
        str,
        Query(max_length=60, description="What is told apart, such as `channel,provider`; also template, category."),
    ] = "",
) -> NumbersAnswer:
    """Messages accepted, sent, delivered and lost, in each hour or day (UTC): 31 days by hour, 400 by day at most."""
    await wired.require(claims, "notification:read")
    return await actions.read(wired.database, begins_at, ends_at or wired.clock(), Grain[grain.upper()], by)

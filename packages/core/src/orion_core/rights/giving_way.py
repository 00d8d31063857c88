"""The same decisions where many grants may speak, each under conditions of its own: others have turns meanwhile."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TypeVar

from orion_core.conditions.condition import Facts
from orion_core.errors import Problem
from orion_core.rights.decisions import Decision, Saying, Weighed, outcome, weigh
from orion_core.stretches import Stretches

MOST_SECONDS = 2.0
"""Of reckoning for one request: many thousands of conditions as they are written in earnest, few of the dearest."""

Said = TypeVar("Said", bound=Saying)


async def decide_giving_way(
    grounds: Iterable[Said], facts: Facts, stretches: Stretches | None = None
) -> Decision[Said]:
    """Decide by the grants that speak of the permission at the place and at the time.

    503 `decision_too_dear` when the request, of which `stretches` are when it has more to reckon, took too long over
    it: whoever cannot be told that he may, may not.
    """
    spent, weighed = stretches or Stretches(), list[Weighed[Said]]()
    for ground in grounds:
        weighed.append(weigh(ground, facts))
        if ground.conditions:
            await spent.give_way()
            if spent.spent > MOST_SECONDS:
                raise _too_dear(len(weighed))
    return outcome(tuple(weighed))


def _too_dear(weighed: int) -> Problem:
    detail = (
        f"The conditions of grants that speak of this took more than {MOST_SECONDS:g} seconds, and there are more after"
        f" the first {weighed}. Nothing was decided. Give the subject fewer grants with conditions, or simpler ones."
    )
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "decision_too_dear", "Too dear to decide", detail)

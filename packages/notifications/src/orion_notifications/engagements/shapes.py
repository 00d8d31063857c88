"""Bodies of the routes of engagements."""

from datetime import datetime

from orion_core.http.shapes import ResponseShape


class EngagementShape(ResponseShape):
    """That a mail was opened (OPEN), or its link number `link` followed (CLICK)."""

    kind: str
    link: int
    agent: str
    """BROWSER, PROXY or SCANNER."""
    machine: str | None
    """Why it was no reader, such as `too_soon`; null: a reader, as far as can be told."""
    occurred_at: datetime


class EngagementsShape(ResponseShape):
    """What is known of whether a mail was read, in the order in which it happened."""

    items: list[EngagementShape]

"""What is asked about audiences. The rest of it crosses to notifications: `orion_contracts.audiences`."""

from uuid import UUID

from pydantic import Field

from orion_contracts.audiences import Audience
from orion_core.http.shapes import RequestShape


class AudienceQuestion(RequestShape):
    """Which page of which audience."""

    audience: Audience
    after: UUID | None = Field(default=None, description="`next` of the page before; left out: from the beginning.")

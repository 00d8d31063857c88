"""What administrators send and see of rate limits."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from orion_auth.rate_limits.rules import LARGEST_LIMIT, LONGEST_WINDOW_SECONDS, Endpoint, RateLimitKeyType
from orion_core.http.shapes import RequestShape, ResponseShape


class PolicyChange(RequestShape):
    """What a policy is to be."""

    limit: int = Field(ge=1, le=LARGEST_LIMIT, description="How many tries pass in any window.", examples=[5])
    window_seconds: int = Field(ge=1, le=LONGEST_WINDOW_SECONDS, examples=[60])
    block_seconds: int = Field(
        0, ge=0, le=LONGEST_WINDOW_SECONDS, description="How long everything is refused after a try too many."
    )


class PolicyShape(ResponseShape):
    """How often something may be tried."""

    endpoint: Endpoint
    key_type: RateLimitKeyType
    limit: int
    window_seconds: int
    block_seconds: int


class PolicyListed(PolicyShape):
    """A policy with the ETag that changing it needs."""

    etag: str


class Policies(ResponseShape):
    """All policies."""

    items: list[PolicyListed]


class LimitedShape(ResponseShape):
    """Somebody who is refused now."""

    id: UUID
    endpoint: str
    key_type: RateLimitKeyType
    whose: str = Field(description="An account, a network, or an account from a network.")
    limit: int
    window_seconds: int
    ends_at: datetime = Field(description="When the next try passes.")

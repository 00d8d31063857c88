"""`RateLimit` and `RateLimit-Policy` headers (draft-ietf-httpapi-ratelimit-headers)."""

import math
from dataclasses import dataclass
from datetime import datetime

from orion_core.errors import Problem


@dataclass(frozen=True)
class RateLimitState:
    """Where a caller stands under one policy. Times in seconds."""

    policy: str
    quota: int
    window: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """The headers of an answer under this policy."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.quota};w={self.window}',
            "RateLimit": f'"{self.policy}";r={max(self.remaining, 0)};t={self.reset}',
        }


def too_many_requests(state: RateLimitState) -> Problem:
    """429 that says when to come back."""
    detail = f"More than {state.quota} tries in {state.window} seconds. Try again in {state.reset} seconds."
    headers = {**state.headers(), "Retry-After": str(state.reset)}
    return Problem(429, "too_many_requests", "Too many requests", detail, headers=headers)


def told_under(state: RateLimitState | None, problem: Problem) -> Problem:
    """The refusal of a try that was counted: it says where its caller stands, as a good answer does."""
    problem.headers |= state.headers() if state is not None else {}
    return problem


def seconds_until(moment: datetime, now: datetime) -> int:
    """Whole seconds, at least one."""
    return max(1, math.ceil((moment - now).total_seconds()))

"""What an account is worth: measured by its answers, and weighed against the others of its channel.

A circuit breaker with hysteresis: what makes an account bad is far from what makes it good again, so one at the edge
does not flap, as GOV.UK Notify's did when it changed providers at 10 % slow and back below. Times are seconds of a
monotonic clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto
from math import ceil
from uuid import UUID

HALF_LIFE_SECONDS = 30.0
"""After which an answer counts half."""
ENOUGH = 4.5
"""Answers before anything is concluded: five in a row, a little decayed."""
SLOW_SECONDS = 8.0
DOWN_AT = 0.5
DEGRADED_AT = 0.15
SLOW_AT = 0.4
WELL_BELOW = 0.05
DEGRADED_SHARE = 0.1
"""Of its weight. Some it must have, or nobody would see it recover."""
PROBES = 3
"""Successes in a row that end DOWN."""
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
BURST_SHARE = 10
"""A tenth of a limit may leave at once; the rest follows evenly, so no window of its length sees more than 110 %."""


class ProviderHealth(Enum):
    """What recent attempts through an account say of it."""

    HEALTHY = auto()
    DEGRADED = auto()
    DOWN = auto()


@dataclass(frozen=True)
class Gauge:
    """Answers of late, each counting half after every half-life."""

    calls: float = 0.0
    errors: float = 0.0
    slow: float = 0.0
    at: float = 0.0

    def with_answer(self, at: float, *, is_error: bool, is_slow: bool) -> "Gauge":
        """This and one more answer."""
        left = 0.5 ** (max(0.0, at - self.at) / HALF_LIFE_SECONDS)
        return Gauge(self.calls * left + 1, self.errors * left + is_error, self.slow * left + is_slow, at)

    @property
    def error_share(self) -> float:
        """Of answers, how many are errors."""
        return self.errors / self.calls if self.calls else 0.0

    @property
    def slow_share(self) -> float:
        """Of answers, how many took too long."""
        return self.slow / self.calls if self.calls else 0.0


@dataclass(frozen=True)
class Standing:
    """How an account stands with one worker."""

    health: ProviderHealth = ProviderHealth.HEALTHY
    gauge: Gauge = Gauge()
    pauses: int = 0
    """How often in a row it was found to be down."""
    paused_until: float = 0.0
    """One that is down is asked again after its pause, and then by one message at a time."""
    probes: int = 0
    """Successes in a row while it is down."""

    def answered(self, at: float, *, is_error: bool, seconds: float, is_probe: bool) -> "Standing":
        """The standing after an answer. While it is down, probes alone say something."""
        if self.health is ProviderHealth.DOWN:
            return self._probed(at, is_error=is_error) if is_probe else self
        gauge = self.gauge.with_answer(at, is_error=is_error, is_slow=seconds >= SLOW_SECONDS)
        if gauge.calls < ENOUGH:
            return replace(self, gauge=gauge)
        if gauge.error_share >= DOWN_AT:
            return self._down(at)
        is_bad = gauge.error_share >= DEGRADED_AT or gauge.slow_share >= SLOW_AT
        is_good = gauge.error_share < WELL_BELOW and gauge.slow_share < WELL_BELOW
        health = ProviderHealth.DEGRADED if is_bad else ProviderHealth.HEALTHY if is_good else self.health
        return replace(self, health=health, gauge=gauge, pauses=0 if is_good else self.pauses)

    def told(self, health: ProviderHealth, at: float) -> "Standing":
        """The standing after another worker has told of the account.

        Hearsay makes wary, and one's own errors alone take an account down: else one worker without a network would end
        sending for all. What is well again elsewhere is tried out here too.
        """
        if health is ProviderHealth.DOWN and self.health is ProviderHealth.HEALTHY:
            wary = Gauge(calls=ENOUGH, errors=ENOUGH * DOWN_AT * 0.9, at=at)
            return replace(self, health=ProviderHealth.DEGRADED, gauge=wary)
        if health is not ProviderHealth.DOWN and self.health is ProviderHealth.DOWN:
            return replace(self, paused_until=min(self.paused_until, at))
        return self

    def _down(self, at: float) -> "Standing":
        pause = min(FIRST_PAUSE_SECONDS * 2**self.pauses, LONGEST_PAUSE_SECONDS)
        return Standing(ProviderHealth.DOWN, Gauge(at=at), min(self.pauses + 1, 16), at + pause)

    def _probed(self, at: float, *, is_error: bool) -> "Standing":
        if is_error:
            return self._down(at)
        if self.probes + 1 < PROBES:
            return replace(self, probes=self.probes + 1)
        return Standing(ProviderHealth.DEGRADED, Gauge(at=at), self.pauses)


@dataclass(frozen=True)
class Candidate:
    """An account that may be asked, as far as choosing is concerned."""

    id: UUID | None
    weight: int
    health: ProviderHealth
    chance: float
    """Uniform in [0, 1)."""


def in_order(candidates: Iterable[Candidate]) -> list[UUID | None]:
    """Whom to ask first, second, …: at random by weight, those of weight 0 (the reserve) when all others are passed.

    Weighted sampling without replacement (Efraimidis and Spirakis 2006): the largest u^(1/w) first.
    """

    def key(one: Candidate) -> tuple[bool, float]:
        share = DEGRADED_SHARE if one.health is not ProviderHealth.HEALTHY else 1.0
        weight = (one.weight or 1) * share
        return one.weight > 0, one.chance ** (1 / weight)

    return [one.id for one in sorted(candidates, key=key, reverse=True)]


def burst(rate_limit: int) -> int:
    """How many may leave at once through an account of this limit."""
    return ceil(rate_limit / BURST_SHARE)

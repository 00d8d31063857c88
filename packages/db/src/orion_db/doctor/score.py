"""How healthy a database is, from 0 to 100."""

from collections.abc import Iterable, Mapping

from orion_db.doctor.finding import Finding, Severity

_FACTORS = {Severity.CRITICAL: 3.0, Severity.WARNING: 1.0, Severity.INFO: 0.0}


def score(findings: Iterable[Finding], weights: Mapping[str, int]) -> int:
    """100 less what the findings cost, never below 0.

    A warning costs the weight of its check, a critical finding three times that, an info nothing. Of one check
    the dearest finding counts whole, the next half, the next a quarter: fifty alike are one illness, not fifty.
    One finding more never raises the score.
    """
    costs: dict[str, list[float]] = {}
    for finding in findings:
        cost = weights[finding.check] * _FACTORS[finding.severity]
        costs.setdefault(finding.check, []).append(cost)
    lost = sum(sum(cost / 2**place for place, cost in enumerate(sorted(of, reverse=True))) for of in costs.values())
    return max(0, round(100 - lost))

"""Assessing a sign-in."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from orion_auth.base import AnyRow
from orion_auth.devices.actions import Recognised
from orion_auth.location import Location
from orion_auth.risk import store
from orion_auth.risk.rules import Assessment, Policy, Signals, assess, share_of_hour, slowest_speed
from orion_auth.tokens.actions import Bearer
from orion_core.statement import Look


@dataclass(frozen=True)
class Circumstance:
    """What is known of an attempt beside its past."""

    password_is_breached: bool = False
    network_is_anonymising: bool = False


def past(user_id: UUID, bearer: Bearer, now: datetime) -> Look[AnyRow]:
    """What is known of the past of an attempt, and the policy in force."""
    values = {"user_id": user_id, "ip_address": bearer.ip_address, "country": bearer.place.country, "now": now}
    return Look(store.SIGNALS, values, lambda row: row)


def assess_sign_in(
    row: AnyRow, device: Recognised, bearer: Bearer, now: datetime, known: Circumstance | None = None
) -> Assessment:
    """How unlike the user this attempt is, by its `past`."""
    known = known or Circumstance()
    hours: dict[str, int] = row.hours or {}
    signals = Signals(
        has_signed_in_before=row.last_came_at is not None,
        is_new_device=not device.is_known,
        device_has_changed=device.has_changed,
        device_is_blocked=device.is_blocked,
        is_new_country=bearer.place.country is not None and row.has_countries and not row.is_known_country,
        speed=_speed(row.last_place, bearer.place.location, now),
        attempts_from_address=row.attempts_from_address,
        failures_of_account=row.failures_of_account,
        failures_from_address=row.failures_from_address,
        other_accounts_from_address=row.other_accounts_from_address,
        share_of_hour=share_of_hour({int(hour): count for hour, count in hours.items()}, now.hour),
        days_away=(now - row.last_came_at).days if row.last_came_at is not None else 0,
        password_is_breached=known.password_is_breached,
        network_is_anonymising=known.network_is_anonymising,
    )
    return assess(signals, policy_of(row) if row.version is not None else Policy())


def policy_of(row: AnyRow) -> Policy:
    """The policy that a row holds."""
    return Policy(row.step_up_at, row.block_at, row.weights, row.version)


def kept(assessment: Assessment) -> dict[str, Any]:
    """What is kept of an assessment with its attempt, so that another policy can be tried on it."""
    if assessment.signals is None:
        return {}
    return {
        "risk": {
            "signals": asdict(assessment.signals),
            "verdict": assessment.verdict,
            "policy_version": assessment.policy_version,
        }
    }


def _speed(last_place: dict[str, Any] | None, here: Location | None, now: datetime) -> float | None:
    if last_place is None or here is None:
        return None
    there = Location(**last_place["where"])
    return round(slowest_speed(there, datetime.fromisoformat(last_place["at"]), here, now), 1)

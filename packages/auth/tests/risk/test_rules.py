"""From signals to a score, and from the score to what is done."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_auth.location import Location
from orion_auth.risk.rules import (
    DEFAULT_WEIGHTS,
    EARTH_RADIUS,
    FASTEST,
    Policy,
    Signals,
    assess,
    distance,
    share_of_hour,
    slowest_speed,
)

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
QUIET = Signals(has_signed_in_before=True, is_new_device=False)
LOUD: dict[str, dict[str, Any]] = {
    "blocked_device": {"device_is_blocked": True},
    "impossible_travel": {"speed": 901.0},
    "breached_password": {"password_is_breached": True},
    "anonymising_network": {"network_is_anonymising": True},
    "changed_device": {"device_has_changed": True},
    "new_country": {"is_new_country": True},
    "account_failures": {"failures_of_account": 5},
    "address_failures": {"failures_from_address": 10},
    "new_device": {"is_new_device": True},
    "shared_address": {"other_accounts_from_address": 10},
    "velocity": {"attempts_from_address": 20},
    "long_absence": {"days_away": 90},
    "unusual_hour": {"share_of_hour": 0.0},
}
OSLO, LIMA = Location(59.91, 10.75, 10), Location(-12.05, -77.04, 10)

weights = st.dictionaries(st.sampled_from(sorted(DEFAULT_WEIGHTS)), st.integers(0, 100))


def policy_of(at: list[int], given: dict[str, int]) -> Policy:
    return Policy(at[0], at[1], given)


thresholds = st.tuples(st.integers(1, 101), st.integers(1, 101)).map(sorted)
policies = st.builds(policy_of, thresholds, weights)
loud = st.sets(st.sampled_from(sorted(LOUD)))
locations = st.builds(Location, st.floats(-90, 90), st.floats(-180, 180), st.floats(0, 1000))


def speaking(names: set[str]) -> Signals:
    signals = QUIET
    for name in names:
        signals = replace(signals, **LOUD[name])
    return signals


def test_nothing_unusual_is_no_risk() -> None:
    assert (assess(QUIET, Policy()).score, assess(QUIET, Policy()).verdict) == (0, "ALLOW")


def test_every_signal_has_a_weight_and_is_tested() -> None:
    assert set(LOUD) == set(DEFAULT_WEIGHTS)


@pytest.mark.parametrize("signal", sorted(LOUD))
def test_each_signal_speaks_alone_with_its_weight_and_a_reason(signal: str) -> None:
    [reason] = assess(speaking({signal}), Policy()).reasons
    assert (reason.signal, reason.weight) == (signal, DEFAULT_WEIGHTS[signal])
    assert reason.detail.endswith(".")


@pytest.mark.parametrize("signal", ["new_device", "new_country"])
def test_the_first_sign_in_of_all_is_new_in_every_way_and_no_risk_for_it(signal: str) -> None:
    assert assess(replace(speaking({signal}), has_signed_in_before=False), Policy()).score == 0


@given(loud, policies)
def test_a_score_is_the_sum_of_its_reasons_up_to_a_hundred(names: set[str], policy: Policy) -> None:
    assessment = assess(speaking(names), policy)
    assert assessment.score == min(100, sum(reason.weight for reason in assessment.reasons))
    assert 0 <= assessment.score <= 100
    assert all(reason.weight > 0 for reason in assessment.reasons)


@given(loud, loud, policies)
def test_more_that_speaks_against_it_never_makes_it_safer(some: set[str], more: set[str], policy: Policy) -> None:
    order = ["ALLOW", "STEP_UP", "BLOCK"]
    fewer, all_of_it = assess(speaking(some), policy), assess(speaking(some | more), policy)
    assert fewer.score <= all_of_it.score
    assert order.index(fewer.verdict) <= order.index(all_of_it.verdict)


@given(loud, policies, st.sampled_from(sorted(DEFAULT_WEIGHTS)), st.integers(0, 100))
def test_a_heavier_weight_never_lowers_a_score(names: set[str], policy: Policy, signal: str, extra: int) -> None:
    heavier = replace(policy, weights=dict(policy.weights) | {signal: policy.weights.get(signal, 0) + extra})
    assert assess(speaking(names), policy).score <= assess(speaking(names), heavier).score


STRANGERS_DO = {"account_failures", "address_failures", "shared_address", "velocity"}


@given(loud, st.sets(st.sampled_from(sorted(STRANGERS_DO))), policies)
def test_strangers_shut_nobody_out_from_a_device_of_his_own(names: set[str], doing: set[str], policy: Policy) -> None:
    """They can try wrong passwords from the network that he shares with them, as many as they like."""
    own = names - STRANGERS_DO - {"new_device", "changed_device"}
    alone, beside = assess(speaking(own), policy), assess(speaking(own | doing), policy)
    assert (alone.verdict == "BLOCK") == (beside.verdict == "BLOCK")


def test_what_strangers_do_asks_for_more_and_stops_whoever_comes_from_elsewhere() -> None:
    assert assess(speaking(STRANGERS_DO | {"unusual_hour"}), Policy()).verdict == "STEP_UP"
    assert assess(speaking(STRANGERS_DO | {"new_device"}), Policy()).verdict == "BLOCK"
    assert assess(speaking(STRANGERS_DO | {"changed_device"}), Policy()).verdict == "BLOCK"


@given(st.integers(0, 400), st.integers(0, 400))
def test_more_failures_never_make_it_safer(one: int, other: int) -> None:
    few, many = sorted((one, other))
    score = [
        assess(replace(QUIET, failures_of_account=n, failures_from_address=n), Policy()).score for n in (few, many)
    ]
    assert score[0] <= score[1]


@given(locations, locations, locations)
def test_distance_is_a_metric_on_the_globe(a: Location, b: Location, c: Location) -> None:
    assert distance(a, a) == 0
    assert distance(a, b) == pytest.approx(distance(b, a))
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-3
    assert distance(a, b) <= EARTH_RADIUS * 3.1416


def test_oslo_to_lima() -> None:
    assert distance(OSLO, LIMA) == pytest.approx(11_045, rel=0.01)
    assert slowest_speed(OSLO, NOW - timedelta(hours=1), LIMA, NOW) > FASTEST
    assert slowest_speed(OSLO, NOW - timedelta(hours=14), LIMA, NOW) < FASTEST


@given(locations, locations, st.integers(0, 10**6))
def test_a_place_that_is_only_roughly_known_accuses_nobody(a: Location, b: Location, seconds: int) -> None:
    rough = replace(b, accuracy=EARTH_RADIUS * 4)
    assert slowest_speed(a, NOW - timedelta(seconds=seconds), rough, NOW) == 0


@given(st.dictionaries(st.integers(0, 23), st.integers(0, 50)), st.integers(0, 23), st.integers(0, 23))
def test_hours_lie_on_a_circle(hours: dict[int, int], hour: int, turn: int) -> None:
    turned = {(at + turn) % 24: count for at, count in hours.items()}
    share = share_of_hour(hours, hour)
    assert share == share_of_hour(turned, (hour + turn) % 24)
    assert share is None or 0 <= share <= 1


def test_midnight_is_near_eleven_at_night() -> None:
    assert share_of_hour({23: 20}, 0) == 1
    assert share_of_hour({23: 20}, 12) == 0
    assert share_of_hour({23: 9}, 12) is None, "too few to tell"

"""Circuit breakers and shares: what takes an account down, what brings it back, who is asked first."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from orion_core.ids import uuid7
from orion_notifications.providers.rules import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    PROBES,
    SLOW_SECONDS,
    Candidate,
    ProviderHealth,
    Standing,
    burst,
    in_order,
)

HEALTHY, DEGRADED, DOWN = ProviderHealth


def after(standing: Standing, at: float, *, errors: int = 0, successes: int = 0, seconds: float = 0.1) -> Standing:
    for number in range(errors + successes):
        is_error = number < errors
        standing = standing.answered(at + number / 100, is_error=is_error, seconds=seconds, is_probe=False)
    return standing


def test_five_errors_in_a_row_take_an_account_down_and_four_do_not() -> None:
    assert after(Standing(), 0, errors=4).health is HEALTHY
    down = after(Standing(), 0, errors=5)
    assert down.health is DOWN
    assert FIRST_PAUSE_SECONDS < down.paused_until <= 0.05 + FIRST_PAUSE_SECONDS


def test_probes_alone_bring_it_back_and_a_failed_one_doubles_the_pause() -> None:
    down = after(Standing(), 0, errors=5)
    assert after(down, 1, successes=50) == down  # what was under way when it went down
    again = down.answered(10, is_error=True, seconds=1, is_probe=True)
    assert again.paused_until == 10 + 2 * FIRST_PAUSE_SECONDS
    for number in range(PROBES):
        assert again.health is DOWN
        again = again.answered(30 + number, is_error=False, seconds=1, is_probe=True)
    assert again.health is DEGRADED
    assert after(again, 40, successes=20).health is HEALTHY


def test_pauses_end() -> None:
    standing = Standing()
    for at in range(0, 100_000, 1000):
        standing = (
            after(standing, at, errors=5)
            if standing.health is not DOWN
            else standing.answered(at, is_error=True, seconds=1, is_probe=True)
        )
        assert standing.paused_until <= at + 0.05 + LONGEST_PAUSE_SECONDS


def test_an_account_at_the_edge_does_not_flap() -> None:
    """One error in eight makes it bad; one in ten, which alone would not have, does not make it good again."""
    standing, changes = Standing(), 0
    for number in range(2_000):
        error_every = 7 if number < 200 else 10
        before = standing.health
        standing = standing.answered(number / 10, is_error=number % error_every == 0, seconds=0.1, is_probe=False)
        changes += standing.health is not before
    assert (standing.health, changes) == (DEGRADED, 1)
    assert after(standing, 201, successes=1_000).health is HEALTHY


def test_slowness_alone_degrades() -> None:
    assert after(Standing(), 0, successes=10, seconds=SLOW_SECONDS).health is DEGRADED
    assert after(Standing(), 0, successes=10, seconds=SLOW_SECONDS / 2).health is HEALTHY


def test_hearsay_makes_wary_and_takes_nobody_down() -> None:
    wary = Standing().told(DOWN, 0)
    assert wary.health is DEGRADED
    assert wary.paused_until == 0
    assert after(wary, 0, errors=2).health is DOWN
    assert after(wary, 0, successes=200).health is HEALTHY
    down = after(Standing(), 0, errors=5)
    assert down.told(HEALTHY, 1).paused_until <= 1
    assert down.told(DOWN, 1) == down


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 60), st.booleans(), st.floats(0, 400)), max_size=80))
def test_whatever_happens_it_is_asked_again_within_five_minutes(
    answers: list[tuple[bool, float, bool, float]],
) -> None:
    standing, at = Standing(), 0.0
    for is_error, seconds, is_probe, pause in answers:
        at += pause
        standing = standing.answered(at, is_error=is_error, seconds=seconds, is_probe=is_probe)
        assert standing.paused_until <= at + LONGEST_PAUSE_SECONDS
        assert (standing.health is DOWN) or standing.paused_until <= at


def test_accounts_share_by_weight_and_the_reserve_comes_last() -> None:
    heavy, light, bad, reserve = (uuid7() for _ in range(4))
    firsts, lasts = Counter[object](), Counter[object]()
    for number in range(4_000):

        def chance(salt: int, number: int = number) -> float:
            return (number * 0.6180339887 + salt * 0.377) % 1 if salt else (number * 0.7548776662) % 1

        order = in_order(
            [
                Candidate(heavy, 3, HEALTHY, chance(0)),
                Candidate(light, 1, HEALTHY, chance(1)),
                Candidate(bad, 3, DEGRADED, chance(2) ** 2 % 1),
                Candidate(reserve, 0, HEALTHY, 1 - 1e-9),
            ]
        )
        firsts[order[0]] += 1
        lasts[order[-1]] += 1
    assert lasts == {reserve: 4_000}
    assert firsts[heavy] > 2 * firsts[light] > 0
    assert 0 < firsts[bad] < firsts[light]


def test_a_tenth_of_a_limit_leaves_at_once() -> None:
    assert [burst(limit) for limit in (1, 10, 11, 1000)] == [1, 1, 2, 100]

"""Why a recovery is not begun, not gone on with, or not refused any more."""

from datetime import datetime

from orion_core.errors import Problem
from orion_core.http.rate_limit import seconds_until


def over() -> Problem:
    """The sign-in that it is asked for in has ended."""
    detail = (
        "This sign-in is over: it was finished, took too long, had too many wrong tries, "
        "or the account has changed meanwhile. Sign in again."
    )
    return Problem(410, "challenge_over", "This sign-in is over", detail)


def not_needed() -> Problem:
    """There is no second factor that could have been lost."""
    detail = "The account has no second factor that could be lost; answer what the sign-in asks for."
    return Problem(409, "recovery_not_needed", "Nothing to recover", detail)


def not_set_up() -> Problem:
    """No code could be sent anywhere."""
    detail = "No recovery address or phone was set up for this account. Ask an administrator to reset its factors."
    return Problem(409, "recovery_not_set_up", "No recovery set up", detail)


def nothing_open() -> Problem:
    """No recovery is under way, or none by that channel."""
    detail = "No recovery is under way that could be completed in this way; ask for one with POST /auth/v1/recoveries."
    return Problem(409, "recovery_not_open", "No recovery under way", detail)


def too_early(ready_at: datetime, now: datetime) -> Problem:
    """Its delay is not over."""
    detail = f"The recovery can be completed from {ready_at.isoformat()} on; until then its owner can refuse it."
    headers = {"Retry-After": str(seconds_until(ready_at, now))}
    return Problem(409, "recovery_too_early", "Too early", detail, headers=headers)


def enough_sent() -> Problem:
    """No further code is sent."""
    detail = "Enough codes were sent for this recovery. Use the last one, or let it lapse and ask for another."
    return Problem(409, "enough_codes_sent", "Enough codes sent", detail)


def none_under_way() -> Problem:
    """There is nothing to be looked at or refused."""
    return Problem(404, "no_recovery", "No recovery under way", "Your account is not being recovered.")


def link_is_dead() -> Problem:
    """The answer to a link that cannot be used."""
    detail = "This recovery was refused, completed or has lapsed, or the link was never one of ours."
    return Problem(410, "link_is_dead", "This link no longer works", detail)

"""Choosing a password."""

from collections.abc import Sequence

from orion_auth.hashing import HashingLane
from orion_auth.password_policy import PasswordPolicy
from orion_auth.passwords.rules import Fault, faults, own_words
from orion_core.errors import FieldError, Problem


async def check(
    policy: PasswordPolicy, password: str, about: Sequence[str | None], *, field: str = "/password"
) -> None:
    """Refuse a new password that is easy to guess or known from a breach, by a 422 Problem that says why.

    `about` is what is known of its owner: e-mail address, username, name. Whether an account has that address does not
    matter here, so nothing is told by it. `field` is where the request has the password.
    """
    found = faults(password, own_words([*about, policy.product_name]), policy.minimum_score)
    if not found and policy.breached is not None and await policy.breached.contains(password):
        detail = "This password is on lists that were stolen elsewhere, and will be tried. Choose another."
        found = [Fault("password_breached", detail)]
    if found:
        raise _refused(found, field)


async def refuse_the_same(
    lane: HashingLane, password_hash: str | None, password: str, *, field: str = "/password"
) -> None:
    """Refuse the password that an account has: whoever sets another has a reason to."""
    if password_hash is not None and await lane.verify(password_hash, password):
        raise _refused([Fault("password_unchanged", "This is the password that you have. Choose another.")], field)


def _refused(found: Sequence[Fault], field: str) -> Problem:
    errors = [FieldError(field=field, code=fault.code, detail=fault.detail) for fault in found]
    return Problem(422, "invalid_fields", "Invalid fields", f"{found[0].detail} Nothing was changed.", errors=errors)

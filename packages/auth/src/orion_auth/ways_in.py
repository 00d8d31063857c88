"""The ways into an account, of which the last is not taken away.

A password, a passkey that lets in alone, and an account with a provider that is switched on. Where mails sign in
(`AUTH_SIGN_IN_MAILS`) the last passkey can go all the same: one that is lost must go at once. An account elsewhere can
wait until its owner has another way in, for he may lose his mailbox together with it.
"""

from orion_core.errors import Problem


def is_one_left(*, has_password: bool, passkeys: int, has_account_elsewhere: bool) -> bool:
    """Whether there is a way in still; an account that nobody can get into is lost."""
    return has_password or passkeys > 0 or has_account_elsewhere


def last_way_in() -> Problem:
    """The refusal to take away the only way in."""
    detail = "This is the only way into your account. Set a password, add a passkey or link another account first."
    return Problem(409, "last_way_in", "Last way in", detail)

"""The pages behind the link in a verification mail."""

from orion_core.http.pages import button, page


def question(token: str) -> str:
    """Asks for the press of a button: mail scanners follow links, but press nothing."""
    press = button(f"/auth/v1/verifications/{token}/confirmation", "Verify my e-mail address")
    return page("Verify your e-mail address", "One press, and you can sign in.", press)


def verified() -> str:
    """The press did it."""
    return page("Your e-mail address is verified", "You can close this page and sign in.")


def used() -> str:
    """The link has done its work before."""
    return page("This link was used already", "If you pressed the button, your address is verified: just sign in.")


def dead() -> str:
    """The link does not work (any more)."""
    return page("This link no longer works", "It may have expired. Ask for a new mail where you registered.")

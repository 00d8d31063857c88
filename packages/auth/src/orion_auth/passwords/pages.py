"""The pages behind the link in a mail for setting a new password."""

from orion_auth.pages import form
from orion_core.http.pages import page


def question(token: str, text: str = "All your devices are signed out by it.") -> str:
    """Asks for the new password; `text` says what was wrong with the last one."""
    return page("Set a new password", text, form(f"/auth/v1/password-resets/{token}", "Set the password"))


def done() -> str:
    """The password is set."""
    return page("Your password is set", "You can close this page and sign in with it.")


def dead() -> str:
    """The link does not work (any more)."""
    return page("This link no longer works", "It was used, has expired, or there is a newer one. Ask for a new mail.")


def later() -> str:
    """Too much to do just now."""
    return page("Not just now", "Too many passwords are being set at the moment. Go back, and try again.")

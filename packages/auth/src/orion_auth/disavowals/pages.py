"""The pages behind "this wasn't me"."""

from orion_core.http.pages import button, page


def question(token: str) -> str:
    """Asks for the press of a button."""
    text = (
        "All your sessions end, the device is blocked, and your password stops working until you set a new one. "
        "Passkeys, second factors and linked accounts that were added since that sign-in are removed."
    )
    press = button(f"/auth/v1/disavowals/{token}/confirmation", "It wasn't me: lock them out")
    return page("Was it not you who signed in?", text, press)


def done() -> str:
    """The press did it."""
    text = "Nobody is signed in any more. Now set a new password: choose “Forgot password” where you sign in."
    return page("They are locked out", text)


def used() -> str:
    """The link has done its work before."""
    return page("This link was used already", "All sessions were ended then. If you have not yet, set a new password.")


def dead() -> str:
    """The link does not work (any more)."""
    text = "It may have expired. Sign in, end the sessions that are not yours, and change your password."
    return page("This link no longer works", text)

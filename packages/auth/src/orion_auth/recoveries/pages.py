"""The pages behind the link in the notice of a recovery."""

from datetime import datetime

from orion_core.http.pages import button, page


def question(token: str, ready_at: datetime) -> str:
    """Asks for the press of a button: mail scanners follow links, but press nothing."""
    press = button(f"/auth/v1/recoveries/{token}/refusal", "No, this was not me: refuse it")
    text = (
        "Somebody who knows your password asked to remove the second factors of your account. "
        f"It cannot be done before {ready_at:%Y-%m-%d %H:%M} UTC. If it was you, close this page."
    )
    return page("Is somebody recovering your account without you?", text, press)


def refused() -> str:
    """The press did it."""
    return page("The recovery is refused", "Your second factors stay. Change your password: somebody else may know it.")


def dead() -> str:
    """The link does not work (any more)."""
    text = "The recovery was refused, completed, or has lapsed. If it was not you, change your password."
    return page("This link no longer works", text)

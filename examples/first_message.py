"""From registration to the first message, over real sockets, step by step.

Run `make up` in one terminal and this in another: .venv/bin/python examples/first_message.py
It reads where everything listens from `.orion/up.json`, of this folder or of the one named as its argument.
"""

import json
import re
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

PROJECT = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
STATE = PROJECT / ".orion" / "up.json"


def step(words: str) -> None:
    """Say what comes next."""
    print(f"\n→ {words}")


def show(value: Any) -> None:
    """Print an answer, readable."""
    print("  " + json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n  "))


def eventually(what: str, ask: Callable[[], Any], seconds: float = 10) -> Any:
    """Ask until there is an answer; services tell each other by events, which takes some milliseconds."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            sys.exit(f"No {what} within {seconds:g} seconds. What does the log of `orion up` say?")
        time.sleep(0.02)
    return answer


def register(http: httpx.Client, urls: dict[str, str], email: str, password: str) -> None:
    """Register, take the code from the mail, verify the address with it."""
    step(f"register {email}")
    registration = {
        "email": email,
        "password": password,
        "name": "Fred First",
        "locale": "en",
        "timezone": "Europe/Rome",
    }
    answer = http.post(f"{urls['auth']}/auth/v1/identities", json=registration).raise_for_status()
    show(answer.json())

    step("the verification mail arrives")

    def verification() -> Any:
        return http.get(f"{urls['mailbox']}/messages", params={"to": email}).raise_for_status().json()["messages"]

    mail = eventually("verification mail", verification)[0]
    print(f"  {mail['subject']}")
    code = re.search(r"\b(\d{6})\b", mail["text"])
    assert code is not None, "the mail has no code"

    step(f"verify the address with the code {code[1]} (the link in the mail does the same)")
    http.post(f"{urls['auth']}/auth/v1/email-verifications", json={"email": email, "code": code[1]}).raise_for_status()


def sign_in(http: httpx.Client, urls: dict[str, str], email: str, password: str) -> dict[str, str]:
    """Sign in; the header that says so from now on."""
    step("sign in")
    credentials = {"email": email, "password": password}
    session = http.post(f"{urls['auth']}/auth/v1/sessions", json=credentials).raise_for_status().json()
    print(f"  session {session['session_id']}, access token for {session['expires_in']} s")
    return {"Authorization": f"Bearer {session['access_token']}"}


def look_around(http: httpx.Client, urls: dict[str, str], signed_in: dict[str, str]) -> None:
    """Who am I, what may I do, what have I been told?"""
    step("who am I, and what may I do")

    def me() -> Any:
        answer = http.get(f"{urls['user']}/user/v1/me", headers=signed_in)
        return answer.json() if answer.is_success and answer.json()["email_verified_at"] else None

    show(eventually("profile that knows of the verification", me))

    step("my messages")

    def messages() -> Any:
        answer = http.get(f"{urls['notifications']}/notifications/v1/me/notifications", headers=signed_in)
        return answer.raise_for_status().json()["items"]

    for message in eventually("messages", messages):
        print(f"  [{message['channel']}] {message['subject']} ({message['status']})")


def sign_out(http: httpx.Client, urls: dict[str, str], signed_in: dict[str, str]) -> None:
    """Sign out, and see that every service knows."""
    step("sign out; within a second no service takes the token any more")
    http.delete(f"{urls['auth']}/auth/v1/sessions/current", headers=signed_in).raise_for_status()
    began = time.monotonic()
    protected = [
        f"{urls['auth']}/auth/v1/sessions/current",
        f"{urls['user']}/user/v1/me",
        f"{urls['notifications']}/notifications/v1/me/notifications",
    ]
    for url in protected:
        method = "DELETE" if url.endswith("current") else "GET"
        eventually("refusal", lambda: http.request(method, url, headers=signed_in).status_code == 401)  # noqa: B023
    print(f"  refused everywhere after {(time.monotonic() - began) * 1000:.0f} ms")


def main() -> None:
    """Walk the whole way."""
    if not STATE.exists():
        sys.exit("Nothing is running here: start it with `make up` first.")
    urls = json.loads(STATE.read_text())["urls"]
    http = httpx.Client(timeout=10)
    try:
        http.get(f"{urls['auth']}/livez")
    except httpx.TransportError:
        sys.exit(f"{STATE} is of a run that has ended: start it with `make up`.")
    email = f"first-{secrets.token_hex(4)}@example.com"
    password = secrets.token_urlsafe(16)
    register(http, urls, email, password)
    signed_in = sign_in(http, urls, email, password)
    look_around(http, urls, signed_in)
    sign_out(http, urls, signed_in)


if __name__ == "__main__":
    main()

"""What auth asks to be sent really arrives: a code on a phone, and the notice of what was done with it."""

import re
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.conftest import Platform

pytestmark = pytest.mark.slow

EMAIL, PASSWORD, PHONE = "grace@example.com", "correct horse battery staple", "+4915112345678"


def arrived(http: httpx.Client, mailbox: str, to: str, words: str, channel: str) -> dict[str, Any]:
    """The first message to `to` with `words` in its subject or text; fails when none comes."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        query = {"to": to, "channel": channel}
        for message in http.get(f"{mailbox}/messages", params=query).raise_for_status().json()["messages"]:
            if words in message["subject"] + message["text"]:
                return message
        time.sleep(0.05)
    pytest.fail(f"no {channel} to {to} with {words!r}")


def code_of(message: dict[str, Any]) -> str:
    found = re.search(r"\b(\d{6})\b", message["text"])
    assert found is not None, message["text"]
    return found[1]


def test_a_code_reaches_the_phone_and_the_notice_its_owner(platform: "Platform") -> None:
    auth, mailbox = f"{platform.urls['auth']}/auth/v1", platform.urls["mailbox"]
    with httpx.Client(timeout=15) as http:
        account = {"email": EMAIL, "password": PASSWORD, "locale": "en", "timezone": "Europe/Berlin"}
        http.post(f"{auth}/identities", json=account).raise_for_status()
        code = code_of(arrived(http, mailbox, EMAIL, "Confirm", "EMAIL"))
        http.post(f"{auth}/email-verifications", json={"email": EMAIL, "code": code}).raise_for_status()
        session = http.post(f"{auth}/sessions", json={"email": EMAIL, "password": PASSWORD}).raise_for_status().json()
        http.headers["Authorization"] = f"Bearer {session['access_token']}"

        http.post(f"{auth}/me/two-factor/sms", json={"phone": PHONE}).raise_for_status()
        code = code_of(arrived(http, mailbox, PHONE, "code", "SMS"))
        http.post(f"{auth}/me/two-factor/confirmations", json={"method": "SMS", "code": code}).raise_for_status()

        notice = arrived(http, mailbox, EMAIL, "A second factor was added", "EMAIL")
        assert "If it was not, please change your password" in notice["text"]
        history = http.get(f"{auth}/me/security-events").raise_for_status().json()["items"]
        [event] = [event for event in history if event["type"] == "two_factor.enabled"]
        assert event["was_notified"]
        metrics = http.get(f"{platform.urls['auth']}/metrics").raise_for_status().text
        assert 'orion_security_events_total{severity="MEDIUM",type="two_factor.enabled"} 1.0' in metrics

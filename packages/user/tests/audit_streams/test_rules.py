"""Where a stream may go, what a webhook and a syslog server get, and when it is tried again."""

import re
from base64 import b64decode
from datetime import timedelta
from hashlib import sha256
from hmac import digest

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orion_user.audit_streams import rules

GOOD = ["https://siem.example.com/in?x=1", "syslog+tls://log.example.com", "syslog+tls://[2606:2800:220:1::1]:6514"]
LOCAL = ["http://127.0.0.1:9/x", "syslog+tcp://127.0.0.1:601"]
WRONG = [
    "ftp://example.com",
    "example.com",
    "https://",
    "https://user:password@example.com",
    "https://example.com:99999",
    "syslog+tls://log.example.com/path",
    "https://example.com/#x",
    "https://[::1",
]
FRAME = re.compile(
    rb'(\d+) <(\d+)>1 (\S+) (\S+) (\S+) - (\S+) \[(\S+?)((?: \w+="(?:[^"\\\]]|\\.)*")*)\] \xef\xbb\xbf(.*)', re.DOTALL
)


@pytest.mark.parametrize("url", GOOD)
def test_good_urls(url: str) -> None:
    assert rules.fault(url, local=False) is None


@pytest.mark.parametrize("url", LOCAL)
def test_what_is_not_encrypted_is_for_a_developers_machine(url: str) -> None:
    assert rules.fault(url, local=True) is None
    assert "encrypted" in (rules.fault(url, local=False) or "")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1", "[::1]", "[::ffff:192.168.0.1]", "169.254.169.254", "0.0.0.0"]
)
@pytest.mark.parametrize("scheme", ["https", "syslog+tls"])
def test_an_address_that_is_not_public_is_refused_where_it_is_written(scheme: str, host: str) -> None:
    assert rules.fault(f"{scheme}://{host}", local=False) == "it leads to an address that is not public"
    is_linked = host in {"169.254.169.254", "0.0.0.0"}
    assert (rules.fault(f"{scheme}://{host}", local=True) is None) is not is_linked


@pytest.mark.parametrize("host", ["93.184.216.34", "[2606:2800:220:1::1]", "[::ffff:93.184.216.34]"])
def test_a_public_address_gets_nothing_unencrypted(host: str) -> None:
    for scheme in ("http", "syslog+tcp"):
        assert "must be encrypted" in (rules.fault(f"{scheme}://{host}", local=True) or "")
    for scheme in ("https", "syslog+tls"):
        assert rules.fault(f"{scheme}://{host}", local=True) is None


@pytest.mark.parametrize("url", WRONG)
def test_wrong_urls(url: str) -> None:
    assert rules.fault(url, local=True) is not None


def test_webhooks_are_signed_as_standard_webhooks_are() -> None:
    headers = rules.webhook_headers(b"secret", "d-1", 1_700_000_000, b"{}")
    version, _, signature = headers["webhook-signature"].partition(",")
    assert version == "v1"
    assert b64decode(signature) == digest(b"secret", b"d-1.1700000000.{}", sha256)


@example("a", "1\n<110>1 2026-01-01T00:00:00Z h orion-user - user.delete - forged", "SUCCESS")
@given(st.text(), st.text(), st.sampled_from(["SUCCESS", "DENIED", "FAILURE", "ODD"]))
def test_syslog_messages_are_those_of_rfc_5424_whatever_an_entry_says(action: str, resource: str, status: str) -> None:
    entry = {
        "timestamp": "2026-01-01T00:00:00.000000+00:00",
        "service": "user",
        "action": action,
        "status": status,
        "resource_id": resource.encode(errors="replace").decode(),
    }
    frame = rules.syslog_frame("host 1", {**entry, "action": action.encode(errors="replace").decode()})
    found = FRAME.fullmatch(frame)
    assert found is not None, frame
    assert re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", frame.decode()) is None, "one line"
    assert int(found[1]) == len(frame) - len(found[1]) - 1
    assert int(found[2]) // 8 == 13
    assert found[4] == b"host1"
    assert len(found[6]) <= 32


def test_pauses_grow_to_an_hour() -> None:
    assert rules.pause_after(1) == timedelta(seconds=5)
    assert rules.pause_after(2) == timedelta(seconds=10)
    assert rules.pause_after(1_000) == timedelta(hours=1)

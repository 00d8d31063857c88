"""How far a recovery is at any time, and what of its contacts is shown."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orion_auth.recoveries.rules import hint, mailboxes, recipients, stage
from orion_auth.two_factor_methods import RecoveryContacts

ASKED = datetime(2026, 3, 1, 12, tzinfo=UTC)
DELAY, WINDOW = timedelta(hours=72), timedelta(days=7)


@given(st.timedeltas(timedelta(0), timedelta(days=20)))
def test_it_waits_then_is_ready_then_lapses_and_never_goes_back(after: timedelta) -> None:
    ready, expires = ASKED + DELAY, ASKED + DELAY + WINDOW
    order = ["WAITING", "READY", "LAPSED"]
    now, later = stage(ready, expires, ASKED + after), stage(ready, expires, ASKED + after + timedelta(hours=1))
    assert now == ("WAITING" if after < DELAY else "READY" if after < DELAY + WINDOW else "LAPSED")
    assert order.index(now) <= order.index(later)


def test_a_code_never_goes_to_the_mailbox_that_resets_the_password() -> None:
    contacts = RecoveryContacts("ada@example.com", ASKED, "+4791234567", ASKED)
    assert recipients(contacts, "ada@example.com") == {"SMS": "+4791234567"}
    assert recipients(contacts, "other@example.com") == {"EMAIL": "ada@example.com", "SMS": "+4791234567"}
    assert recipients(RecoveryContacts(), "ada@example.com") == {}
    assert mailboxes(contacts, "ada@example.com") == ("ada@example.com",)
    assert mailboxes(contacts, "other@example.com") == ("other@example.com", "ada@example.com")


@given(st.emails(), st.integers(10**7, 10**14))
def test_a_hint_names_no_whole_address(email: str, number: int) -> None:
    local, _, domain = email.partition("@")
    assert hint("EMAIL", email) == f"{local[0]}…@{domain}"
    assert hint("SMS", f"+{number}") == f"…{str(number)[-2:]}"

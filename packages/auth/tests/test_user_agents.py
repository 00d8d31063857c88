"""What is made of user agents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_auth.user_agents import LONGEST, Client, DeviceType, describe


@pytest.mark.parametrize(
    ("user_agent", "client", "name"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            Client(DeviceType.DESKTOP, "Linux", None, "Firefox", "140.0"),
            "Firefox on Linux",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",  # noqa: E501 - as it is sent
            Client(DeviceType.MOBILE, "iOS", "18.5", "Mobile Safari", "18.5", "iPhone"),
            "Mobile Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",  # noqa: E501 - as it is sent
            Client(DeviceType.TABLET, "Android", "13", "Chrome", "138.0", "SM-X700"),
            "Chrome on SM-X700",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",  # noqa: E501 - as it is sent
            Client(DeviceType.DESKTOP, "Mac OS X", "10.15.7", "Safari", "18.5"),
            "Safari on Mac OS X",
        ),
        ("curl/8.5.0", Client(browser="curl", browser_version="8.5"), "curl"),
        (None, Client(), None),
        ("", Client(), None),
    ],
)
def test_a_client_is_told_by_its_user_agent(user_agent: str | None, client: Client, name: str | None) -> None:
    assert describe(user_agent) == client
    assert describe(user_agent).name == name


@pytest.mark.parametrize(
    ("user_agent", "told"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Linux; Android 16; Call +1 555 0100 now) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",  # noqa: E501 - as it is sent
            "Chrome Mobile on Android",
        ),
        ("call-555-0100-bot/1.0", None),
    ],
)
def test_mails_call_a_client_by_no_word_that_somebody_typed(user_agent: str, told: str | None) -> None:
    assert describe(user_agent).told_name == told


@pytest.mark.parametrize(
    ("user_agent", "kind"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", DeviceType.BOT),
        (
            "Mozilla/5.0 (SMART-TV; Linux; Tizen 5.0) AppleWebKit/537.36 Chrome/63.0.3239.84 TV Safari/537.36",
            DeviceType.TV,
        ),
        ("something else", DeviceType.UNKNOWN),
    ],
)
def test_what_kind_of_thing_it_is(user_agent: str, kind: DeviceType) -> None:
    assert describe(user_agent).type is kind


@given(st.text(max_size=500))
def test_whatever_is_typed_fits_the_columns(user_agent: str) -> None:
    client = describe(user_agent)
    parts = (client.os, client.os_version, client.browser, client.browser_version, client.model)
    assert all(part is None or 0 < len(part) <= LONGEST for part in parts)
    assert client.name is None or len(client.name) <= 100

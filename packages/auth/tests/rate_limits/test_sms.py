"""Messages by SMS end for everybody at a number a day, exactly, and operators hear of it."""

import asyncio
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from orion_auth.rate_limits import actions
from orion_core.errors import Problem

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

DAILY = "/auth/v1/rate-limit-policies/sms_daily/GLOBAL"


async def sent(auth: "Auth", number: int) -> Problem | None:
    """Ask for a message to a number of a range of its own."""
    try:
        await actions.take_sms(auth.application.state.components.database, f"+479{number:03d}0000", auth.clock())
    except Problem as problem:
        return problem
    return None


async def told(auth: "Auth") -> list[str]:
    """What operators were told, the earliest first: the limit, and whom it is about."""
    rows = await auth.rows(
        "SELECT details, severity FROM security_events WHERE event_type = 'rate_limit.sms_withheld' ORDER BY id"
    )
    assert {str(row["severity"]) for row in rows} <= {"CRITICAL"}
    return [f"{row['details']['endpoint']} {row['details']['whose']}" for row in rows]


async def test_messages_end_for_everybody_at_so_many_a_day_and_operators_are_told_once_an_hour(
    auth: "Auth", another_auth: "Auth"
) -> None:
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 7 WHERE endpoint = 'sms_daily'")
    with capture_logs() as logs:
        answers = await asyncio.gather(*(sent((auth, another_auth)[n % 2], n) for n in range(80)))
    refused = [answer for answer in answers if answer is not None]
    assert len(answers) - len(refused) == 7, "exactly, in however many processes"
    assert {(each.status, each.code, each.headers["RateLimit-Policy"]) for each in refused} == {
        (429, "too_many_requests", '"sms_daily";q=7;w=86400')
    }
    assert await told(auth) == ["sms_daily all"]
    [line] = [each for each in logs if each["event"] == "rate_limits.sms_withheld"]
    assert (line["log_level"], line["endpoint"], line["limit"]) == ("warning", "sms_daily", 7)

    auth.clock.advance(hours=1)
    assert [await sent(auth, n) for n in (0, 1)] != [None, None]
    assert await told(auth) == ["sms_daily all"] * 2, "as long as it lasts"
    auth.clock.advance(hours=22, minutes=59)
    assert await sent(auth, 500) is not None, "a day begins with each message, not at midnight"
    auth.clock.advance(minutes=1)
    assert [await sent(auth, n) is None for n in range(500, 508)] == [True] * 7 + [False]


async def test_an_administrator_raises_the_day_and_removes_it_and_a_country_is_told_of_too(auth: "Auth") -> None:
    bearer = auth.as_bearer(await auth.operator_token())
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 1 WHERE endpoint = 'sms_daily'")
    assert [await sent(auth, n) is None for n in (0, 1)] == [True, False]
    raised = {"limit": 10_000, "window_seconds": 86_400}
    etag = (await auth.http.get(DAILY, headers=bearer)).headers["ETag"]
    answer = await auth.http.put(DAILY, json=raised, headers=bearer | {"If-Match": etag})
    assert answer.status_code == 200
    assert await sent(auth, 1) is None
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 4 WHERE endpoint = 'sms_to_country'")
    assert [await sent(auth, n) is None for n in (2, 3)] == [True, False]
    assert await told(auth) == ["sms_daily all", "sms_to_country +47"]
    assert await auth.rows("SELECT cardinality(passes) AS n FROM rate_limits WHERE endpoint = 'sms_daily'") == [
        {"n": 3}
    ], "what a country is refused uses up nothing of the others'"

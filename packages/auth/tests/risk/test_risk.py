"""What a sign-in is assessed by, what is kept of it, and what another policy would have made of it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from orion_auth.anonymising import Networks
from orion_auth.places import Places
from orion_auth.risk import administration

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

DAYS: dict[str, str] = {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
ATTEMPTS = "SELECT status::text, risk_score, risk_reasons, metadata, country, city FROM login_attempts ORDER BY id"

Come = Callable[..., Awaitable[httpx.Response]]


def place(country: str, city: str, latitude: float, longitude: float) -> dict[str, Any]:
    return {
        "country": {"iso_code": country},
        "city": {"names": {"en": city}},
        "location": {"latitude": latitude, "longitude": longitude, "accuracy_radius": 10},
    }


@pytest.fixture
def come(auth: "Auth", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Come:
    """Sign in from an address: 203.0.113 is Oslo, 198.51.100 is Lima, and 192.0.2.66 hides where it is."""
    writer = MMDBWriter(6, "Test-City", ipv4_compatible=True)
    writer.insert_network(IPSet(["203.0.113.0/24"]), place("NO", "Oslo", 59.91, 10.75))
    writer.insert_network(IPSet(["198.51.100.0/24"]), place("PE", "Lima", -12.05, -77.04))
    writer.to_db_file(str(tmp_path / "places.mmdb"))
    gate = auth.application.state.components.gate
    object.__setattr__(gate, "places", Places(tmp_path / "places.mmdb"))
    object.__setattr__(gate, "anonymising", Networks(["192.0.2.66/32  # an exit"]))

    async def come_from(address: str, device_id: str = "laptop", password: str = auth.password) -> httpx.Response:
        transport = httpx.ASGITransport(auth.application, client=(address, 1), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://auth.test") as http:
            body = {"email": "ada@example.com", "password": password, "device_id": device_id}
            return await http.post("/auth/v1/sessions", json=body)

    return come_from


async def administrator(auth: "Auth") -> dict[str, str]:
    return auth.as_bearer(await auth.operator_token())


async def signals_of(auth: "Auth") -> list[list[str]]:
    return [[reason["signal"] for reason in row["risk_reasons"]] for row in await auth.rows(ATTEMPTS)]


async def put_policy(auth: "Auth", **changes: Any) -> httpx.Response:
    headers = await administrator(auth)
    read = await auth.http.get("/auth/v1/risk-policy", headers=headers)
    wanted = {name: read.json()[name] for name in ("step_up_at", "block_at", "weights")} | changes
    return await auth.http.put(
        "/auth/v1/risk-policy", json=wanted, headers=headers | {"If-Match": read.headers["ETag"]}
    )


async def test_the_first_sign_in_is_no_risk_and_what_was_known_is_kept(auth: "Auth", come: Come) -> None:
    await auth.verified()
    assert (await come("203.0.113.5")).status_code == 201
    [attempt] = await auth.rows(ATTEMPTS)
    assert (attempt["status"], attempt["risk_score"], attempt["country"], attempt["city"]) == (
        "SUCCESS",
        0,
        "NO",
        "Oslo",
    )
    kept = attempt["metadata"]["risk"]
    assert (kept["verdict"], kept["policy_version"], kept["signals"]["is_new_device"]) == ("ALLOW", 1, True)
    [device] = await auth.rows("SELECT last_country, last_city FROM devices")
    assert device == {"last_country": "NO", "last_city": "Oslo"}


async def test_another_continent_within_the_hour_is_asked_for_more(auth: "Auth", come: Come) -> None:
    await auth.verified()
    await come("203.0.113.5")
    auth.clock.advance(hours=1)
    far = await come("198.51.100.7")
    assert far.status_code == 202, "no second factor is set up: a code is mailed"


async def test_an_attempt_that_fails_has_a_place_too_whatever_it_is_made_with(auth: "Auth", come: Come) -> None:
    await auth.verified()
    await come("203.0.113.5", password="wrong password")
    transport = httpx.ASGITransport(auth.application, client=("198.51.100.5", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://auth.test") as http:
        await http.post("/auth/v1/magic-link-sessions", json={"token": "x" * 43})
    assert [(row["status"], row["city"]) for row in await auth.rows(ATTEMPTS)] == [
        ("FAILED", "Oslo"),
        ("FAILED", "Lima"),
    ]


async def test_a_session_is_where_it_was_refreshed_last(auth: "Auth", come: Come) -> None:
    await auth.verified()
    granted = (await come("203.0.113.5")).json()
    owner = auth.as_bearer(granted["access_token"])
    assert (await auth.http.get("/auth/v1/sessions/current", headers=owner)).json()["city"] == "Oslo"
    transport = httpx.ASGITransport(auth.application, client=("198.51.100.5", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://auth.test") as http:
        form = {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"]}
        assert (await http.post("/auth/oauth2/token", data=form)).status_code == 200
    [told] = (await auth.http.get("/auth/v1/sessions", headers=owner)).json()["items"]
    assert (told["country"], told["city"], told["ip_address"]) == ("PE", "Lima", "198.51.100.5")


async def test_after_a_flight_it_is_only_another_country(auth: "Auth", come: Come) -> None:
    await auth.verified()
    await come("203.0.113.5")
    auth.clock.advance(hours=20)
    assert (await come("198.51.100.7")).status_code == 201
    assert (await signals_of(auth))[-1] == ["new_country"]
    auth.clock.advance(hours=20)
    await come("198.51.100.7")
    assert (await signals_of(auth))[-1] == [], "from now on it is a country of his"


async def test_failures_an_anonymising_network_and_a_new_device_add_up(auth: "Auth", come: Come) -> None:
    await auth.verified()
    await come("203.0.113.5")
    for _ in range(5):
        auth.clock.advance(seconds=61)
        await come("203.0.113.99", "other", "wrong password")
    auth.clock.advance(seconds=61)
    assert (await come("192.0.2.66", "other")).status_code == 202
    [waiting] = await auth.rows("SELECT context FROM two_factor_challenges WHERE purpose = 'SIGN_IN'")
    reasons = waiting["context"]["first"]["assessment"]["reasons"]
    assert {reason["signal"]: reason["weight"] for reason in reasons} == {
        "anonymising_network": 25,
        "account_failures": 20,
        "new_device": 20,
    }


async def test_a_policy_holds_from_the_next_sign_in_and_is_history_afterwards(auth: "Auth", come: Come) -> None:
    await auth.verified()
    await come("203.0.113.5")
    changed = await put_policy(auth, weights={"new_device": 95})
    assert (changed.status_code, changed.json()["version"], changed.json()["created_by"]) == (200, 2, "operator")
    stopped = await come("203.0.113.5", "phone")
    assert (stopped.status_code, stopped.json()["code"]) == (403, "sign_in_blocked")
    attempts = await auth.rows(ATTEMPTS)
    assert (attempts[-1]["status"], attempts[-1]["risk_score"]) == ("BLOCKED", 95)
    listed = await auth.http.get("/auth/v1/risk-policy/versions", headers=await administrator(auth))
    assert [(item["version"], item["is_active"]) for item in listed.json()["items"]] == [(2, True), (1, False)]
    [event] = await auth.rows("SELECT details FROM security_events WHERE event_type = 'risk.policy_changed'")
    assert event["details"] == {"actor": "operator", "before": 1, "after": 2}


async def test_nobody_overwrites_a_policy_that_he_has_not_seen(auth: "Auth") -> None:
    headers = await administrator(auth)
    read = await auth.http.get("/auth/v1/risk-policy", headers=headers)
    wanted = {"step_up_at": 40, "block_at": 80, "weights": {"new_device": 10}}
    assert (await auth.http.put("/auth/v1/risk-policy", json=wanted, headers=headers)).status_code == 428
    seen = headers | {"If-Match": read.headers["ETag"]}
    answers = [await auth.http.put("/auth/v1/risk-policy", json=wanted, headers=seen) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 412]


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": {"no_such_signal": 1}},
        {"weights": {"new_device": 101}},
        {"weights": {"new_device": -1}},
        {"weights": {"new_device": True}},
        {"step_up_at": 0},
        {"block_at": 10},
        {"name": "unknown field"},
    ],
)
async def test_a_policy_that_makes_no_sense_is_refused(auth: "Auth", wrong: dict[str, Any]) -> None:
    assert (await put_policy(auth, **wrong)).status_code == 422
    assert await auth.rows("SELECT version FROM risk_policies") == [{"version": 1}]


async def test_users_may_not_see_or_change_the_policy(auth: "Auth") -> None:
    await auth.verified()
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    assert (await auth.http.get("/auth/v1/risk-policy", headers=headers)).status_code == 403
    assert (await auth.http.post("/auth/v1/risk-policy/simulations", json={}, headers=headers)).status_code == 403


async def test_the_unchanged_policy_reproduces_every_verdict_and_another_says_who_would_have_been_stopped(
    auth: "Auth", come: Come
) -> None:
    user_id = await auth.verified()
    for number, address in enumerate(("203.0.113.5", "198.51.100.7", "203.0.113.9", "192.0.2.66")):
        await come(address, f"device {number}".replace(" ", "-"))
        auth.clock.advance(hours=20)
    await put_policy(auth, weights={"new_device": 100})
    await come("203.0.113.5", "one-more")
    headers = await administrator(auth)
    current = (await auth.http.get("/auth/v1/risk-policy/versions", headers=headers)).json()["items"][-1]
    policy = {name: current[name] for name in ("step_up_at", "block_at", "weights")}
    before = await auth.rows(ATTEMPTS)
    same = (await auth.http.post("/auth/v1/risk-policy/simulations", json=policy | DAYS, headers=headers)).json()
    assert same["examined"] == len(before) == 5
    assert same["recorded"] == {"ALLOW": 4, "BLOCK": 1}
    assert [item["verdict"] for item in same["differences"]] == ["ALLOW"], "that was another version's"
    strict = policy | {"weights": {"new_device": 100}}
    told = (await auth.http.post("/auth/v1/risk-policy/simulations", json=strict | DAYS, headers=headers)).json()
    assert told["simulated"] == {"ALLOW": 1, "BLOCK": 4}
    assert told["changed"] == len(told["differences"]) == 3
    first = told["differences"][0]
    assert (first["user_id"], first["recorded_verdict"], first["verdict"]) == (str(user_id), "ALLOW", "BLOCK")
    assert (told["next"], await auth.rows(ATTEMPTS)) == (None, before), "nothing is changed by trying"


async def test_one_request_tries_a_policy_on_so_many_attempts_and_the_next_goes_on(
    auth: "Auth", come: Come, monkeypatch: pytest.MonkeyPatch
) -> None:
    await auth.verified()
    for number in range(5):
        await come("203.0.113.5", f"device-{number}")
        await come("203.0.113.5", f"device-{number}", password="wrong password")
        auth.clock.advance(hours=20)
    headers = await administrator(auth)
    strict = {"step_up_at": 50, "block_at": 90, "weights": {"new_device": 100}} | DAYS

    async def part(**changes: Any) -> Any:
        return await auth.http.post("/auth/v1/risk-policy/simulations", json=strict | changes, headers=headers)

    whole = (await part()).json()
    monkeypatch.setattr(administration, "AT_ONCE", 2)
    for bound, value in (("MOST_BATCHES", 2), ("MOST_SECONDS", 0.0)):
        monkeypatch.setattr(administration, bound, value)
        parts = [(await part()).json()]
        while parts[-1]["next"] is not None:
            parts.append((await part(cursor=parts[-1]["next"])).json())
        assert len(parts) >= 3
        for counted in ("examined", "changed", "differences"):
            summed = parts[0][counted]
            for each in parts[1:]:
                summed += each[counted]
            assert summed == whole[counted]
    assert (whole["examined"], whole["changed"]) == (5, 4)
    other = await part(cursor=parts[0]["next"], block_at=95)
    assert (other.status_code, other.json()["code"]) == (400, "invalid_cursor")


async def test_a_user_sees_the_sign_ins_to_his_account_and_no_others(auth: "Auth", come: Come) -> None:
    await auth.verified()
    await auth.verified("eve@example.com")
    await auth.sign_in("eve@example.com")
    answer = await come("203.0.113.5")
    await come("203.0.113.5", password="wrong password")
    auth.clock.advance(seconds=61)
    await come("203.0.113.5", "phone")
    headers = auth.as_bearer(answer.json()["access_token"])
    listed: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await auth.http.get("/auth/v1/me/sign-ins", headers=headers, params={"limit": "1"} | cursor)).json()
        listed += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert [item["outcome"] for item in listed] == ["SUCCESS", "FAILED", "SUCCESS"]
    assert [reason["detail"] for reason in listed[0]["reasons"]] == [
        "This device has not been used with the account before."
    ]
    assert (listed[0]["city"], listed[0]["device_id"], listed[0]["risk_score"]) == ("Oslo", "phone", 20)
    eve = auth.as_bearer((await auth.sign_in("eve@example.com")).json()["access_token"])
    stolen = await auth.http.get("/auth/v1/me/sign-ins", headers=eve, params=cursor)
    assert (stolen.status_code, stolen.json()["code"]) == (400, "invalid_cursor")


async def test_a_site_of_ipv6_is_one_place_however_many_addresses_it_takes(auth: "Auth", come: Come) -> None:
    await auth.verified()
    await come("2001:db8::1")
    for n in range(12):
        await come(f"2001:db8::{n:x}:1", password="wrong password")
        auth.clock.advance(seconds=15)
    await come("2001:db8::ffff:1")
    assert "address_failures" in (await signals_of(auth))[-1]
    await come("2001:db8:0:1::1")
    assert "address_failures" not in (await signals_of(auth))[-1], "another site"

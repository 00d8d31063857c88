"""Guessing is slowed down, and nobody can use that to keep an owner out."""

from typing import TYPE_CHECKING

import httpx
import pytest

from orion_core.errors import unavailable

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

LAPTOP = {"device_id": "adas-laptop"}


async def sign_in(
    auth: "Auth", password: str | None = None, address: str = "192.0.2.1", email: str = "ada@example.com", **more: str
) -> httpx.Response:
    """A sign-in from an address of one's own."""
    transport = httpx.ASGITransport(auth.application, client=(address, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://auth.test") as http:
        body = {"email": email, "password": password or auth.password} | more
        return await http.post("/auth/v1/sessions", json=body)


async def test_the_owner_on_a_known_device_comes_in_whatever_strangers_do(auth: "Auth") -> None:
    await auth.verified()
    assert (await sign_in(auth, **LAPTOP)).status_code == 201
    for n in range(60):
        await sign_in(auth, "wrong password", f"198.51.100.{n}")
    for _ in range(8):
        await sign_in(auth, "wrong password")
    assert (await sign_in(auth)).status_code == 429, "on the same network, too"
    assert (await sign_in(auth, address="203.0.113.9", device_id="new-one")).status_code == 429
    answers = [await sign_in(auth, **LAPTOP) for _ in range(30)]
    assert [answer.status_code for answer in answers] == [201] * 30
    assert (await sign_in(auth, address="203.0.113.9", **LAPTOP)).status_code == 201, "wherever he takes it"


async def test_a_known_device_does_not_guess_without_end(auth: "Auth") -> None:
    await auth.verified()
    await sign_in(auth, **LAPTOP)
    answers = [await sign_in(auth, "wrong password", "198.51.100.1", **LAPTOP) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert (await sign_in(auth, **LAPTOP)).status_code == 201, "whoever knows its name elsewhere takes nothing from it"
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 12 WHERE endpoint = 'login_known_device_hourly'")
    answers = [await sign_in(auth, "wrong password", f"203.0.113.{n}", **LAPTOP) for n in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429], "not from ever more networks"


async def test_one_account_takes_so_many_of_the_turns_of_known_devices_however_many_it_has(auth: "Auth") -> None:
    """Whoever signs in to an account of his own without end would keep all other owners waiting."""
    await auth.verified()
    owner = auth.as_bearer((await sign_in(auth, **LAPTOP)).json()["access_token"])
    await sign_in(auth, device_id="adas-phone")
    [device] = [
        each["id"]
        for each in (await auth.http.get("/auth/v1/me/devices", headers=owner)).json()["items"]
        if each["device_id"] == "adas-laptop"
    ]
    trusted = await auth.http.put(f"/auth/v1/me/devices/{device}/trust", headers=owner)
    laptop = LAPTOP | {"device_secret": trusted.json()["device_secret"]}
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 6 WHERE endpoint = 'login' AND key_type = 'USER'")
    tablet = (
        "INSERT INTO devices (id, user_id, device_id) SELECT gen_random_uuid(), user_id, 'tablet' FROM devices LIMIT 1"
    )
    await auth.execute(tablet)
    named = [await sign_in(auth, device_id=("adas-phone", "tablet")[n % 2]) for n in range(7)]
    assert [answer.status_code for answer in named] == [201] * 6 + [429]
    assert named[-1].headers["RateLimit-Policy"] == '"login";q=6;w=60'
    proved = [await sign_in(auth, **laptop) for _ in range(7)]
    assert [answer.status_code for answer in proved] == [201] * 6 + [429], "who reads names takes nothing from it"


@pytest.mark.parametrize("device", [LAPTOP, {"device_id": "a-new-one"}], ids=["known", "unknown"])
async def test_a_password_that_nobody_had_time_to_look_at_is_no_try(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch, device: dict[str, str]
) -> None:
    await auth.verified()
    await sign_in(auth, **LAPTOP)

    async def crowded(*_: object, **__: object) -> bool:
        raise unavailable("too_many_passwords", "Too many passwords are being checked.", 1)

    with monkeypatch.context() as patched:
        patched.setattr(auth.application.state.components.lane, "verify", crowded)
        answers = [await sign_in(auth, **device) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [503] * 11
    assert (await sign_in(auth, **device)).status_code == 201


async def test_a_device_that_proves_itself_has_its_tries_wherever_it_is_and_its_name_alone_is_worth_nothing(
    auth: "Auth",
) -> None:
    await auth.verified()
    owner = auth.as_bearer((await sign_in(auth, **LAPTOP)).json()["access_token"])
    few = "endpoint IN ('login_known_device_hourly', 'login_unknown_networks')"
    await auth.execute(f'UPDATE rate_limit_policies SET "limit" = 4 WHERE {few}')
    for n in range(5):  # the hour's, used up by somebody who has read the name
        await sign_in(auth, "wrong password", f"198.51.{n}.1", **LAPTOP)
    assert (await sign_in(auth, **LAPTOP)).status_code == 429
    [device] = (await auth.http.get("/auth/v1/me/devices", headers=owner)).json()["items"]
    trusted = await auth.http.put(f"/auth/v1/me/devices/{device['id']}/trust", headers=owner)
    laptop = LAPTOP | {"device_secret": trusted.json()["device_secret"]}
    copies = [await sign_in(auth, "wrong password", f"203.0.{n}.1", **LAPTOP) for n in range(5)]
    assert copies[-1].headers["RateLimit-Policy"].startswith('"login_unknown_networks"'), "its name makes a stranger"
    guesses = [await sign_in(auth, "wrong password", **LAPTOP, device_secret="x" * 43) for _ in range(3)]
    assert [guess.status_code for guess in guesses] == [429] * 3
    answers = [await sign_in(auth, address=f"192.0.{n}.77", **laptop) for n in range(6)]
    assert [answer.status_code for answer in answers] == [201] * 6, "wherever its owner takes it"
    answers = [await sign_in(auth, "wrong password", f"100.64.{n}.1", **laptop) for n in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 4 + [429], "a thief of it gets no more by moving"


async def test_a_blocked_device_is_a_stranger_and_so_is_another_users(auth: "Auth") -> None:
    await auth.verified()
    await auth.verified("bob@example.com")
    await sign_in(auth, **LAPTOP)
    for _ in range(5):
        await sign_in(auth, "wrong password", email="bob@example.com")
    assert (await sign_in(auth, email="bob@example.com", **LAPTOP)).status_code == 429
    await auth.execute("UPDATE devices SET status = 'BLOCKED'")
    answers = [await sign_in(auth, "wrong password", **LAPTOP) for _ in range(6)]
    assert answers[-1].status_code == 429


async def test_nobody_becomes_somebody_else_by_what_he_says_of_his_address(auth: "Auth") -> None:
    answers = [
        await auth.http.post(
            "/auth/v1/sessions",
            json={"email": "ada@example.com", "password": "wrong password"},
            headers=[
                ("X-Forwarded-For", f"203.0.113.{n}"),
                ("X-Forwarded-For", f"198.51.100.{n}, 10.0.0.1"),
                ("Forwarded", f"for=203.0.113.{n}"),
                ("X-Real-IP", f"203.0.113.{n}"),
                ("True-Client-IP", f"203.0.113.{n}"),
                ("CF-Connecting-IP", f"203.0.113.{n}"),
            ],
        )
        for n in range(6)
    ]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert await auth.rows("SELECT DISTINCT host(ip_address) AS ip FROM login_attempts") == [{"ip": "192.0.2.1"}]


async def test_failures_alone_lock_no_account(auth: "Auth") -> None:
    await auth.verified()
    for n in range(10):
        await sign_in(auth, "wrong password", f"198.51.100.{n}")
    [identity] = await auth.rows("SELECT status::text, locked_until, failed_login_count FROM identities")
    assert identity == {"status": "ACTIVE", "locked_until": None, "failed_login_count": 10}
    assert (await sign_in(auth)).status_code == 201


async def test_of_a_flood_of_refused_attempts_each_networks_first_are_recorded(auth: "Auth") -> None:
    await auth.verified()
    for _ in range(40):
        await sign_in(auth, "wrong password")
    recorded = "SELECT status::text, count(*) FROM login_attempts GROUP BY status ORDER BY count"
    assert await auth.rows(recorded) == [{"status": "FAILED", "count": 5}, {"status": "BLOCKED", "count": 10}]
    auth.clock.advance(seconds=60)
    for _ in range(6):
        await sign_in(auth, "wrong password")
    assert await auth.rows(recorded) == [{"status": "FAILED", "count": 10}, {"status": "BLOCKED", "count": 11}]


async def test_a_known_and_an_unknown_address_are_limited_alike(auth: "Auth") -> None:
    await auth.verified()
    told = list[str]()
    for _ in range(7):
        known = await sign_in(auth, "wrong password")
        unknown = await sign_in(auth, "wrong password", "198.51.100.1", "nobody@example.com")
        assert known.status_code == unknown.status_code
        assert {name: value for name, value in known.headers.items() if name.startswith("ratelimit")} == {
            name: value for name, value in unknown.headers.items() if name.startswith("ratelimit")
        }
        told.append(known.headers["RateLimit"])
    left = [state.partition(";t=")[0] for state in told]
    assert left == [f'"login";r={n}' for n in (4, 3, 2, 1, 0, 0, 0)], "a refusal says how many tries are left"

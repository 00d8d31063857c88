"""The key that signs: made once, sealed, the same for all processes."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orion_auth.signer import AccessTokenSigner
from orion_auth.signing_keys.actions import KeyPolicy, rotate, tend
from orion_auth.signing_keys.rules import (
    PUBLISHED_AHEAD,
    RETIRING_FOR,
    KeyState,
    SigningKeyStatus,
    Step,
    next_step,
)
from orion_core.database import Database, DatabaseUnreachableError
from orion_core.errors import Problem
from orion_core.ids import uuid7
from orion_core.sealing import Keyring, SealError, place
from orion_core.signatures import ALGORITHMS, Algorithm

OTHERS = Keyring({"s2": b"x" * 32})
DAY = timedelta(days=1)
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def policy(keyring: Keyring, algorithm: Algorithm = "ES256") -> KeyPolicy:
    return KeyPolicy(keyring, algorithm, 90 * DAY)


if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth


async def test_many_first_starts_make_one_key(auth: "Auth", another_auth: "Auth") -> None:
    processes = [process.application.state.components for process in (auth, another_auth)]
    loads = [
        tend(processes[n % 2].database, policy(processes[0].settings.sealing_keys), auth.clock()) for n in range(10)
    ]
    assert len({loaded.kid for loaded in await asyncio.gather(*loads)}) == 1
    assert await auth.rows("SELECT status::text FROM signing_keys") == [{"status": "ACTIVE"}]


async def test_the_private_half_is_sealed_and_the_public_half_is_all_that_is_told(auth: "Auth") -> None:
    published = (await auth.http.get("/auth/.well-known/jwks.json")).json()
    assert all(key.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"} for key in published["keys"])
    components = auth.application.state.components
    await components.signer.ready()
    [row] = await auth.rows("SELECT id, private_key, public_jwk::text FROM signing_keys")
    opened = components.settings.sealing_keys.open(row["private_key"], place("signing_keys", "private_key", row["id"]))
    secret = json.loads(opened)["d"]
    assert secret.encode() not in row["private_key"]
    assert secret not in row["public_jwk"]


async def test_the_wrong_keyring_opens_nothing(auth: "Auth") -> None:
    components = auth.application.state.components
    await components.signer.ready()
    with pytest.raises(SealError):
        await tend(components.database, policy(OTHERS), auth.clock())


async def test_a_rotation_reaches_a_running_process(auth: "Auth") -> None:
    components = auth.application.state.components
    first = await components.signer.ready()
    await auth.execute("UPDATE signing_keys SET status = 'RETIRING', retires_at = :at", at=auth.clock() + DAY)
    second = await components.signer._reload()
    assert first.kid != second.kid
    assert len((await auth.http.get("/auth/.well-known/jwks.json")).json()["keys"]) == 2


async def test_it_is_told_when_the_key_cannot_be_opened(auth: "Auth") -> None:
    await auth.application.state.components.signer.ready()
    database = auth.application.state.components.database
    signer = AccessTokenSigner(lambda: tend(database, policy(OTHERS), auth.clock()), "issuer")
    with pytest.raises(Problem) as refused:
        await signer.ready()
    assert (refused.value.status, refused.value.code) == (503, "signing_key_unusable")
    assert signer.fault is not None
    assert signer.fault.startswith("the signing key cannot be loaded: ")
    away = Database.connect("postgresql://u:p@127.0.0.1:1/db", role=None, application="orion test")
    signer = AccessTokenSigner(lambda: tend(away, policy(OTHERS), auth.clock()), "issuer")
    with structlog.testing.capture_logs() as logs, pytest.raises(DatabaseUnreachableError):
        await signer.ready()
    assert [entry["hint"] for entry in logs] == ["is AUTH_DATABASE_URL right?"], (
        "nobody is sent after the wrong setting"
    )


async def published(auth: "Auth") -> set[str]:
    return {key["kid"] for key in (await auth.http.get("/auth/.well-known/jwks.json")).json()["keys"]}


async def test_the_next_key_is_published_before_it_signs_and_the_last_one_until_its_tokens_have_died(
    auth: "Auth", another_auth: "Auth"
) -> None:
    parts = auth.application.state.components
    old = await parts.signer.ready()
    rotation = await rotate(parts.database, policy(parts.settings.sealing_keys), auth.clock(), operator="olga")
    assert rotation.signs_from == auth.clock() + PUBLISHED_AHEAD
    assert (await parts.signer._reload()).kid == old.kid
    assert await published(auth) == {old.kid, rotation.kid}

    early = await auth.service_token()
    auth.clock.advance(minutes=15)
    for process in (auth, another_auth):
        assert (await process.application.state.components.signer._reload()).kid == rotation.kid
    assert await published(auth) == {old.kid, rotation.kid}
    auth.clock.advance(minutes=-6)
    feed = "/auth/v1/events"
    for token in (early, await auth.service_token()):
        assert (await another_auth.http.get(feed, headers=auth.as_bearer(token))).status_code == 200

    auth.clock.advance(minutes=21)
    await parts.signer._reload()
    assert await published(auth) == {rotation.kid}


async def test_a_key_that_is_in_other_hands_signs_and_verifies_nothing_more(auth: "Auth") -> None:
    parts = auth.application.state.components
    early = await auth.service_token()
    assert (await auth.http.get("/auth/v1/events", headers=auth.as_bearer(early))).status_code == 200
    keys = policy(parts.settings.sealing_keys)
    rotation = await rotate(parts.database, keys, auth.clock(), operator="olga", compromised=True)
    assert (await parts.signer._reload()).kid == rotation.kid
    assert await published(auth) == {rotation.kid}
    auth.clock.advance(minutes=5)
    assert (await auth.http.get("/auth/v1/events", headers=auth.as_bearer(early))).status_code == 401
    late = await auth.service_token()
    assert (await auth.http.get("/auth/v1/events", headers=auth.as_bearer(late))).status_code == 200


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_another_algorithm_comes_in_as_a_rotation_does(auth: "Auth", algorithm: Algorithm) -> None:
    parts = auth.application.state.components
    await parts.signer.ready()
    wanted = policy(parts.settings.sealing_keys, algorithm)
    before = await tend(parts.database, wanted, auth.clock())
    assert before.key.algorithm == "ES256"
    after = await tend(parts.database, wanted, auth.clock() + PUBLISHED_AHEAD)
    assert after.key.algorithm == algorithm
    parts.signer._key = after
    token = await auth.service_token()
    assert (await auth.http.get("/auth/v1/events", headers=auth.as_bearer(token))).status_code == 200


def state(status: SigningKeyStatus, **changes: Any) -> KeyState:
    values: dict[str, Any] = {
        "id": uuid7(),
        "algorithm": "ES256",
        "status": status,
        "published_at": NOW,
        "activated_at": NOW,
        "retires_at": None,
    }
    return KeyState(**(values | changes))


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.integers(0, 60 * 24 * 400), max_size=15))
def test_at_any_time_one_key_signs_that_was_published_long_enough(minutes: list[int]) -> None:
    """The rule, driven by a clock that only moves forward: an old key is there until its tokens have died."""
    keys: dict[UUID, KeyState] = {}
    for minute in sorted(minutes):
        now = NOW + timedelta(minutes=minute)
        while step := next_step(list(keys.values()), "ES256", 90 * DAY, now):
            if step.what in ("BEGIN", "PUBLISH"):
                status = SigningKeyStatus.ACTIVE if step.what == "BEGIN" else SigningKeyStatus.PENDING
                made = state(status, published_at=now, activated_at=now if step.what == "BEGIN" else None)
                keys[made.id] = made
            elif step.what == "ACTIVATE":
                for key in list(keys.values()):
                    if key.status is SigningKeyStatus.ACTIVE:
                        keys[key.id] = replace(key, status=SigningKeyStatus.RETIRING, retires_at=now + RETIRING_FOR)
                pending = keys[step.key_id or UUID(int=0)]
                assert now >= pending.published_at + PUBLISHED_AHEAD
                keys[pending.id] = replace(pending, status=SigningKeyStatus.ACTIVE, activated_at=now)
            else:
                gone = keys.pop(step.key_id or UUID(int=0))
                assert gone.retires_at is not None and gone.retires_at <= now
        assert [key.status for key in keys.values()].count(SigningKeyStatus.ACTIVE) == 1
        assert len(keys) <= 3


def test_a_key_that_was_to_sign_by_an_algorithm_nobody_wants_any_more_is_withdrawn() -> None:
    pending = state(SigningKeyStatus.PENDING, algorithm="EdDSA", activated_at=None)
    assert next_step([state(SigningKeyStatus.ACTIVE), pending], "ES256", 90 * DAY, NOW) == Step("WITHDRAW", pending.id)

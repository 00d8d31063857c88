"""The key that signs: made once, sealed, the same for all processes."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from orion_auth.signing_keys.actions import load_or_create
from orion_core.sealing import Keyring, SealError

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth


async def test_many_first_starts_make_one_key(auth: "Auth", another_auth: "Auth") -> None:
    processes = [process.application.state.components for process in (auth, another_auth)]
    loads = [
        load_or_create(processes[n % 2].database, processes[0].settings.sealing_keys, auth.clock()) for n in range(10)
    ]
    assert len({loaded.kid for loaded in await asyncio.gather(*loads)}) == 1
    assert await auth.rows("SELECT status::text FROM signing_keys") == [{"status": "ACTIVE"}]


async def test_the_private_half_is_sealed_and_the_public_half_is_all_that_is_told(auth: "Auth") -> None:
    published = (await auth.http.get("/auth/.well-known/jwks.json")).json()
    assert all(key.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"} for key in published["keys"])
    components = auth.application.state.components
    active = await components.signer.ready()
    secret = active.key.as_dict(private=True)["d"]
    [row] = await auth.rows("SELECT private_key, public_jwk::text FROM signing_keys")
    assert secret.encode() not in row["private_key"]
    assert secret not in row["public_jwk"]


async def test_the_wrong_keyring_opens_nothing(auth: "Auth") -> None:
    components = auth.application.state.components
    await components.signer.ready()
    with pytest.raises(SealError):
        await load_or_create(components.database, Keyring({"s2": b"x" * 32}), auth.clock())

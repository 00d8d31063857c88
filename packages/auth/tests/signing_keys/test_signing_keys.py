"""The key that signs: made once, sealed, the same for all processes."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from orion_auth.signer import AccessTokenSigner
from orion_auth.signing_keys.actions import load_or_create
from orion_core.errors import Problem
from orion_core.sealing import Keyring, SealError

OTHERS = Keyring({"s2": b"x" * 32})

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
        await load_or_create(components.database, OTHERS, auth.clock())


async def test_a_rotation_reaches_a_running_process(auth: "Auth") -> None:
    components = auth.application.state.components
    first = await components.signer.ready()
    await auth.execute("UPDATE signing_keys SET status = 'RETIRING'")
    second = await components.signer._reload()
    assert first.kid != second.kid
    assert len((await auth.http.get("/auth/.well-known/jwks.json")).json()["keys"]) == 2


async def test_it_is_told_when_the_key_cannot_be_opened(auth: "Auth") -> None:
    await auth.application.state.components.signer.ready()
    database = auth.application.state.components.database
    signer = AccessTokenSigner(lambda: load_or_create(database, OTHERS, auth.clock()), "issuer")
    with pytest.raises(Problem) as refused:
        await signer.ready()
    assert (refused.value.status, refused.value.code) == (503, "signing_key_unusable")
    assert signer.fault is not None
    assert signer.fault.startswith("the signing key cannot be loaded: ")

"""Access tokens, verified by what others have written: PyJWT and npm `jose`; and a client by `jose` with a key."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from packages.auth.tests.conftest import PASSWORD, auth_settings
from sqlalchemy import text

from orion_auth.app import build
from orion_auth.hashing import HashingLane
from orion_auth.service import service
from orion_core.database import Database
from orion_core.http.embedded import serving
from orion_core.signatures import ALGORITHMS, Algorithm
from orion_core.testing import TestDatabase

FOLDER = Path(__file__).parent / "jose"
EMAIL = "ada@example.com"
ISSUER = "https://auth.example.com"

MakeDatabase = Callable[[str], Awaitable[TestDatabase]]


@asynccontextmanager
async def served(database: TestDatabase, algorithm: Algorithm) -> AsyncGenerator[str]:
    """Auth on a port of its own, with one user."""
    owner = Database.connect(database.owner_url, role=None, application="test", pool_size=1)
    async with owner.transaction() as transaction:
        await service.seed(transaction.connection, "reference")
        lane = HashingLane(1)
        password_hash = await lane.hash(PASSWORD)
        lane.close()
        query = """
            INSERT INTO identities (email, password_hash, password_changed_at, status, email_verified_at)
            VALUES (:email, :hash, now(), 'ACTIVE', now())
        """
        await transaction.connection.execute(text(query), {"email": EMAIL, "hash": password_hash})
    await owner.close()
    application = build(auth_settings(database, AUTH_SIGNING_ALGORITHM=algorithm, AUTH_ISSUER=ISSUER))
    async with application.router.lifespan_context(application), serving(application, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


async def node(script: str, *words: str) -> Any:
    """What a script prints."""
    program = shutil.which("node")
    if program is None or not (FOLDER / "node_modules" / "jose").is_dir():
        pytest.skip(f"jose is not installed: npm install --prefix {FOLDER} --no-package-lock")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(program, str(FOLDER / script), *words, stdout=pipe, stderr=pipe)
    told, failed = await process.communicate()
    assert process.returncode == 0, failed.decode()
    return json.loads(told)


async def sign_in(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{url}/auth/v1/sessions", json={"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_pyjwt_verifies_what_auth_signs(make_database: MakeDatabase, algorithm: Algorithm) -> None:
    async with served(await make_database("auth"), algorithm) as url:
        session = await sign_in(url)
        token, keys = session["access_token"], jwt.PyJWKClient(f"{url}/auth/.well-known/jwks.json")
        key = await asyncio.to_thread(keys.get_signing_key_from_jwt, token)
        claims = jwt.decode(token, key, algorithms=[algorithm], audience="orion", issuer=ISSUER)
        assert claims["sub"] == session["user_id"]
        assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
        forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(forged, key, algorithms=[algorithm], audience="orion", issuer=ISSUER)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_jose_verifies_what_auth_signs_and_proves_its_own_key(
    make_database: MakeDatabase, algorithm: Algorithm
) -> None:
    async with served(await make_database("auth"), algorithm) as url:
        session = await sign_in(url)
        keys = f"{url}/auth/.well-known/jwks.json"
        claims = await node("verify.mjs", keys, ISSUER, "orion", algorithm, session["access_token"])
        assert claims["sub"] == session["user_id"]
        told = await node("client.mjs", url, EMAIL, PASSWORD, algorithm)
        assert told == {"statuses": [201, 200, 200], "types": ["DPoP", "DPoP"]}

"""A password that is known from a breach weighs in the risk of a sign-in, where a list of them is on this machine."""

from dataclasses import replace
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from orion_auth.passwords.breached import RangeFiles, RangeService

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth


async def signals(auth: "Auth") -> list[bool]:
    rows = await auth.rows("SELECT metadata FROM login_attempts ORDER BY id")
    return [row["metadata"]["risk"]["signals"]["password_is_breached"] for row in rows]


async def test_a_list_on_this_machine_is_looked_into_and_a_service_is_not_asked(auth: "Auth", tmp_path: Path) -> None:
    await auth.verified()
    digest = sha1(auth.password.encode(), usedforsecurity=False).hexdigest().upper()
    (tmp_path / f"{digest[:5]}.txt").write_text(f"{digest[5:]}:42\n")

    def asked(_: httpx.Request) -> httpx.Response:
        raise AssertionError("a sign-in asked the service")

    service = RangeService("http://ranges.test", httpx.MockTransport(asked))
    components = auth.application.state.components
    for breached in (RangeFiles(tmp_path), service):
        policy = replace(components.password_policy, breached=breached)
        auth.application.state.components = replace(components, password_policy=policy)
        assert (await auth.sign_in()).status_code in (201, 202)
    assert await signals(auth) == [True, False]
    reasons = await auth.rows("SELECT risk_reasons::text AS text FROM login_attempts ORDER BY id LIMIT 1")
    assert "breach" in reasons[0]["text"]

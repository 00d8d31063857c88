"""Mails that anybody may ask for: a mailbox is not flooded, and nobody uses up what its owner may ask for."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

LAPTOP = {"device_id": "adas-laptop"}


async def post(auth: "Auth", path: str, address: str = "192.0.2.1", **body: Any) -> httpx.Response:
    """A request from an address of one's own."""
    transport = httpx.ASGITransport(auth.application, client=(address, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://auth.test") as http:
        return await http.post(f"/auth/v1/{path}", json={"email": "ada@example.com"} | body)


@pytest.mark.parametrize(("path", "most"), [("sign-in-mails", 5), ("password-resets", 10)])
async def test_no_stranger_uses_up_the_mails_that_the_owner_asks_for_on_his_device(
    auth: "Auth", path: str, most: int
) -> None:
    await auth.verified()
    assert (await post(auth, "sessions", password=auth.password, **LAPTOP)).status_code == 201
    here = [(await post(auth, path)).status_code for _ in range(4)]
    assert here == [202, 202, 202, 429], "one network"
    assert (await post(auth, path, "198.51.100.1")).status_code == 202, "it takes nothing from another"
    elsewhere = [(await post(auth, path, f"203.0.113.{n}")).status_code for n in range(most)]
    assert elsewhere == [202] * (most - 4) + [429] * 4, "nor do all of them fill the mailbox"
    unknown = await post(auth, path, "203.0.113.99", device_id="somebodys-laptop")
    assert unknown.status_code == 429, "a device that the account does not know is a stranger's"
    answers = [await post(auth, path, **LAPTOP) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429], "the owner's, on the network of one"
    assert answers[0].headers["RateLimit-Policy"].endswith(";q=3;w=900" if most == 5 else ";q=3;w=300")


async def test_a_mail_that_a_stranger_asks_for_takes_nothing_from_the_one_that_the_owner_waits_for(
    auth: "Auth",
) -> None:
    await auth.verified()
    await post(auth, "sessions", password=auth.password, **LAPTOP)
    asked = [(await post(auth, "sign-in-mails", **LAPTOP)).json()["sign_in"]]
    asked.append((await post(auth, "sign-in-mails")).json()["sign_in"])
    await post(auth, "sign-in-mails", "203.0.113.1")
    [_, at_home, on_laptop] = await auth.sent("SIGN_IN")
    for sign_in, mail in zip(asked, (on_laptop, at_home), strict=True):
        entered = await auth.http.post("/auth/v1/email-code-sessions", json={"sign_in": sign_in, "code": mail.code})
        assert entered.status_code == 201, entered.text


async def test_an_address_that_waits_to_be_verified_is_neither_flooded_nor_kept_waiting_by_one_network(
    auth: "Auth",
) -> None:
    assert (await auth.register()).status_code == 202
    assert [(await post(auth, "verifications")).status_code for _ in range(5)] == [202] * 4 + [429]
    elsewhere = [(await post(auth, "verifications", f"203.0.113.{n}")).status_code for n in range(20)]
    assert elsewhere == [202] * 15 + [429] * 5
    code = (await auth.mailed()).code
    assert code is not None
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(2):
        assert (await post(auth, "email-verifications", "203.0.113.1", code=wrong)).status_code == 422
    few = "endpoint = 'email_verification' AND key_type = 'EMAIL'"
    await auth.execute(f'UPDATE rate_limit_policies SET "limit" = 2 WHERE {few}')
    assert (await post(auth, "email-verifications", "203.0.113.1", code=wrong)).status_code == 429
    assert (await post(auth, "email-verifications", code=code)).status_code == 204, "guesses are counted by network"

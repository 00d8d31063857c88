"""Choosing another username: nobody else's, and the profile follows."""

import asyncio
from typing import TYPE_CHECKING

import httpx

from orion_contracts.events import UsernameChanged

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth


async def choose(auth: "Auth", token: str, username: str) -> httpx.Response:
    return await auth.http.put("/auth/v1/me/username", json={"username": username}, headers=auth.as_bearer(token))


async def test_a_free_name_is_given_and_told(auth: "Auth") -> None:
    await auth.verified(username="ada")
    token = (await auth.sign_in()).json()["access_token"]
    for _ in range(2):
        assert (await choose(auth, token, "Lovelace")).status_code == 204
    rows = await auth.rows("SELECT data->>'username' AS name FROM outbox WHERE type = :type", type=UsernameChanged.type)
    assert rows == [{"name": "lovelace"}]
    assert await auth.changes("username.changed") == [({"username": "ada"}, {"username": "lovelace"})]
    await auth.verified("eve@example.com", username="ada")


async def test_a_name_that_somebody_has_is_not_and_one_that_nobody_verified_is(auth: "Auth") -> None:
    await auth.verified(username="ada")
    token = (await auth.sign_in()).json()["access_token"]
    await auth.verified("eve@example.com", username="eve")
    await auth.register("pending@example.com", username="loose")
    assert (await choose(auth, token, "eve")).json()["code"] == "username_taken"
    assert (await choose(auth, token, "loose")).status_code == 204


LOOK_ALIKES = ("\u0430da", "\uff41da", "\ufb01n", "\u212aen", "ada\u200b")
"""Of another alphabet, wide, joined, a Kelvin sign, and with what is not shown."""


async def test_names_that_are_none(auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["access_token"]
    for name in ("", "a b", "a" * 51, "-a", *LOOK_ALIKES):
        answer = await choose(auth, token, name)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "/username"), name


async def test_of_many_who_want_it_one_gets_it(auth: "Auth") -> None:
    emails = [f"user{number}@example.com" for number in range(3)]
    for email in emails:
        await auth.verified(email)
    tokens = [(await auth.sign_in(email)).json()["access_token"] for email in emails]
    answers = await asyncio.gather(*(choose(auth, token, "wanted") for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [204, 409, 409]

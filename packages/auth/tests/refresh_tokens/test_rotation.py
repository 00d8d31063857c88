"""A refresh token that is shown again: a second try of its client, or a copy in other hands."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_auth.identities.rules import IdentityStatus, standing
from orion_auth.refresh_tokens.actions import Successors
from orion_auth.tokens.rules import GRACE, BearerToken, Rotated, TokenStatus, client_digest, shown_again
from orion_contracts.account_messages import SecurityNoticeRaised
from orion_contracts.events import SessionEnded
from orion_core.sealing import Keyring
from orion_core.secrets import hash_secret

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
US, THEM = b"u" * 32, b"t" * 32
ENDPOINT = "/auth/oauth2/token"


def show(auth: "Auth", token: str, **client: str) -> Any:
    """Refresh as a client that names its device, or has another user agent."""
    form = {"grant_type": "refresh_token", "refresh_token": token, "device_id": client.get("device_id", "laptop")}
    return auth.http.post(ENDPOINT, data=form, headers={"User-Agent": client.get("user_agent", "Firefox")})


async def signed_in(auth: "Auth") -> str:
    await auth.verified()
    return (await auth.sign_in()).json()["refresh_token"]


async def ended(auth: "Auth") -> list[str]:
    rows = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SessionEnded.type)
    return [SessionEnded.read(row["data"]).reason for row in rows]


async def test_a_client_that_lost_the_answer_gets_the_same_successor(auth: "Auth") -> None:
    token = await signed_in(auth)
    first = (await show(auth, token)).json()["refresh_token"]
    auth.clock.advance(seconds=29)
    assert (await show(auth, token)).json()["refresh_token"] == first
    assert (await show(auth, first)).status_code == 200
    assert await ended(auth) == []


async def test_once_the_successor_is_used_the_same_client_gets_nothing_and_loses_nothing(auth: "Auth") -> None:
    token = await signed_in(auth)
    first = (await show(auth, token)).json()["refresh_token"]
    second = (await show(auth, first)).json()["refresh_token"]
    assert (await show(auth, token)).json()["error"] == "invalid_grant"
    assert (await show(auth, second)).status_code == 200
    assert await ended(auth) == []


@pytest.mark.parametrize("stranger", [{"device_id": "other"}, {"user_agent": "curl"}])
async def test_from_another_client_the_grace_is_none(auth: "Auth", stranger: dict[str, str]) -> None:
    token = await signed_in(auth)
    first = (await show(auth, token)).json()["refresh_token"]
    assert (await show(auth, token, **stranger)).json()["error"] == "invalid_grant"
    assert (await show(auth, first)).json()["error"] == "invalid_grant"
    assert await ended(auth) == ["REUSE_DETECTED"]
    [notice] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SecurityNoticeRaised.type)
    assert SecurityNoticeRaised.read(notice["data"]).notice == "token.reused"


async def test_after_the_grace_any_copy_ends_the_session_once(auth: "Auth") -> None:
    token = await signed_in(auth)
    first = (await show(auth, token)).json()["refresh_token"]
    auth.clock.advance(seconds=30)
    for _ in range(2):
        assert (await show(auth, token)).json()["error"] == "invalid_grant"
    assert (await show(auth, first)).json()["error"] == "invalid_grant"
    auth.clock.advance(days=3)
    assert (await show(auth, token)).json()["error"] == "invalid_grant"
    assert await ended(auth) == ["REUSE_DETECTED"]


async def test_a_thief_one_step_behind_is_found(auth: "Auth") -> None:
    token = await signed_in(auth)
    behind = token
    for _ in range(3):
        behind, token = token, (await show(auth, token)).json()["refresh_token"]
        auth.clock.advance(minutes=10)
    assert (await show(auth, behind)).json()["error"] == "invalid_grant"
    assert (await show(auth, token)).json()["error"] == "invalid_grant"
    assert await ended(auth) == ["REUSE_DETECTED"]


async def test_in_the_grace_a_user_who_was_shut_out_gets_nothing(auth: "Auth") -> None:
    token = await signed_in(auth)
    await show(auth, token)
    await auth.execute("UPDATE identities SET status = 'SUSPENDED'")
    assert (await show(auth, token)).json()["error"] == "invalid_grant"


async def test_the_line_can_be_told_from_its_rows(auth: "Auth") -> None:
    token = await signed_in(auth)
    for _ in range(3):
        token = (await show(auth, token)).json()["refresh_token"]
    line = await auth.rows("""
        WITH RECURSIVE line AS (
          SELECT id, status::text, refresh_count FROM auth_tokens WHERE type = 'REFRESH' AND id = family_id
          UNION ALL
          SELECT next.id, next.status::text, next.refresh_count
          FROM line JOIN auth_tokens AS next ON next.rotated_from_id = line.id AND next.parent_token_id = line.id
        )
        SELECT status, refresh_count FROM line ORDER BY refresh_count
    """)
    assert [(row["status"], row["refresh_count"]) for row in line] == [
        *(("USED", count) for count in range(3)),
        ("ACTIVE", 3),
    ]


async def test_an_edited_limit_holds_from_the_next_refresh_on(auth: "Auth") -> None:
    token = await signed_in(auth)
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 1 WHERE endpoint = 'refresh'")
    answer = await show(auth, token)
    assert answer.headers["RateLimit"] == '"refresh";r=0;t=60'
    assert (await show(auth, answer.json()["refresh_token"])).status_code == 429
    await auth.execute("DELETE FROM rate_limit_policies WHERE endpoint = 'refresh'")
    unlimited = await show(auth, answer.json()["refresh_token"])
    assert unlimited.status_code == 200
    assert "RateLimit" not in unlimited.headers


@pytest.mark.parametrize("status", list(IdentityStatus))
@pytest.mark.parametrize("locked_for", [None, -1, 1])
async def test_the_statement_judges_an_identity_as_the_rule_does(
    auth: "Auth", status: IdentityStatus, locked_for: int | None
) -> None:
    token = await signed_in(auth)
    now = auth.clock()
    locked_until = None if locked_for is None else now + timedelta(hours=locked_for)
    await auth.execute(
        "UPDATE identities SET status = CAST(:status AS identity_status), locked_until = :locked_until, "
        "deleted_at = CASE WHEN :status = 'DELETED' THEN now() END",
        status=status.name,
        locked_until=locked_until,
    )
    answer: httpx.Response = await show(auth, token)
    assert (answer.status_code == 200) == (standing(status, locked_until, now) == "GOOD")


async def test_of_many_clients_at_once_no_two_have_a_living_token(auth: "Auth", another_auth: "Auth") -> None:
    token = await signed_in(auth)
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 1000')
    shown = [show((auth, another_auth)[n % 2], token, device_id=str(n % 4)) for n in range(16)]
    answers = await asyncio.gather(*shown)
    assert len({answer.json()["refresh_token"] for answer in answers if answer.status_code == 200}) == 1
    assert await auth.rows("SELECT id FROM auth_tokens WHERE type = 'REFRESH' AND status = 'ACTIVE'") == []
    assert await ended(auth) == ["REUSE_DETECTED"]


def rotated(**changes: Any) -> Rotated:
    values: dict[str, Any] = {
        "at": NOW,
        "by": US,
        "expires_at": NOW + timedelta(days=1),
        "successor": TokenStatus.ACTIVE,
        "successor_used_by": None,
        "successor_idle_until": None,
        "is_welcome": True,
    }
    return Rotated(**(values | changes))


@given(
    st.sampled_from([US, THEM]),
    st.timedeltas(timedelta(seconds=-5), timedelta(days=2)),
    st.sampled_from(TokenStatus),
    st.sampled_from([None, US, THEM]),
    st.booleans(),
)
def test_a_successor_is_given_again_only_to_its_client_only_soon_and_only_unused(
    client: bytes, later: timedelta, successor: TokenStatus, used_by: bytes | None, welcome: bool
) -> None:
    state = rotated(successor=successor, successor_used_by=used_by, is_welcome=welcome)
    verdict = shown_again(state, client, NOW + later)
    if verdict == "SAME_SUCCESSOR":
        assert client == US and later < GRACE and successor is TokenStatus.ACTIVE and welcome
    is_alive = later < timedelta(days=1) and successor in (TokenStatus.ACTIVE, TokenStatus.USED)
    if is_alive and (client != US or later >= GRACE):
        assert verdict == "REUSED"
    if not is_alive:
        assert verdict == "REFUSED"


def test_an_idle_successor_is_not_given_again() -> None:
    assert shown_again(rotated(successor_idle_until=NOW), US, NOW) == "REFUSED"


def test_whoever_has_the_key_and_the_rows_lacks_the_token_shown() -> None:
    successors = Successors(Keyring({"a": b"a" * 32}))
    shown, other = BearerToken("s" * 22, "x" * 43), BearerToken("s" * 22, "y" * 43)
    made = successors.new(shown)
    assert successors.again(shown, made.selector, hash_secret(made.secret)) == made
    assert successors.again(other, made.selector, hash_secret(made.secret)) is None


def test_a_successor_outlives_a_new_key_in_the_keyring_but_not_its_own_leaving() -> None:
    shown = BearerToken("s" * 22, "x" * 43)
    made = Successors(Keyring({"a": b"a" * 32})).new(shown)
    both = Successors(Keyring({"b": b"b" * 32, "a": b"a" * 32}))
    assert both.again(shown, made.selector, hash_secret(made.secret)) == made
    assert Successors(Keyring({"b": b"b" * 32})).again(shown, made.selector, hash_secret(made.secret)) is None


def test_a_key_tells_its_client_wherever_it_is() -> None:
    from ipaddress import ip_address

    here, there = ip_address("192.0.2.1"), ip_address("2001:db8::1")
    assert client_digest("jkt", "a", "b", here) == client_digest("jkt", None, None, there)
    assert client_digest(None, "a", "b", here) != client_digest(None, "a", "b", there)
    assert client_digest(None, "a", "b", there) == client_digest(None, "a", "b", ip_address("2001:db8::2"))
    assert client_digest(None, "a", None, here) != client_digest(None, None, "a", here)

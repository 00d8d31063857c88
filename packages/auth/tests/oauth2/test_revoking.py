"""Revoking and examining tokens over HTTP (RFC 7009, RFC 7662), and what the server says of itself (RFC 8414)."""

from typing import TYPE_CHECKING, Any

from httpx import USE_CLIENT_DEFAULT

from orion_contracts.events import SessionEnded

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

REVOKE, INTROSPECT = "/auth/oauth2/revoke", "/auth/oauth2/introspect"


async def told(auth: "Auth", token: str) -> dict[str, Any]:
    answer = await auth.http.post(INTROSPECT, data={"token": token}, auth=("user", auth.service_key))
    assert answer.status_code == 200
    return answer.json()


async def ended(auth: "Auth") -> int:
    return len(await auth.rows("SELECT id FROM outbox WHERE type = :type", type=SessionEnded.type))


async def test_a_revoked_refresh_token_ends_its_session(auth: "Auth") -> None:
    await auth.verified()
    for which in ("refresh_token", "access_token"):
        session = (await auth.sign_in()).json()
        assert (await auth.http.post(REVOKE, data={"token": session[which]})).status_code == 200
        assert (await auth.refresh(session["refresh_token"])).json()["error"] == "invalid_grant"
        assert await told(auth, session["access_token"]) == {"active": False}
        assert (await auth.http.post(REVOKE, data={"token": session[which]})).status_code == 200
    assert await ended(auth) == 2


async def test_what_is_no_token_is_revoked_without_a_word(auth: "Auth") -> None:
    for token in ("x", "A" * 22 + "." + "B" * 43):
        assert (await auth.http.post(REVOKE, data={"token": token})).status_code == 200
    assert (await auth.http.post(REVOKE, data={})).json()["error"] == "invalid_request"
    assert await ended(auth) == 0


async def test_a_token_ends_its_session_for_whichever_service_it_is(auth: "Auth") -> None:
    await auth.verified()
    session = (await auth.sign_in()).json()
    form = {"grant_type": "refresh_token", "refresh_token": session["refresh_token"], "resource": "urn:orion:user"}
    narrow = (await auth.http.post("/auth/oauth2/token", data=form)).json()
    bearer = auth.as_bearer(narrow["access_token"])
    assert (await auth.http.get("/auth/v1/sessions", headers=bearer)).status_code == 401, "auth is not who it is for"
    assert (await auth.http.post(REVOKE, data={"token": narrow["access_token"]})).status_code == 200
    assert (await auth.refresh(narrow["refresh_token"])).json()["error"] == "invalid_grant"
    assert await ended(auth) == 1


async def test_whoever_asks_to_end_what_cannot_be_ended_is_told_so(auth: "Auth") -> None:
    refused = await auth.http.post(REVOKE, data={"token": await auth.service_token()})
    assert (refused.status_code, refused.json()["error"]) == (400, "unsupported_token_type")
    assert await ended(auth) == 0


async def test_a_service_learns_what_a_token_is_worth(auth: "Auth") -> None:
    user = str(await auth.verified())
    session = (await auth.sign_in()).json()
    access = await told(auth, session["access_token"])
    assert access.items() >= {"active": True, "token_type": "Bearer", "sub": user, "sid": session["session_id"]}.items()
    assert access["aud"] == "orion" and access["amr"] == ["pwd"]
    refresh = await told(auth, session["refresh_token"])
    assert refresh.items() >= {"active": True, "token_type": "refresh_token", "sub": user}.items()
    successor = (await auth.refresh(session["refresh_token"])).json()["refresh_token"]
    assert await told(auth, session["refresh_token"]) == {"active": False}
    auth.clock.advance(days=14)
    assert await told(auth, successor) == {"active": False}
    assert await told(auth, session["access_token"]) == {"active": False}


async def test_who_is_no_service_learns_nothing(auth: "Auth") -> None:
    for credentials in (USE_CLIENT_DEFAULT, ("user", "wrong"), ("nobody", auth.service_key)):
        answer = await auth.http.post(INTROSPECT, data={"token": "x"}, auth=credentials)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_the_server_says_what_it_can_do(auth: "Auth") -> None:
    metadata = (await auth.http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["issuer"] == auth.application.state.components.settings.issuer
    assert metadata["token_endpoint"] == "http://auth.test/auth/oauth2/token"
    assert (await auth.http.get(metadata["jwks_uri"])).status_code == 200

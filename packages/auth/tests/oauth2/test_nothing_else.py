"""What the authorization server does not do."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth


async def test_there_is_no_grant_by_which_a_third_party_could_come_in(auth: "Auth") -> None:
    """No code, implicit, password or device grant, and nowhere to ask for one (OAuth 2.1)."""
    await auth.verified()
    metadata = (await auth.http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["grant_types_supported"] == ["client_credentials", "refresh_token"]
    assert metadata["response_types_supported"] == []
    assert not {"authorization_endpoint", "registration_endpoint", "device_authorization_endpoint"} & set(metadata)
    shown = {"username": "ada@example.com", "password": auth.password, "code": "x", "client_id": "orion"}
    jwt_bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    for grant in (
        "password",
        "authorization_code",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code",
        jwt_bearer,
    ):
        refused = await auth.http.post("/auth/oauth2/token", data=shown | {"grant_type": grant})
        assert (refused.status_code, refused.json()["error"]) == (400, "unsupported_grant_type"), grant
    for path in ("authorize", "par", "register", "device_authorization"):
        assert (await auth.http.get(f"/auth/oauth2/{path}")).status_code == 404

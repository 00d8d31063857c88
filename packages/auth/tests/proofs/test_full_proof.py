"""What opens the account to somebody else is changed only by who has shown both factors, where there are two."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

ME = "/auth/v1/me"
JOURNEY = {"authorization": "00000000-0000-7000-8000-000000000000", "flow": "x" * 43, "code": "y" * 43}
CHANGES: list[tuple[str, str, dict[str, Any] | None]] = [
    (
        "PUT",
        f"{ME}/password",
        {"current_password": "correct horse battery staple", "new_password": "nine lanterns sing"},
    ),
    ("POST", f"{ME}/email-changes", {"email": "ada.lovelace@example.com"}),
    ("POST", f"{ME}/phone-changes", {"phone": "+4791234567"}),
    ("POST", f"{ME}/phone-changes/confirmations", {"code": "000000"}),
    ("DELETE", f"{ME}/phone", None),
    ("POST", f"{ME}/passkeys/options", {"kind": "PASSKEY"}),
    ("DELETE", f"{ME}/passkeys/00000000-0000-7000-8000-000000000000", None),
    ("POST", f"{ME}/oauth-accounts", JOURNEY),
    ("DELETE", f"{ME}/oauth-accounts/00000000-0000-7000-8000-000000000000", None),
    ("POST", f"{ME}/two-factor/totp", None),
    ("POST", f"{ME}/two-factor/sms", {"phone": "+4791234567"}),
    ("POST", f"{ME}/two-factor/email", None),
    ("PUT", f"{ME}/two-factor/primary", {"method": "TOTP"}),
    ("POST", f"{ME}/two-factor/backup-codes", None),
    ("DELETE", f"{ME}/two-factor/methods/TOTP", None),
    ("POST", f"{ME}/recovery-contacts/email", {"email": "grace@example.com"}),
    ("POST", f"{ME}/recovery-contacts/phone", {"phone": "+4791234567"}),
    ("DELETE", f"{ME}/recovery-contacts/EMAIL", None),
    ("PUT", f"{ME}/devices/00000000-0000-7000-8000-000000000000/trust", None),
    ("DELETE", f"{ME}/devices/00000000-0000-7000-8000-000000000000/block", None),
]


async def codes(auth: "Auth", token: str) -> dict[str, str]:
    told: dict[str, str] = {}
    for method, path, body in CHANGES:
        answer = await auth.http.request(method, path, json=body, headers=auth.as_bearer(token))
        told[f"{method} {path}"] = f"{answer.status_code} {answer.json()['code'] if answer.content else ''}"
    return told


async def test_what_opens_the_account_needs_a_proof_of_late_and_by_both_factors(auth: "Auth") -> None:
    """As on a device that is spared the second factor: the session has shown a password alone."""
    await auth.verified()
    token = (await auth.sign_in()).json()["access_token"]
    await auth.execute(
        "INSERT INTO two_factor_auth (user_id, is_enabled, primary_method, totp_secret, totp_verified_at) "
        "SELECT id, true, 'TOTP', '\\x00', now() FROM identities"
    )
    before = await auth.counts()
    assert set((await codes(auth, token)).values()) == {"401 second_factor_needed"}
    auth.clock.advance(minutes=6)
    assert set((await codes(auth, token)).values()) == {"401 reauthentication_required"}
    assert await auth.counts() == before

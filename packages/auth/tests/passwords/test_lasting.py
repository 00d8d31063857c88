"""How long a password is good, and how it is typed into our pages."""

from typing import TYPE_CHECKING

from orion_core.http.pages import POLICY

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth


async def test_a_password_is_good_however_old_it_is(auth: "Auth") -> None:
    """Nobody has to choose another for no reason (NIST SP 800-63B §5.1.1.2)."""
    await auth.verified()
    for _ in range(3):
        auth.clock.advance(days=400)
        assert (await auth.sign_in()).status_code == 201


async def test_a_password_is_typed_unseen_and_may_be_pasted_and_filled_in(auth: "Auth") -> None:
    await auth.verified()
    await auth.http.post("/auth/v1/password-resets", json={"email": "ada@example.com"})
    [mail] = await auth.sent("PASSWORD_RESET")
    operator = auth.as_bearer(await auth.operator_token())
    await auth.http.post("/auth/v1/invitations", json={"email": "grace@example.com"}, headers=operator)
    [invitation] = await auth.sent("INVITATION")
    for link in (mail.link, invitation.link):
        page = await auth.http.get(link or "")
        assert page.text.count("<input") == page.text.count('type="password"') == 1
        assert 'autocomplete="new-password"' in page.text, "what password managers look for"
        assert "onpaste" not in page.text and "<script" not in page.text
        assert page.headers["Content-Security-Policy"] == POLICY
    assert "default-src 'none'" in POLICY and "script-src" not in POLICY, "no script runs that could forbid it"

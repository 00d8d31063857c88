"""What is sent to and from the routes that let somebody in."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StringConstraints

from orion_auth.bearers import SigningIn
from orion_auth.passkeys.shapes import KeyShown, MadeCredential, NewPasskeyKind
from orion_auth.password_text import Password
from orion_core.http.shapes import RequestShape, ResponseShape


class SignIn(SigningIn):
    """Sign in with a password."""

    email: str = Field(min_length=1, max_length=255, examples=["ada@example.com"])
    password: Password = Field(repr=False, examples=["correct horse battery staple"])


class PasskeySignIn(SigningIn, KeyShown):
    """Sign in with a passkey."""


Challenge = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""Names the half-finished sign-in. It is a secret, so it stands in the body and in no URL (OWASP ASVS 5.0, 14.2.1)."""

CodeMethod = Literal["TOTP", "SMS", "EMAIL", "BACKUP_CODE"]
"""Second factors that are a code."""


class ChallengeAnswer(RequestShape):
    """Show the second factor of a half-finished sign-in."""

    challenge: Challenge = Field(repr=False)
    method: CodeMethod = Field(examples=["TOTP"])
    code: str = Field(min_length=1, max_length=32, repr=False, examples=["042317"])
    trust_device: StrictBool = False
    """Spare this device the second factor from now on for a while. The answer holds its secret, unless the device named
    no `device_id` or what was shown is no second factor of the account: a code that was asked for because the sign-in
    looked risky, or a backup code."""


class ChallengeCode(RequestShape):
    """Have a code sent for a half-finished sign-in."""

    challenge: Challenge = Field(repr=False)
    method: Literal["SMS", "EMAIL"] = Field(examples=["EMAIL"])


class ChallengeEnrolment(RequestShape):
    """Set up the second factor that a half-finished sign-in needs."""

    challenge: Challenge = Field(repr=False)


class ChallengeKey(RequestShape):
    """Ask for a key as the second factor of a half-finished sign-in."""

    challenge: Challenge = Field(repr=False)


class ChallengeKeyAnswer(KeyShown):
    """Show a key as the second factor of a half-finished sign-in."""

    challenge: Challenge = Field(repr=False)
    trust_device: bool = False
    """Spare this device the second factor from now on for a while. The answer holds its secret, unless the device named
    no `device_id`."""


class ChallengePasskeyKind(NewPasskeyKind):
    """Set up a key as the second factor that a half-finished sign-in needs."""

    challenge: Challenge = Field(repr=False)


class ChallengePasskey(RequestShape):
    """The key that was made, which a half-finished sign-in waits for."""

    challenge: Challenge = Field(repr=False)
    credential: MadeCredential = Field(repr=False)
    """`toJSON()` of what `navigator.credentials.create` gave."""


class CodeSent(ResponseShape):
    """A code is on its way."""

    detail: str

"""What browsers and authenticators are told, and what they send back, named as WebAuthn names it.

What is asked for is what `PublicKeyCredential.parseCreationOptionsFromJSON` and `parseRequestOptionsFromJSON` read;
what is sent back is what `credential.toJSON()` gives (Web Authentication Level 3, §5.1).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from orion_auth.authenticators import Assertion, Attestation
from orion_auth.passkeys.rules import LONGEST_NAME
from orion_core.http.shapes import RequestShape, ResponseShape

_BASE64URL = r"^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?$"

CredentialId = Annotated[str, StringConstraints(pattern=_BASE64URL, min_length=22, max_length=1364)]
"""16 to 1023 bytes in base64url."""
ClientData = Annotated[str, StringConstraints(pattern=_BASE64URL, max_length=4096)]
AttestationObject = Annotated[str, StringConstraints(pattern=_BASE64URL, max_length=16_384)]
AuthenticatorData = Annotated[str, StringConstraints(pattern=_BASE64URL, max_length=2048)]
Signature = Annotated[str, StringConstraints(pattern=_BASE64URL, max_length=1024)]
UserHandle = Annotated[str, StringConstraints(pattern=_BASE64URL, max_length=86)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME)]


def to_base64url(value: bytes) -> str:
    """As WebAuthn writes bytes in JSON (RFC 4648 §5, without padding)."""
    return urlsafe_b64encode(value).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


Requirement = Literal["required", "preferred", "discouraged"]


class _Options(ResponseShape):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Descriptor(_Options):
    """A credential that is meant."""

    type: Literal["public-key"] = "public-key"
    id: str
    transports: list[str]


class RelyingPartyEntity(_Options):
    """Who asks."""

    id: str
    name: str


class UserEntity(_Options):
    """For whom a credential is made."""

    id: str
    """Random; it tells nothing of the user."""
    name: str
    display_name: str


class CredentialParameters(_Options):
    """What a credential may sign with."""

    type: Literal["public-key"] = "public-key"
    alg: int


class AuthenticatorSelection(_Options):
    """What an authenticator must be able to do."""

    resident_key: Requirement
    require_resident_key: bool
    user_verification: Requirement


class CreationExtensions(_Options):
    """What the client is asked to tell."""

    cred_props: bool = True


class CreationOptions(_Options):
    """For `navigator.credentials.create`, by way of `PublicKeyCredential.parseCreationOptionsFromJSON`."""

    rp: RelyingPartyEntity
    user: UserEntity
    challenge: str
    pub_key_cred_params: list[CredentialParameters]
    timeout: int
    """Milliseconds; afterwards the challenge is over."""
    exclude_credentials: list[Descriptor]
    authenticator_selection: AuthenticatorSelection
    hints: list[Literal["security-key"]]
    attestation: Literal["none"] = "none"
    extensions: CreationExtensions = CreationExtensions()


class RequestOptions(_Options):
    """For `navigator.credentials.get`, by way of `PublicKeyCredential.parseRequestOptionsFromJSON`."""

    challenge: str
    timeout: int
    """Milliseconds; afterwards the challenge is over."""
    rp_id: str
    allow_credentials: list[Descriptor]
    """Empty where the passkey says who it is; then the browser may offer it in a form (`mediation: "conditional"`)."""
    user_verification: Requirement


class _FromBrowser(RequestShape):
    """What a browser writes. Browsers add members as WebAuthn grows, so what is not known is passed over."""

    model_config = ConfigDict(extra="ignore")


class CredentialProperties(_FromBrowser):
    """The extension `credProps`."""

    rk: bool | None = Field(default=None)


class ExtensionResults(_FromBrowser):
    """What the client told when a credential was made."""

    cred_props: CredentialProperties = Field(default_factory=CredentialProperties, alias="credProps")


class AttestationResponse(_FromBrowser):
    """What an authenticator answers when it has made a credential."""

    client_data: ClientData = Field(alias="clientDataJSON")
    attestation_object: AttestationObject = Field(alias="attestationObject")
    transports: list[Annotated[str, StringConstraints(max_length=40)]] = Field([], max_length=16)


class MadeCredential(_FromBrowser):
    """`toJSON()` of a credential that was made."""

    id: CredentialId
    type: Literal["public-key"]
    response: AttestationResponse
    extensions: ExtensionResults = Field(default_factory=ExtensionResults, alias="clientExtensionResults")

    @property
    def attestation(self) -> Attestation:
        """Its bytes."""
        return Attestation(_bytes(self.id), _bytes(self.response.client_data), _bytes(self.response.attestation_object))


class AssertionResponse(_FromBrowser):
    """What an authenticator answers when it has used a credential."""

    client_data: ClientData = Field(alias="clientDataJSON")
    authenticator_data: AuthenticatorData = Field(alias="authenticatorData")
    signature: Signature
    user_handle: UserHandle | None = Field(None, alias="userHandle")


class UsedCredential(_FromBrowser):
    """`toJSON()` of a credential that was used."""

    id: CredentialId
    type: Literal["public-key"]
    response: AssertionResponse

    @property
    def assertion(self) -> Assertion:
        """Its bytes."""
        response = self.response
        return Assertion(
            _bytes(self.id),
            _bytes(response.client_data),
            _bytes(response.authenticator_data),
            _bytes(response.signature),
            _bytes(response.user_handle) if response.user_handle else None,
        )


class KeyShown(RequestShape):
    """A key that is shown."""

    credential: UsedCredential = Field(repr=False)
    """`toJSON()` of what `navigator.credentials.get` gave."""


class NewPasskeyKind(RequestShape):
    """What is to be added."""

    kind: Literal["PASSKEY", "SECURITY_KEY"] = "PASSKEY"
    """PASSKEY signs its user in alone. SECURITY_KEY may be one without PIN or fingerprint: a second factor."""


class NewPasskey(RequestShape):
    """A credential that was made, to be kept."""

    credential: MadeCredential
    name: Name | None = Field(None, examples=["Ada's phone"])
    """Unset: after what keeps it, such as `iCloud Keychain`."""


class PasskeyChanges(RequestShape):
    """What a user may change of a passkey."""

    name: Name = Field(examples=["Ada's phone"])


class PasskeyShape(ResponseShape):
    """A passkey or hardware key of the caller."""

    id: UUID
    credential_id: str
    """As browsers name it, in base64url."""
    name: str
    provider: str | None
    """What keeps it, by the AAGUID that it gave; nobody vouches for that."""
    aaguid: UUID | None
    transports: list[str]
    signs_in_alone: bool
    """Whether it has verified its user, by PIN or biometrics; one that cannot is a second factor."""
    is_discoverable: bool | None
    """Whether it is found without naming its user; unset when the browser did not say."""
    is_synced: bool
    """Whether it may be on several devices."""
    is_backed_up: bool
    is_refused: bool
    """Whether a copy of it was seen; it is accepted no more, and should be removed."""
    created_at: datetime
    last_used_at: datetime | None


class PasskeyList(ResponseShape):
    """The passkeys of the caller; the first two are for `PublicKeyCredential.signalAllAcceptedCredentials`."""

    rp_id: str
    user_handle: str | None
    items: list[PasskeyShape]

"""Orion auth: the rows of orion_auth, as `orion db generate` reads the models."""

from datetime import datetime
from typing import Any, Literal, TypedDict
from uuid import UUID

ChallengePurpose = Literal["SIGN_IN", "STEP_UP", "ENROLMENT", "EMAIL_VERIFICATION", "PHONE_VERIFICATION"]


ClientAuthentication = Literal["NONE", "CLIENT_SECRET_BASIC", "CLIENT_SECRET_POST", "APPLE_JWT"]


DeviceStatus = Literal["TRUSTED", "UNTRUSTED", "BLOCKED", "PENDING_VERIFICATION"]


DeviceType = Literal["DESKTOP", "MOBILE", "TABLET", "TV", "BOT", "UNKNOWN"]


EmailTrust = Literal["NEVER", "CLAIM", "ALWAYS"]


FlowStatus = Literal["STARTED", "RETURNED", "PROVED", "USED"]


IdentityStatus = Literal["PENDING", "ACTIVE", "LOCKED", "SUSPENDED", "DELETED"]


LoginAttemptStatus = Literal["SUCCESS", "FAILED", "BLOCKED", "SUSPICIOUS"]


LoginMethod = Literal["PASSWORD", "PASSKEY", "MAGIC_LINK", "EMAIL_CODE", "SOCIAL"]


ProviderProtocol = Literal["OIDC", "OAUTH2"]


RateLimitKeyType = Literal["USER", "IP", "EMAIL", "API_KEY", "GLOBAL"]


ResponseMode = Literal["QUERY", "FORM_POST"]


SecurityEventCategory = Literal[
    "AUTHENTICATION",
    "PASSWORD",
    "TWO_FACTOR",
    "SESSION",
    "TOKEN",
    "DEVICE",
    "ACCOUNT",
    "RATE_LIMIT",
    "SOCIAL",
    "ADMINISTRATION",
]


SecurityEventSeverity = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]


SigningKeyStatus = Literal["PENDING", "ACTIVE", "RETIRING", "RETIRED"]


TokenStatus = Literal["ACTIVE", "USED", "EXPIRED", "REVOKED"]


TokenType = Literal["ACCESS", "REFRESH", "PASSWORD_RESET", "EMAIL_VERIFICATION", "MAGIC_LINK", "API_KEY"]


TwoFactorMethod = Literal["TOTP", "SMS", "EMAIL", "HARDWARE_KEY", "BACKUP_CODE"]


WebAuthnPurpose = Literal["REGISTRATION", "SIGN_IN", "SECOND_FACTOR", "PROOF"]


class AccountRecovery(TypedDict):
    """One recovery; `selector` and `secret_hash` are of the link by which its owner refuses it."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    selector: str
    """varchar(64) NOT NULL. Public selector, no secret"""

    secret_hash: bytes
    """bytea NOT NULL. SHA-256 of the secret part"""

    requested_at: datetime
    """timestamptz NOT NULL."""

    ready_at: datetime
    """timestamptz NOT NULL. It cannot be completed before"""

    expires_at: datetime
    """timestamptz NOT NULL. It cannot be completed from then on"""

    code_hash: bytes | None
    """bytea. HMAC-SHA-256 under a server key"""

    code_expires_at: datetime | None
    """timestamptz."""

    codes_sent: int
    """smallint NOT NULL DEFAULT 0."""

    tries: int
    """smallint NOT NULL DEFAULT 0. At the last code sent"""

    completed_at: datetime | None
    """timestamptz."""

    cancelled_at: datetime | None
    """timestamptz."""

    ip_address: str | None
    """inet."""

    user_agent: str | None
    """varchar(512)."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class ApiKey(TypedDict):
    """A key, under the id that it has in user. So tokens are given for it while user is away."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    prefix: str
    """varchar(16) NOT NULL. Public selector, not a secret"""

    key_hash: bytes
    """bytea NOT NULL. SHA-256 of the secret part"""

    user_id: UUID | None
    """uuid. No foreign key: user may tell of one who is gone here"""

    service: str | None
    """varchar(60)."""

    scopes: list[str]
    """varchar(121)[] NOT NULL."""

    allowed_cidrs: list[str]
    """cidr[] NOT NULL. Empty: from everywhere"""

    rate_limit: int | None
    """integer. Requests in a minute, at each service"""

    ends_at: datetime | None
    """timestamptz."""

    revoked_at: datetime | None
    """timestamptz."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class AuthToken(TypedDict):
    """One token. A refresh token's family is the id of the first of its line; each successor names its predecessor."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    token: str
    """varchar(64) NOT NULL. Public selector, no secret"""

    token_hash: bytes
    """bytea NOT NULL. SHA-256 of the secret part"""

    type: TokenType
    """token_type NOT NULL."""

    status: TokenStatus
    """token_status NOT NULL DEFAULT 'ACTIVE'."""

    user_id: UUID
    """uuid NOT NULL."""

    session_id: UUID | None
    """uuid."""

    family_id: UUID | None
    """uuid. Id of the first token of the line of rotations"""

    parent_token_id: UUID | None
    """uuid. The token this one was obtained with"""

    rotated_from_id: UUID | None
    """uuid. The token this one replaced"""

    refresh_count: int
    """integer NOT NULL DEFAULT 0."""

    scopes: list[str]
    """varchar(121)[] NOT NULL DEFAULT '{}'."""

    audience: str | None
    """varchar(255)."""

    issuer: str | None
    """varchar(255)."""

    client_id: str | None
    """varchar(255)."""

    device_id: str | None
    """varchar(128). The client's stable id, as in devices"""

    location: dict[str, Any] | None
    """jsonb."""

    issued_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    expires_at: datetime
    """timestamptz NOT NULL."""

    last_used_at: datetime | None
    """timestamptz."""

    session_started_at: datetime | None
    """timestamptz."""

    auth_time: datetime | None
    """timestamptz. When the owner last gave proof of who he is"""

    amr: list[str]
    """varchar(20)[] NOT NULL DEFAULT '{}'. How he did (RFC 8176)"""

    idle_seconds: int | None
    """integer. How long the session may go without being refreshed"""

    idle_until: datetime | None
    """timestamptz. When it will have; expires_at is the session's end"""

    security_epoch: int | None
    """integer. Of the user, when the session was begun"""

    jkt: str | None
    """varchar(43). Thumbprint of the key it is bound to (RFC 9449)"""

    client_hash: bytes | None
    """bytea. SHA-256 of what told the client that rotated it from others"""

    revoked_at: datetime | None
    """timestamptz."""

    revoked_reason: str | None
    """varchar(60)."""

    usage_count: int
    """integer NOT NULL DEFAULT 0."""

    ip_address: str | None
    """inet."""

    user_agent: str | None
    """varchar(512)."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Device(TypedDict):
    """One device of one user; the same machine used by two people is two rows."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    device_id: str
    """varchar(128) NOT NULL. The client's own stable id"""

    fingerprint: str | None
    """varchar(64). SHA-256 of the client's traits, hexadecimal"""

    name: str | None
    """varchar(100)."""

    type: DeviceType
    """device_type NOT NULL DEFAULT 'UNKNOWN'."""

    os: str | None
    """varchar(50)."""

    os_version: str | None
    """varchar(50)."""

    browser: str | None
    """varchar(50)."""

    browser_version: str | None
    """varchar(50)."""

    status: DeviceStatus
    """device_status NOT NULL DEFAULT 'UNTRUSTED'."""

    last_ip_address: str | None
    """inet."""

    last_country: str | None
    """varchar(2). ISO 3166-1 alpha-2"""

    last_city: str | None
    """varchar(100)."""

    last_location: dict[str, Any] | None
    """jsonb."""

    first_seen_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    last_seen_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    login_count: int
    """integer NOT NULL DEFAULT 0."""

    verified_at: datetime | None
    """timestamptz."""

    trust_expires_at: datetime | None
    """timestamptz."""

    secret_hash: bytes | None
    """bytea. SHA-256 of what a trusted device proves itself with"""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Disavowal(TypedDict):
    """One link; `id` is that of the security event whose notice it stands in."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    device_id: str | None
    """varchar(128). The client's stable id, as in devices"""

    secret_hash: bytes
    """bytea NOT NULL. SHA-256 of the secret part of the link"""

    expires_at: datetime
    """timestamptz NOT NULL."""

    used_at: datetime | None
    """timestamptz."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class DpopProof(TypedDict):
    """A proof of a key with which tokens were got. What a refused request showed is not kept."""

    proof_hash: bytes
    """bytea NOT NULL. SHA-256 of the key's thumbprint and the proof's jti"""

    expires_at: datetime
    """timestamptz NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class EmailChange(TypedDict):
    """One change of address; it is made when both ends have agreed."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    old_email: str
    """varchar(255) NOT NULL."""

    new_email: str
    """varchar(255) NOT NULL."""

    old_selector: str
    """varchar(64) NOT NULL. Public selector, no secret"""

    old_secret_hash: bytes
    """bytea NOT NULL. SHA-256 of the secret part"""

    new_selector: str
    """varchar(64) NOT NULL. Public selector, no secret"""

    new_secret_hash: bytes
    """bytea NOT NULL. SHA-256 of the secret part"""

    old_confirmed_at: datetime | None
    """timestamptz."""

    new_confirmed_at: datetime | None
    """timestamptz."""

    completed_at: datetime | None
    """timestamptz."""

    cancelled_at: datetime | None
    """timestamptz."""

    expires_at: datetime
    """timestamptz NOT NULL."""

    ip_address: str | None
    """inet."""

    user_agent: str | None
    """varchar(512)."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class IdempotencyKey(TypedDict):
    """Requests that took effect under an Idempotency-Key, with their sealed answers"""

    key_hash: bytes
    """bytea NOT NULL."""

    fingerprint: bytes
    """bytea NOT NULL."""

    response_status: int
    """smallint NOT NULL."""

    response_headers: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    response_body: bytes
    """bytea NOT NULL."""

    expires_at: datetime
    """timestamptz NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Identity(TypedDict):
    """One user; `id` is the user's id in every service."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    email: str
    """varchar(255) NOT NULL."""

    username: str | None
    """varchar(50)."""

    phone: str | None
    """varchar(16). E.164"""

    password_hash: str | None
    """varchar(255). PHC string, Argon2id"""

    password_changed_at: datetime | None
    """timestamptz."""

    status: IdentityStatus
    """identity_status NOT NULL DEFAULT 'PENDING'."""

    email_verified_at: datetime | None
    """timestamptz."""

    phone_verified_at: datetime | None
    """timestamptz."""

    locale: str
    """varchar(35) NOT NULL DEFAULT 'en'. BCP 47; what mails about this account are written in"""

    is_told_of_sign_ins: bool
    """boolean NOT NULL DEFAULT false. Of every one, not only of those on new devices"""

    failed_login_count: int
    """integer NOT NULL DEFAULT 0."""

    locked_until: datetime | None
    """timestamptz."""

    security_epoch: int
    """integer NOT NULL DEFAULT 0. Raised to end all sessions: tokens of an earlier epoch are refused"""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    deleted_at: datetime | None
    """timestamptz."""


class Inbox(TypedDict):
    """Events of other services whose effect is in this database"""

    source: str
    """varchar(60) NOT NULL."""

    id: UUID
    """uuid NOT NULL."""

    type: str
    """varchar(120) NOT NULL."""

    position: int
    """bigint NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class InboxCursor(TypedDict):
    """How far each feed has been applied; moves in the transaction that applies"""

    source: str
    """varchar(60) NOT NULL."""

    position: int
    """bigint NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Invitation(TypedDict):
    """One mail to one address, by which its reader makes a pending identity his own."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    email: str
    """varchar(255) NOT NULL. Where the link was sent"""

    selector: str
    """varchar(64) NOT NULL. Public selector, no secret"""

    secret_hash: bytes
    """bytea NOT NULL. SHA-256 of the secret part"""

    invited_by: str
    """varchar(255) NOT NULL. Subject of the administrator's access token"""

    expires_at: datetime
    """timestamptz NOT NULL."""

    accepted_at: datetime | None
    """timestamptz."""

    cancelled_at: datetime | None
    """timestamptz."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class LoginAttempt(TypedDict):
    """One attempt, by somebody known or not. `user_id` has no foreign key: history outlives the user."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID | None
    """uuid."""

    email: str | None
    """varchar(255). As typed, normalised; empty for a passkey"""

    status: LoginAttemptStatus
    """login_attempt_status NOT NULL."""

    method: LoginMethod
    """login_method NOT NULL."""

    device_id: str | None
    """varchar(128). The client's stable id, as in devices"""

    is_suspicious: bool
    """boolean NOT NULL DEFAULT false."""

    is_blocked: bool
    """boolean NOT NULL DEFAULT false."""

    risk_score: int
    """smallint NOT NULL DEFAULT 0."""

    risk_reasons: dict[str, Any]
    """jsonb NOT NULL DEFAULT '[]'::jsonb."""

    failure_reason: str | None
    """varchar(60)."""

    two_factor_used: bool
    """boolean NOT NULL DEFAULT false."""

    two_factor_method: TwoFactorMethod | None
    """two_factor_method."""

    attempted_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    duration_ms: int | None
    """integer."""

    ip_address: str | None
    """inet."""

    user_agent: str | None
    """varchar(512)."""

    country: str | None
    """varchar(2). ISO 3166-1 alpha-2"""

    region: str | None
    """varchar(100)."""

    city: str | None
    """varchar(100)."""

    location: dict[str, Any] | None
    """jsonb. latitude, longitude, accuracy in kilometres"""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class OAuthConnection(TypedDict):
    """One configured provider."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    name: str
    """varchar(50) NOT NULL."""

    display_name: str | None
    """varchar(100)."""

    protocol: ProviderProtocol
    """provider_protocol NOT NULL."""

    client_id: str
    """varchar(255) NOT NULL."""

    client_secret: bytes | None
    """bytea."""

    client_authentication: ClientAuthentication
    """client_authentication NOT NULL DEFAULT 'CLIENT_SECRET_BASIC'."""

    team_id: str | None
    """varchar(60). Apple: the developer team that the key belongs to"""

    key_id: str | None
    """varchar(60). Apple: the name of the key"""

    issuer: str | None
    """varchar(500)."""

    discovery_url: str | None
    """varchar(500)."""

    authorization_url: str | None
    """varchar(500)."""

    token_url: str | None
    """varchar(500)."""

    userinfo_url: str | None
    """varchar(500)."""

    emails_url: str | None
    """varchar(500). GitHub: the list of a user's addresses"""

    jwks_url: str | None
    """varchar(500)."""

    scopes: list[str]
    """varchar(255)[] NOT NULL DEFAULT '{}'."""

    authorization_parameters: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    response_mode: ResponseMode
    """response_mode NOT NULL DEFAULT 'QUERY'."""

    claim_mapping: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    email_trust: EmailTrust
    """email_trust NOT NULL DEFAULT 'NEVER'."""

    auto_link_domains: list[str]
    """varchar(255)[] NOT NULL DEFAULT '{}'. Domains whose verified addresses link by themselves: the provider is their
    only authority"""

    is_enabled: bool
    """boolean NOT NULL DEFAULT false."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class OAuthFlow(TypedDict):
    """One journey to a provider and back, and what it proved."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    provider: str
    """varchar(50) NOT NULL."""

    status: FlowStatus
    """flow_status NOT NULL DEFAULT 'STARTED'."""

    state_hash: bytes
    """bytea NOT NULL."""

    nonce_hash: bytes
    """bytea NOT NULL."""

    browser_hash: bytes | None
    """bytea. Of the cookie of the browser that began it; empty when a backend did"""

    flow_hash: bytes
    """bytea NOT NULL. Of the secret of whoever began it"""

    code_verifier: bytes | None
    """bytea."""

    return_to: str
    """varchar(2000) NOT NULL."""

    code_hash: bytes | None
    """bytea. Of the code that the browser brought back"""

    proof: bytes | None
    """bytea."""

    email: str | None
    """varchar(255). The address that a code was mailed to"""

    email_code_hash: bytes | None
    """bytea."""

    email_tries: int
    """smallint NOT NULL DEFAULT 0."""

    expires_at: datetime
    """timestamptz NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class OAuthProvider(TypedDict):
    """One account elsewhere that a user has linked."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    provider: str
    """varchar(50) NOT NULL."""

    provider_id: str
    """varchar(255) NOT NULL. The provider's subject"""

    provider_email: str | None
    """varchar(255)."""

    access_token: bytes | None
    """bytea."""

    refresh_token: bytes | None
    """bytea."""

    token_expires_at: datetime | None
    """timestamptz."""

    scopes: list[str]
    """varchar(255)[] NOT NULL DEFAULT '{}'."""

    profile: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    is_primary: bool
    """boolean NOT NULL DEFAULT false."""

    last_used_at: datetime | None
    """timestamptz."""

    last_synced_at: datetime | None
    """timestamptz."""

    refresh_failures: int
    """smallint NOT NULL DEFAULT 0."""

    refresh_retry_at: datetime | None
    """timestamptz. Not before: another process is refreshing the tokens, or the provider has refused lately"""

    sync_due_at: datetime | None
    """timestamptz."""

    access_ended_at: datetime | None
    """timestamptz. When the provider took our tokens no more"""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Outbox(TypedDict):
    """Events written in the transaction that caused them; position is given after the commit"""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    sequence: int
    """bigint NOT NULL DEFAULT nextval('outbox_sequence')."""

    position: int | None
    """bigint."""

    type: str
    """varchar(120) NOT NULL."""

    subject: str
    """varchar(255) NOT NULL."""

    data: dict[str, Any]
    """jsonb NOT NULL."""

    traceparent: str | None
    """varchar(55)."""

    occurred_at: datetime
    """timestamptz NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class PasswordReset(TypedDict):
    """One mailed link that lets its bearer set a new password, once."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    email: str
    """varchar(255) NOT NULL. Where the link was sent"""

    token: str
    """varchar(64) NOT NULL. Public selector, no secret"""

    token_hash: bytes
    """bytea NOT NULL. SHA-256 of the secret part"""

    requested_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    expires_at: datetime
    """timestamptz NOT NULL."""

    used_at: datetime | None
    """timestamptz."""

    attempts_count: int
    """smallint NOT NULL DEFAULT 0."""

    max_attempts: int
    """smallint NOT NULL DEFAULT 5."""

    ip_address: str | None
    """inet."""

    user_agent: str | None
    """varchar(512)."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class RateLimitPolicy(TypedDict):
    """What the seeds fill in and an administrator edits."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    endpoint: str
    """varchar(60) NOT NULL."""

    key_type: RateLimitKeyType
    """rate_limit_key_type NOT NULL."""

    limit: int
    """integer NOT NULL."""

    window_seconds: int
    """integer NOT NULL."""

    block_seconds: int
    """integer NOT NULL DEFAULT 0. How long to refuse beyond the window"""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class RateLimit(TypedDict):
    """One counter."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    key: str
    """varchar(400) NOT NULL. endpoint, key type and whose"""

    key_type: RateLimitKeyType
    """rate_limit_key_type NOT NULL."""

    endpoint: str
    """varchar(60) NOT NULL."""

    limit: int
    """integer NOT NULL."""

    window_seconds: int
    """integer NOT NULL."""

    count: int
    """integer NOT NULL DEFAULT 0. Tries that count; one above the limit when the latest was refused"""

    passes: list[datetime]
    """timestamp with time zone[] NOT NULL DEFAULT '{}'::timestamptz[]. When tries passed, ordered"""

    reset_at: datetime
    """timestamptz NOT NULL. From when on nothing counts that passed, rounded up"""

    blocked_until: datetime | None
    """timestamptz."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class RiskPolicy(TypedDict):
    """One version of what the signals weigh."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    version: int
    """integer NOT NULL."""

    is_active: bool
    """boolean NOT NULL DEFAULT false."""

    step_up_at: int
    """smallint NOT NULL. Score from which on a second factor is asked for"""

    block_at: int
    """smallint NOT NULL. Score from which on the attempt is stopped"""

    weights: dict[str, Any]
    """jsonb NOT NULL. What each signal weighs, 0 to 100"""

    created_by: str
    """varchar(100) NOT NULL. A user id, or the name of a service"""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class SecurityEvent(TypedDict):
    """One thing that happened. `user_id` has no foreign key: history outlives the user."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID | None
    """uuid."""

    event_type: str
    """varchar(80) NOT NULL. From the service's catalog, e.g. token.reused"""

    category: SecurityEventCategory
    """security_event_category NOT NULL."""

    severity: SecurityEventSeverity
    """security_event_severity NOT NULL."""

    title: str
    """varchar(200) NOT NULL."""

    description: str | None
    """varchar(2000)."""

    details: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    device_id: str | None
    """varchar(128). The client's stable id, as in devices"""

    session_id: UUID | None
    """uuid."""

    was_blocked: bool
    """boolean NOT NULL DEFAULT false."""

    was_notified: bool
    """boolean NOT NULL DEFAULT false. A notice to the user was asked for in the same transaction"""

    tags: list[str]
    """varchar(50)[] NOT NULL DEFAULT '{}'."""

    occurred_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    ip_address: str | None
    """inet."""

    user_agent: str | None
    """varchar(512)."""

    country: str | None
    """varchar(2). ISO 3166-1 alpha-2"""

    region: str | None
    """varchar(100)."""

    city: str | None
    """varchar(100)."""

    location: dict[str, Any] | None
    """jsonb. latitude, longitude, accuracy in kilometres"""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class SessionBlacklist(TypedDict):
    """One token, one session, or all of a user's tokens up to an epoch."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    token_hash: bytes | None
    """bytea. SHA-256 of the refused token"""

    session_id: UUID | None
    """uuid."""

    user_epoch: int | None
    """integer. Tokens of this and earlier security epochs are refused"""

    user_id: UUID | None
    """uuid. No foreign key: refusal outlives the user"""

    reason: str
    """varchar(60) NOT NULL."""

    revoked_by: str | None
    """varchar(100). A user id, or the name of a service"""

    revoked_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    expires_at: datetime
    """timestamptz NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class SessionProof(TypedDict):
    """That the owner of a session has proved again who he is: the access tokens that it had before are refused."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    session_id: UUID
    """uuid NOT NULL."""

    user_id: UUID
    """uuid NOT NULL. No foreign key: refusal outlives the user"""

    proved_at: datetime
    """timestamptz NOT NULL. A whole second, as auth_time is in tokens"""

    expires_at: datetime
    """timestamptz NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class SigningKey(TypedDict):
    """One key pair; the private half is sealed."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    kid: str
    """varchar(64) NOT NULL. RFC 7638 thumbprint"""

    algorithm: str
    """varchar(20) NOT NULL. JOSE name, e.g. ES256"""

    public_jwk: dict[str, Any]
    """jsonb NOT NULL."""

    private_key: bytes
    """bytea NOT NULL."""

    status: SigningKeyStatus
    """signing_key_status NOT NULL DEFAULT 'PENDING'."""

    activated_at: datetime | None
    """timestamptz."""

    retires_at: datetime | None
    """timestamptz."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class TwoFactorAuth(TypedDict):
    """The second factors of one user."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    is_enabled: bool
    """boolean NOT NULL DEFAULT false."""

    is_required: bool
    """boolean NOT NULL DEFAULT false. This user must have one, whatever the installation asks of all"""

    is_wanted: bool
    """boolean NOT NULL DEFAULT false. The user wants to be asked for one; lifts nothing that is required"""

    primary_method: TwoFactorMethod | None
    """two_factor_method."""

    totp_secret: bytes | None
    """bytea."""

    totp_verified_at: datetime | None
    """timestamptz."""

    totp_last_step: int | None
    """bigint. The last time step accepted; it and earlier ones are refused (RFC 6238 §5.2)"""

    sms_phone: str | None
    """varchar(16). E.164"""

    sms_verified_at: datetime | None
    """timestamptz."""

    email_verified_at: datetime | None
    """timestamptz."""

    hardware_key_verified_at: datetime | None
    """timestamptz."""

    recovery_email: str | None
    """varchar(255)."""

    recovery_email_verified_at: datetime | None
    """timestamptz."""

    recovery_phone: str | None
    """varchar(16). E.164"""

    recovery_phone_verified_at: datetime | None
    """timestamptz."""

    backup_codes_generated_at: datetime | None
    """timestamptz."""

    last_used_at: datetime | None
    """timestamptz."""

    last_used_method: TwoFactorMethod | None
    """two_factor_method."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class TwoFactorBackupCode(TypedDict):
    """A recovery code, good once."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    code_hash: bytes
    """bytea NOT NULL. HMAC-SHA-256 under a server key"""

    used_at: datetime | None
    """timestamptz."""

    expires_at: datetime | None
    """timestamptz."""

    ip_address: str | None
    """inet."""

    user_agent: str | None
    """varchar(512)."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class TwoFactorChallenge(TypedDict):
    """A code sent out, or a sign-in that still lacks its second factor; counted apart from passwords."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    purpose: ChallengePurpose
    """challenge_purpose NOT NULL."""

    methods: list[TwoFactorMethod]
    """two_factor_method[] NOT NULL."""

    code_hash: bytes | None
    """bytea. HMAC-SHA-256 under a server key"""

    attempts: int
    """smallint NOT NULL DEFAULT 0."""

    max_attempts: int
    """smallint NOT NULL DEFAULT 5."""

    codes_sent: int
    """smallint NOT NULL DEFAULT 0."""

    expires_at: datetime
    """timestamptz NOT NULL."""

    consumed_at: datetime | None
    """timestamptz."""

    context: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class WebAuthnChallenge(TypedDict):
    """A challenge that waits for its answer, which removes it."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    purpose: WebAuthnPurpose
    """web_authn_purpose NOT NULL."""

    challenge_hash: bytes
    """bytea NOT NULL. SHA-256 of the challenge"""

    user_id: UUID | None
    """uuid. Who may answer it; empty when anybody may"""

    sign_in_id: UUID | None
    """uuid. The half-finished sign-in that it is the second factor of"""

    needs_verification: bool
    """boolean NOT NULL. Whether a touch is not enough: PIN or biometrics"""

    expires_at: datetime
    """timestamptz NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class WebAuthnCredential(TypedDict):
    """One credential record (Web Authentication Level 3, §4 "credential record")."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    credential_id: bytes
    """bytea NOT NULL."""

    public_key: bytes
    """bytea NOT NULL. COSE_Key (RFC 9052)"""

    sign_count: int
    """bigint NOT NULL DEFAULT 0."""

    transports: list[str]
    """varchar(40)[] NOT NULL DEFAULT '{}'."""

    aaguid: UUID | None
    """uuid."""

    backup_eligible: bool
    """boolean NOT NULL DEFAULT false."""

    backed_up: bool
    """boolean NOT NULL DEFAULT false."""

    user_verified: bool
    """boolean NOT NULL DEFAULT false. Whether it has ever verified its user, by PIN or biometrics"""

    is_discoverable: bool | None
    """boolean. Whether it is found without naming its user (credProps); empty when the client did not say"""

    name: str
    """varchar(100) NOT NULL."""

    last_used_at: datetime | None
    """timestamptz."""

    cloned_at: datetime | None
    """timestamptz. When its counter ran backwards: a copy of it is about, and it is refused since"""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class WebAuthnUser(TypedDict):
    """What authenticators know a user by: random, so that it tells nothing of him (Level 3, §14.6.1)."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    handle: bytes
    """bytea NOT NULL. user.id of WebAuthn: 32 random bytes"""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

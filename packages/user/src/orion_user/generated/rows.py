"""Orion user: the rows of orion_users, as `orion db generate` reads the models."""

from datetime import datetime
from typing import Any, Literal, TypedDict
from uuid import UUID

ActorType = Literal["USER", "API_KEY", "SERVICE", "SYSTEM"]


AuditStatus = Literal["SUCCESS", "FAILURE", "DENIED"]


ElevationStatus = Literal["PENDING", "APPROVED", "DENIED", "CANCELLED", "LAPSED", "ENDED"]


ErasureReason = Literal["REQUESTED", "PURGED"]


ImportFormat = Literal["NDJSON", "CSV"]


MembershipStatus = Literal["INVITED", "ACTIVE", "ENDED"]


PermissionEffect = Literal["ALLOW", "DENY"]


PermissionScope = Literal["GLOBAL", "ORG", "TEAM", "USER"]


RoleType = Literal["SYSTEM", "CUSTOM"]


SeparationKind = Literal["STATIC", "DYNAMIC"]


UserStatus = Literal["PENDING", "ACTIVE", "SUSPENDED", "DELETED"]


class ApiKeyRate(TypedDict):
    """How often a key with a `rate_limit` was used."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    api_key_id: UUID
    """uuid NOT NULL."""

    seconds: list[int]
    """bigint[] NOT NULL. Since 1970, ascending"""

    counts: list[int]
    """integer[] NOT NULL. How many in each of them"""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class ApiKey(TypedDict):
    """`orn_<env>_<prefix>_<secret><checksum>`: the public prefix finds the row; of the secret its digest is kept."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    name: str
    """varchar(100) NOT NULL."""

    prefix: str
    """varchar(16) NOT NULL. Public selector, not a secret"""

    key_hash: bytes
    """bytea NOT NULL. SHA-256 of the secret part"""

    user_id: UUID | None
    """uuid."""

    service: str | None
    """varchar(60)."""

    issued_by: UUID | None
    """uuid. Who made it: of a service's key an administrator"""

    scopes: list[str]
    """varchar(121)[] NOT NULL DEFAULT '{}'."""

    allowed_cidrs: list[str]
    """cidr[] NOT NULL DEFAULT '{}'. Empty: from everywhere"""

    rate_limit: int | None
    """integer. Requests in a minute"""

    expires_at: datetime | None
    """timestamptz."""

    last_used_at: datetime | None
    """timestamptz."""

    last_used_ip: str | None
    """inet."""

    usage_count: int
    """bigint NOT NULL DEFAULT 0."""

    revoked_at: datetime | None
    """timestamptz."""

    revoked_reason: str | None
    """varchar(200)."""

    rotated_from_id: UUID | None
    """uuid."""

    overlap_until: datetime | None
    """timestamptz. Of a rotated key: until when it still works"""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class AuditCheckpoint(TypedDict):
    """A signed statement of which rows the audit trail had."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    number: int
    """bigint NOT NULL."""

    horizon: int
    """bigint NOT NULL. All transactions below it are covered"""

    after_id: UUID | None
    """uuid. Of the transaction at the horizon, the entries up to this one"""

    leaf_ids: list[UUID]
    """uuid[] NOT NULL. Ids of audit_logs, in the order of the leaves"""

    tree_size: int
    """bigint NOT NULL. Leaves of this and all earlier checkpoints"""

    root_hash: bytes
    """bytea NOT NULL."""

    previous_hash: bytes | None
    """bytea."""

    hash: bytes
    """bytea NOT NULL. SHA-256 of everything before it in the row"""

    key_id: str
    """varchar(64) NOT NULL."""

    signature: bytes
    """bytea NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class AuditLog(TypedDict):
    """One thing that was done or tried. Ids have no foreign keys: history outlives what it tells of."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    service: str
    """varchar(60) NOT NULL."""

    actor_type: ActorType
    """actor_type NOT NULL."""

    actor_id: UUID | None
    """uuid."""

    actor_name: str | None
    """varchar(100). Who has no id elsewhere"""

    on_behalf_of: UUID | None
    """uuid."""

    user_id: UUID | None
    """uuid. Whom it was done to"""

    action: str
    """varchar(100) NOT NULL."""

    resource_type: str
    """varchar(60) NOT NULL."""

    resource_id: str | None
    """varchar(255)."""

    old_values: dict[str, Any] | None
    """jsonb."""

    new_values: dict[str, Any] | None
    """jsonb."""

    changed_fields: list[str]
    """varchar(100)[] NOT NULL DEFAULT '{}'."""

    session_id: UUID | None
    """uuid."""

    request_id: str | None
    """varchar(64)."""

    ip_address: str | None
    """inet."""

    user_agent: str | None
    """varchar(512)."""

    status: AuditStatus
    """audit_status NOT NULL."""

    error: str | None
    """varchar(1000)."""

    duration_ms: int | None
    """integer."""

    timestamp: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    transaction_id: int
    """bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint. Checkpoints go by it"""

    salt: bytes | None
    """bytea."""

    commitment: bytes
    """bytea NOT NULL. SHA-256 of salt and personal part"""

    leaf_hash: bytes
    """bytea NOT NULL. SHA-256 of the rest and the commitment"""

    erased_at: datetime | None
    """timestamptz."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class AuditSigningKey(TypedDict):
    """A key that checkpoints are signed with (Ed25519); the newest one signs. The private half is sealed."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    key_id: str
    """varchar(64) NOT NULL. RFC 7638 thumbprint"""

    public_key: bytes
    """bytea NOT NULL."""

    private_key: bytes
    """bytea NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class AuditStream(TypedDict):
    """One receiver. It gets every checkpoint after the one that it began with, and the entries of each."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    name: str
    """varchar(60) NOT NULL."""

    url: str
    """varchar(2048) NOT NULL."""

    secret: bytes | None
    """bytea. What deliveries are signed with"""

    is_enabled: bool
    """boolean NOT NULL DEFAULT true."""

    position: int
    """bigint NOT NULL. Number of the last checkpoint that has arrived as a whole"""

    arrived: int
    """integer NOT NULL DEFAULT 0. Entries of the next one that have arrived"""

    leased_until: datetime | None
    """timestamptz. Until then one process delivers"""

    failures: int
    """integer NOT NULL DEFAULT 0. In a row"""

    next_attempt_at: datetime | None
    """timestamptz."""

    delivered_at: datetime | None
    """timestamptz."""

    error: str | None
    """varchar(500)."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Elevation(TypedDict):
    """A role that somebody asked to have for a time. What it gives is an assignment with an end, like any other."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    role_id: UUID
    """uuid NOT NULL."""

    scope: PermissionScope
    """permission_scope NOT NULL DEFAULT 'GLOBAL'."""

    scope_id: UUID | None
    """uuid. Of the assignment, once there is one; checked there"""

    minutes: int
    """smallint NOT NULL."""

    reason: str
    """varchar(500) NOT NULL."""

    status: ElevationStatus
    """elevation_status NOT NULL DEFAULT 'PENDING'."""

    lapses_at: datetime
    """timestamptz NOT NULL. Until when it can be decided"""

    decided_at: datetime | None
    """timestamptz."""

    decided_by: UUID | None
    """uuid. Empty: an operator, or a user who has been purged"""

    decision_reason: str | None
    """varchar(500)."""

    user_role_id: UUID | None
    """uuid."""

    ends_at: datetime | None
    """timestamptz."""

    ended_at: datetime | None
    """timestamptz."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Erasure(TypedDict):
    """One erasure, and its receipt once all three services are done."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL. No foreign key: the receipt outlives the user"""

    reason: ErasureReason
    """erasure_reason NOT NULL."""

    requested_by: str
    """varchar(100) NOT NULL. Subject of an access token, or user itself"""

    requested_at: datetime
    """timestamptz NOT NULL."""

    auth_erased_at: datetime | None
    """timestamptz."""

    user_erased_at: datetime | None
    """timestamptz."""

    notifications_erased_at: datetime | None
    """timestamptz."""

    counts: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb. Rows deleted or emptied, by service and table"""

    obstacle: str | None
    """varchar(500). Why user could not erase yet; tried again"""

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


class LeakReportRate(TypedDict):
    """How often a key was reported from one network."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    network: str
    """varchar(43) NOT NULL."""

    seconds: list[int]
    """bigint[] NOT NULL. Since 1970, ascending"""

    counts: list[int]
    """integer[] NOT NULL. How many in each of them"""

    counts_until: datetime
    """timestamptz NOT NULL. From when on none of them counts"""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class LegalHold(TypedDict):
    """A user who must not be forgotten as long as it stands. The database itself refuses to delete them."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    reason: str
    """varchar(500) NOT NULL."""

    placed_by: str
    """varchar(100) NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Membership(TypedDict):
    """That somebody belongs to an organization, or to one team of it, or has been invited to."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    organization_id: UUID
    """uuid NOT NULL."""

    team_id: UUID | None
    """uuid."""

    user_id: UUID | None
    """uuid."""

    status: MembershipStatus
    """membership_status NOT NULL."""

    email: str | None
    """varchar(255)."""

    invitation_token: UUID | None
    """uuid. Public selector, not a secret"""

    invitation_token_hash: bytes | None
    """bytea. SHA-256"""

    invited_by: UUID | None
    """uuid."""

    invited_at: datetime | None
    """timestamptz."""

    expires_at: datetime | None
    """timestamptz. Until when the invitation can be accepted"""

    expiry_told_at: datetime | None
    """timestamptz. When it was told that nobody accepted in time"""

    joined_at: datetime | None
    """timestamptz."""

    ended_at: datetime | None
    """timestamptz."""

    end_reason: str | None
    """varchar(200)."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class OrganizationAbsence(TypedDict):
    """That an organization was deleted for a time, until it was restored."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    organization_id: UUID
    """uuid NOT NULL."""

    began_at: datetime
    """timestamptz NOT NULL."""

    ended_at: datetime
    """timestamptz NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Organization(TypedDict):
    """A customer of the product, or any group that has its own roles and teams. Its owner cannot be purged before it
    is handed over."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    name: str
    """varchar(100) NOT NULL."""

    slug: str
    """varchar(63) NOT NULL."""

    description: str | None
    """varchar(500)."""

    owner_id: UUID
    """uuid NOT NULL."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    deleted_at: datetime | None
    """timestamptz."""


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


class Permission(TypedDict):
    """One thing that can be done to one kind of resource."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    name: str
    """varchar(121) NOT NULL. resource:action"""

    resource: str
    """varchar(60) NOT NULL."""

    action: str
    """varchar(60) NOT NULL."""

    scope: PermissionScope
    """permission_scope NOT NULL DEFAULT 'GLOBAL'. The widest it may be granted at"""

    category: str
    """varchar(60) NOT NULL."""

    description: str | None
    """varchar(500)."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class RightsVersion(TypedDict):
    """One number, counted up by triggers in every transaction that changes roles or what they allow or inherit."""

    id: int
    """bigint NOT NULL DEFAULT 1."""

    version: int
    """bigint NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class RoleAncestor(TypedDict):
    """The transitive and reflexive closure of `role_inheritance`: every role is its own ancestor at depth 0."""

    role_id: UUID
    """uuid NOT NULL."""

    ancestor_id: UUID
    """uuid NOT NULL."""

    depth: int
    """smallint NOT NULL. Steps on the shortest path"""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class RoleInheritance(TypedDict):
    """The child has every permission, and every denial, of the parent. A role may have several parents."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    parent_role_id: UUID
    """uuid NOT NULL."""

    child_role_id: UUID
    """uuid NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class RolePermission(TypedDict):
    """That a role allows or denies a permission, to itself and to all roles that inherit from it."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    role_id: UUID
    """uuid NOT NULL."""

    permission_id: UUID
    """uuid NOT NULL."""

    effect: PermissionEffect
    """permission_effect NOT NULL DEFAULT 'ALLOW'."""

    condition: str | None
    """varchar(2000). CEL; validated when written"""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class RoleRight(TypedDict):
    """That a role, itself or by what it inherits from (`source_role_id`), allowed or denied something for a time."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    role_id: UUID
    """uuid NOT NULL."""

    permission_id: UUID
    """uuid NOT NULL."""

    permission: str | None
    """varchar(121). Its name, which stays; filled in by a trigger"""

    source_role_id: UUID
    """uuid NOT NULL."""

    effect: PermissionEffect
    """permission_effect NOT NULL."""

    condition: str | None
    """varchar(2000)."""

    began_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    ended_at: datetime | None
    """timestamptz."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Role(TypedDict):
    """A bundle of permissions under a name that programs use; people see `display_name`."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    name: str
    """varchar(60) NOT NULL."""

    display_name: str
    """varchar(100) NOT NULL."""

    description: str | None
    """varchar(500)."""

    type: RoleType
    """role_type NOT NULL DEFAULT 'CUSTOM'."""

    organization_id: UUID | None
    """uuid."""

    is_active: bool
    """boolean NOT NULL DEFAULT true."""

    skeleton: str | None
    """varchar(1800). What display_name looks like (UTS 39); written with it"""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class SeparationRole(TypedDict):
    """A role of the set. Whoever has one that inherits from it has it too."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    rule_id: UUID
    """uuid NOT NULL."""

    role_id: UUID
    """uuid NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class SeparationRule(TypedDict):
    """That nobody has `cardinality` or more of a set of roles."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    name: str
    """varchar(60) NOT NULL."""

    description: str | None
    """varchar(500)."""

    kind: SeparationKind
    """separation_kind NOT NULL."""

    cardinality: int
    """smallint NOT NULL DEFAULT 2. So many are too many"""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Session(TypedDict):
    """One sign-in, as auth's events tell. Whether it is the current one is a matter of who asks, and computed then."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    token: UUID
    """uuid NOT NULL. Session id of auth (sid in tokens), not a secret"""

    device_name: str | None
    """varchar(100)."""

    device_type: str | None
    """varchar(100)."""

    ip_address: str | None
    """inet."""

    user_agent: str | None
    """varchar(512)."""

    country: str | None
    """varchar(2). ISO 3166-1 alpha-2"""

    city: str | None
    """varchar(100)."""

    started_at: datetime
    """timestamptz NOT NULL."""

    last_activity_at: datetime
    """timestamptz NOT NULL."""

    expires_at: datetime
    """timestamptz NOT NULL."""

    ended_at: datetime | None
    """timestamptz."""

    end_reason: str | None
    """varchar(40)."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class TeamMove(TypedDict):
    """That a team lay elsewhere until a moment: so what could be done in it before is told as it was then."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    team_id: UUID
    """uuid NOT NULL."""

    parent_team_id: UUID | None
    """uuid. What it lay in until then; null: in no other team"""

    moved_at: datetime
    """timestamptz NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Team(TypedDict):
    """A group inside an organization. Teams nest within their organization, and never in a circle."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    organization_id: UUID
    """uuid NOT NULL."""

    parent_team_id: UUID | None
    """uuid."""

    name: str
    """varchar(100) NOT NULL."""

    slug: str
    """varchar(63) NOT NULL."""

    description: str | None
    """varchar(500)."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    deleted_at: datetime | None
    """timestamptz."""


class UserAbsence(TypedDict):
    """That a user could not come in for a time, suspended or deleted; without an end that is so still."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    began_at: datetime
    """timestamptz NOT NULL."""

    ended_at: datetime | None
    """timestamptz."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class UserGrant(TypedDict):
    """A role or a permission that was given to a user who may come in, for whatever time and living place."""

    grant_id: UUID
    """uuid NOT NULL. Of the row of user_roles or user_permissions"""

    user_id: UUID
    """uuid NOT NULL."""

    role_id: UUID | None
    """uuid."""

    permission: str | None
    """varchar(121). Name of one that was given directly"""

    effect: PermissionEffect | None
    """permission_effect. Of one that was given directly"""

    scope_id: UUID | None
    """uuid."""

    starts_at: datetime
    """timestamptz NOT NULL."""

    expires_at: datetime | None
    """timestamptz."""

    condition: str | None
    """varchar(2000)."""

    is_conditional: bool
    """boolean NOT NULL GENERATED AS (condition IS NOT NULL)."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class UserImportChunk(TypedDict):
    """Some lines of an import that are done, written in the transaction that did them."""

    import_id: UUID
    """uuid NOT NULL."""

    first_line: int
    """integer NOT NULL."""

    lines: int
    """integer NOT NULL."""

    created: int
    """integer NOT NULL."""

    existing: int
    """integer NOT NULL."""

    refused: int
    """integer NOT NULL."""

    report: dict[str, Any]
    """jsonb NOT NULL. Of each line: outcome, user id, reason"""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class UserImport(TypedDict):
    """One file of users."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    format: ImportFormat
    """import_format NOT NULL."""

    columns: list[str]
    """varchar(40)[] NOT NULL. Of a CSV file, in their order"""

    requested_by: str
    """varchar(100) NOT NULL. Subject of an access token, or an operator"""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class UserPermission(TypedDict):
    """A permission given to, or taken from, a user directly, past all roles."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    permission_id: UUID
    """uuid NOT NULL."""

    effect: PermissionEffect
    """permission_effect NOT NULL DEFAULT 'ALLOW'."""

    scope: PermissionScope
    """permission_scope NOT NULL DEFAULT 'GLOBAL'."""

    scope_id: UUID | None
    """uuid."""

    condition: str | None
    """varchar(2000). CEL; validated when written"""

    starts_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    expires_at: datetime | None
    """timestamptz."""

    reason: str | None
    """varchar(500)."""

    assigned_by: UUID | None
    """uuid. Empty: Orion itself, or a user who has been purged"""

    scope_organization_id: UUID | None
    """uuid GENERATED AS (CASE WHEN scope = 'ORG' THEN scope_id END)."""

    scope_team_id: UUID | None
    """uuid GENERATED AS (CASE WHEN scope = 'TEAM' THEN scope_id END)."""

    scope_user_id: UUID | None
    """uuid GENERATED AS (CASE WHEN scope = 'USER' THEN scope_id END)."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class UserPreferences(TypedDict):
    """One row for each user. A key that is absent from a kind has its default, so defaults can change for everyone."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    notifications: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    privacy: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    display: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    security: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    locale: str
    """varchar(35) NOT NULL DEFAULT 'en'. BCP 47"""

    timezone: str
    """varchar(64) NOT NULL DEFAULT 'UTC'. IANA name"""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class UserRole(TypedDict):
    """A role given to a user."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    role_id: UUID
    """uuid NOT NULL."""

    scope: PermissionScope
    """permission_scope NOT NULL DEFAULT 'GLOBAL'."""

    scope_id: UUID | None
    """uuid."""

    condition: str | None
    """varchar(2000). CEL; validated when written"""

    starts_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    expires_at: datetime | None
    """timestamptz."""

    reason: str | None
    """varchar(500)."""

    assigned_by: UUID | None
    """uuid. Empty: Orion itself, or a user who has been purged"""

    scope_organization_id: UUID | None
    """uuid GENERATED AS (CASE WHEN scope = 'ORG' THEN scope_id END)."""

    scope_team_id: UUID | None
    """uuid GENERATED AS (CASE WHEN scope = 'TEAM' THEN scope_id END)."""

    scope_user_id: UUID | None
    """uuid GENERATED AS (CASE WHEN scope = 'USER' THEN scope_id END)."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class User(TypedDict):
    """One user; `id` is the user's id in every service."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    email: str
    """varchar(255) NOT NULL."""

    username: str | None
    """varchar(60)."""

    name: str | None
    """varchar(100)."""

    phone: str | None
    """varchar(16). E.164"""

    avatar_url: str | None
    """varchar(2048)."""

    bio: str | None
    """varchar(1000)."""

    location: str | None
    """varchar(100)."""

    website: str | None
    """varchar(2048)."""

    social_links: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    status: UserStatus
    """user_status NOT NULL DEFAULT 'PENDING'."""

    status_before_deletion: UserStatus | None
    """user_status. What restoring gives back"""

    email_verified_at: datetime | None
    """timestamptz."""

    phone_verified_at: datetime | None
    """timestamptz."""

    last_login_at: datetime | None
    """timestamptz."""

    last_active_at: datetime | None
    """timestamptz."""

    login_count: int
    """integer NOT NULL DEFAULT 0."""

    failed_login_count: int
    """integer NOT NULL DEFAULT 0. Since the last sign-in that succeeded"""

    last_failed_login_at: datetime | None
    """timestamptz."""

    locked_until: datetime | None
    """timestamptz."""

    security_epoch: int
    """integer NOT NULL DEFAULT 0. The latest that auth has told of"""

    purge_after: datetime | None
    """timestamptz."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    deleted_at: datetime | None
    """timestamptz."""

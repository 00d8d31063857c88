"""Orion notifications: the rows of orion_notifications, as `orion db generate` reads the models."""

from datetime import datetime, time
from typing import Any, Literal, TypedDict
from uuid import UUID

Agent = Literal["BROWSER", "PROXY", "SCANNER"]


AttemptStatus = Literal["PENDING", "SUCCESS", "FAILURE", "TIMEOUT", "RATE_LIMITED", "UNKNOWN", "NOT_TRIED"]


BatchStatus = Literal["DRAFT", "SCHEDULED", "RUNNING", "PAUSED", "COMPLETED", "CANCELLED", "FAILED"]


Category = Literal["TRANSACTIONAL", "MARKETING", "SECURITY", "SYSTEM", "ACCOUNT", "SOCIAL"]


Channel = Literal["EMAIL", "SMS", "PUSH", "IN_APP", "WEBHOOK", "SLACK", "DISCORD"]


ChannelRule = Literal["ALL", "FIRST", "ESCALATE"]


ConsentSource = Literal["ONE_CLICK", "PAGE", "ACCOUNT", "ADMINISTRATOR"]


EngagementKind = Literal["OPEN", "CLICK"]


EscalationRule = Literal["FIRST", "ESCALATE"]


Excess = Literal["DEFER", "REJECT"]


NotificationStatus = Literal[
    "QUEUED",
    "PROCESSING",
    "SENT",
    "DELIVERED",
    "FAILED",
    "BOUNCED",
    "REJECTED",
    "CANCELLED",
    "EXPIRED",
]


Priority = Literal["LOW", "NORMAL", "HIGH", "URGENT"]


ProviderHealth = Literal["HEALTHY", "DEGRADED", "DOWN"]


PushPlatform = Literal["WEB", "FCM", "APNS"]


SuppressionReason = Literal["BOUNCE", "COMPLAINT", "UNSUBSCRIBE", "MANUAL"]


TemplateKind = Literal["MESSAGE", "LAYOUT", "PARTIAL"]


class ApiKeyRate(TypedDict):
    """How often a key that has a limit of its own was used here."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    api_key_id: UUID
    """uuid NOT NULL. No foreign key: user has the keys"""

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


class BatchRecipient(TypedDict):
    """Somebody whom a batch has still to reach: the row goes in the transaction that makes the message."""

    batch_id: UUID
    """uuid NOT NULL."""

    position: int
    """integer NOT NULL."""

    user_id: UUID | None
    """uuid."""

    recipient: str | None
    """varchar(2048)."""

    locale: str | None
    """varchar(35)."""

    variables: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""


class CallbackReceipt(TypedDict):
    """That a call-back was taken down: by the hash of what its provider has signed, while that would be believed."""

    signed_hash: bytes
    """bytea NOT NULL."""

    good_until: datetime
    """timestamptz NOT NULL."""


class ChannelPause(TypedDict):
    """A channel that sends nothing for now. Messages of it wait, and leave once the row is gone."""

    channel: Channel
    """channel NOT NULL."""

    reason: str
    """varchar(500) NOT NULL."""

    paused_by: str
    """varchar(200) NOT NULL."""

    paused_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Consent(TypedDict):
    """That somebody wants messages of a category by a channel from this moment on, or wants them no more."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID | None
    """uuid."""

    channel: Channel
    """channel NOT NULL."""

    category: Category
    """category NOT NULL."""

    recipient_hash: bytes | None
    """bytea."""

    is_given: bool
    """boolean NOT NULL."""

    source: ConsentSource
    """consent_source NOT NULL."""

    notification_id: UUID | None
    """uuid."""

    ip_address: str | None
    """inet."""

    occurred_at: datetime
    """timestamptz NOT NULL."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class DeliveryAttempt(TypedDict):
    """One try at handing a notification to a provider, written when the answer is in, or when nobody brought one."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    notification_id: UUID
    """uuid NOT NULL."""

    attempt_number: int
    """smallint NOT NULL."""

    status: AttemptStatus
    """attempt_status NOT NULL DEFAULT 'PENDING'."""

    provider: str | None
    """varchar(60)."""

    provider_message_id: str | None
    """varchar(255)."""

    status_code: int | None
    """integer."""

    response_time_ms: int | None
    """integer."""

    response: str | None
    """varchar(2000)."""

    error_code: str | None
    """varchar(100)."""

    error_message: str | None
    """varchar(2000)."""

    error_details: dict[str, Any] | None
    """jsonb."""

    attempted_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    completed_at: datetime | None
    """timestamptz."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class DigestItem(TypedDict):
    """A message that is told of in a digest. No foreign key to it: its month may go before."""

    notification_id: UUID
    """uuid NOT NULL."""

    digest_id: UUID
    """uuid NOT NULL."""


class Digest(TypedDict):
    """One window of a user, which is over at `until`; `closed_at` is when its mail was ordered, which is once."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    until: datetime
    """timestamptz NOT NULL."""

    closed_at: datetime | None
    """timestamptz."""

    put_off_until: datetime | None
    """timestamptz."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Engagement(TypedDict):
    """That a mail was opened, or its link number `link` followed. `machine` is why it was no reader; null: a reader."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    notification_id: UUID
    """uuid NOT NULL."""

    user_id: UUID | None
    """uuid."""

    kind: EngagementKind
    """engagement_kind NOT NULL."""

    link: int
    """smallint NOT NULL DEFAULT 0."""

    agent: Agent
    """agent NOT NULL."""

    machine: str | None
    """varchar(40)."""

    occurred_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Escalation(TypedDict):
    """A message that goes through one channel after the other."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID | None
    """uuid."""

    rule: EscalationRule
    """escalation_rule NOT NULL."""

    sealed_message: bytes | None
    """bytea."""

    notification_ids: list[UUID]
    """uuid[] NOT NULL."""

    next_look_at: datetime
    """timestamptz NOT NULL."""

    ended_at: datetime | None
    """timestamptz."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

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


class NotificationBatch(TypedDict):
    """One template, or `content` of a `category`, sent to an audience: the query or the upload that names it."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    name: str
    """varchar(200) NOT NULL."""

    type: str
    """varchar(100) NOT NULL DEFAULT 'announcement'."""

    template_id: UUID | None
    """uuid."""

    template_version: int | None
    """integer."""

    category: Category | None
    """category."""

    content: dict[str, Any] | None
    """jsonb."""

    variables: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    channel: Channel
    """channel NOT NULL."""

    priority: Priority
    """priority NOT NULL DEFAULT 'LOW'."""

    status: BatchStatus
    """batch_status NOT NULL DEFAULT 'DRAFT'."""

    audience: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    recipient_count: int
    """integer NOT NULL DEFAULT 0."""

    total_queued: int
    """integer NOT NULL DEFAULT 0."""

    total_sent: int
    """integer NOT NULL DEFAULT 0."""

    total_delivered: int
    """integer NOT NULL DEFAULT 0."""

    total_failed: int
    """integer NOT NULL DEFAULT 0."""

    total_skipped: int
    """integer NOT NULL DEFAULT 0."""

    total_bounced: int
    """integer NOT NULL DEFAULT 0."""

    total_complained: int
    """integer NOT NULL DEFAULT 0."""

    fed_count: int
    """integer NOT NULL DEFAULT 0."""

    rate_per_second: int | None
    """integer."""

    canary_recipients: int | None
    """integer."""

    canary_seconds: int | None
    """integer."""

    canary_until: datetime | None
    """timestamptz."""

    bounced_permille: int | None
    """integer."""

    complained_permille: int | None
    """integer."""

    reason: str | None
    """varchar(300)."""

    is_releasing: bool
    """boolean NOT NULL DEFAULT false."""

    next_look_at: datetime | None
    """timestamptz."""

    counted_at: datetime | None
    """timestamptz."""

    scheduled_at: datetime | None
    """timestamptz."""

    started_at: datetime | None
    """timestamptz."""

    completed_at: datetime | None
    """timestamptz."""

    created_by: UUID | None
    """uuid."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class NotificationKey(TypedDict):
    """Which notification an idempotency key stands for, for ever."""

    key: str
    """varchar(255) NOT NULL."""

    notification_id: UUID
    """uuid NOT NULL."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class NotificationNumbers(TypedDict):
    """What happened in the quarter of an hour that begins at `begins_at`."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    begins_at: datetime
    """timestamptz NOT NULL."""

    channel: Channel
    """channel NOT NULL."""

    category: Category
    """category NOT NULL."""

    provider: str | None
    """varchar(60)."""

    template_id: UUID | None
    """uuid."""

    accepted: int
    """integer NOT NULL DEFAULT 0."""

    sent: int
    """integer NOT NULL DEFAULT 0."""

    delivered: int
    """integer NOT NULL DEFAULT 0."""

    failed: int
    """integer NOT NULL DEFAULT 0."""

    bounced: int
    """integer NOT NULL DEFAULT 0."""

    rejected: int
    """integer NOT NULL DEFAULT 0."""

    cancelled: int
    """integer NOT NULL DEFAULT 0."""

    expired: int
    """integer NOT NULL DEFAULT 0."""

    opened: int
    """integer NOT NULL DEFAULT 0."""

    clicked: int
    """integer NOT NULL DEFAULT 0."""

    latency: list[int]
    """integer[] NOT NULL."""


class QueuedNotification(TypedDict):
    """One undelivered notification. The row exists exactly as long as the record is QUEUED or PROCESSING."""

    notification_id: UUID
    """uuid NOT NULL."""

    priority: Priority
    """priority NOT NULL."""

    attempt: int
    """smallint NOT NULL DEFAULT 0."""

    due_at: datetime
    """timestamptz NOT NULL."""

    lease_until: datetime | None
    """timestamptz."""

    ordering_key: str | None
    """varchar(255)."""

    channel: Channel | None
    """channel."""

    leased_at: datetime | None
    """timestamptz."""

    lost_leases: int
    """smallint NOT NULL DEFAULT 0."""


class NotificationRule(TypedDict):
    """What is sent when an event is heard of."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    name: str
    """varchar(100) NOT NULL."""

    description: str
    """varchar(1000) NOT NULL DEFAULT ''."""

    event_type: str
    """varchar(120) NOT NULL."""

    condition: str | None
    """varchar(2000)."""

    type: str
    """varchar(100) NOT NULL."""

    template: str
    """varchar(100) NOT NULL."""

    channels: list[Channel]
    """channel[] NOT NULL."""

    channel_rule: ChannelRule
    """channel_rule NOT NULL DEFAULT 'ALL'."""

    escalate_after_seconds: int
    """integer NOT NULL DEFAULT 600."""

    priority: Priority | None
    """priority."""

    user_fact: str | None
    """varchar(60)."""

    address: dict[str, Any] | None
    """jsonb."""

    locale_fact: str | None
    """varchar(60)."""

    expires_fact: str | None
    """varchar(60)."""

    variables: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    opened_variables: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    once_per: str | None
    """varchar(200)."""

    is_active: bool
    """boolean NOT NULL DEFAULT true."""

    is_system: bool
    """boolean NOT NULL DEFAULT false."""

    failures: int
    """integer NOT NULL DEFAULT 0."""

    last_error: str | None
    """varchar(500)."""

    last_error_at: datetime | None
    """timestamptz."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    deleted_at: datetime | None
    """timestamptz."""


class Notification(TypedDict):
    """One message to one recipient through one channel."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID | None
    """uuid."""

    type: str
    """varchar(100) NOT NULL."""

    category: Category
    """category NOT NULL."""

    channel: Channel
    """channel NOT NULL."""

    priority: Priority
    """priority NOT NULL DEFAULT 'NORMAL'."""

    status: NotificationStatus
    """notification_status NOT NULL DEFAULT 'QUEUED'."""

    template_id: UUID | None
    """uuid."""

    template_version: int | None
    """integer."""

    locale: str | None
    """varchar(35)."""

    timezone: str | None
    """varchar(64)."""

    subject: str | None
    """varchar(998)."""

    content: str | None
    """varchar(100000)."""

    html_content: str | None
    """varchar(1000000)."""

    recipient: str | None
    """varchar(2048)."""

    recipient_name: str | None
    """varchar(200)."""

    variables: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    sealed_variables: bytes | None
    """bytea."""

    attempts: int
    """integer NOT NULL DEFAULT 0."""

    max_attempts: int
    """integer NOT NULL DEFAULT 8."""

    next_attempt_at: datetime | None
    """timestamptz."""

    scheduled_at: datetime | None
    """timestamptz."""

    local_time: time | None
    """time."""

    deferred_reason: str | None
    """varchar(200)."""

    expires_at: datetime | None
    """timestamptz."""

    queued_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    processing_at: datetime | None
    """timestamptz."""

    sent_at: datetime | None
    """timestamptz."""

    delivered_at: datetime | None
    """timestamptz."""

    failed_at: datetime | None
    """timestamptz."""

    cancelled_at: datetime | None
    """timestamptz."""

    read_at: datetime | None
    """timestamptz."""

    seen_at: datetime | None
    """timestamptz."""

    archived_at: datetime | None
    """timestamptz."""

    snoozed_until: datetime | None
    """timestamptz."""

    error_code: str | None
    """varchar(100)."""

    error_message: str | None
    """varchar(2000)."""

    provider: str | None
    """varchar(60)."""

    provider_message_id: str | None
    """varchar(255)."""

    provider_response: dict[str, Any] | None
    """jsonb."""

    batch_id: UUID | None
    """uuid."""

    idempotency_key: str | None
    """varchar(255)."""

    decisions: dict[str, Any] | None
    """jsonb."""

    tags: list[str]
    """varchar(50)[] NOT NULL DEFAULT '{}'."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class NumbersProgress(TypedDict):
    """Up to when messages have been counted. Whoever counts holds the one row, so nobody else does."""

    single: bool
    """boolean NOT NULL."""

    counted_until: datetime
    """timestamptz NOT NULL."""


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


class ProviderAccount(TypedDict):
    """An account with somebody who carries messages. Accounts of one channel share its load by `weight`."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    channel: Channel
    """channel NOT NULL."""

    provider: str
    """varchar(60) NOT NULL."""

    name: str
    """varchar(100) NOT NULL."""

    sealed_credentials: bytes | None
    """bytea."""

    weight: int
    """smallint NOT NULL DEFAULT 1."""

    rate_limit: int | None
    """integer."""

    rate_limit_seconds: int
    """smallint NOT NULL DEFAULT 1."""

    is_enabled: bool
    """boolean NOT NULL DEFAULT true."""

    health: ProviderHealth
    """provider_health NOT NULL DEFAULT 'HEALTHY'."""

    health_changed_at: datetime | None
    """timestamptz."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class ProviderBucket(TypedDict):
    """What an account with a rate limit still lets through, for all workers together."""

    account_id: UUID
    """uuid NOT NULL."""

    full_at: datetime
    """timestamptz NOT NULL."""

    granted: int
    """smallint NOT NULL. What was given out the last time that it was asked"""


class PushSubscription(TypedDict):
    """A browser or device that a user has allowed to be called."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    platform: PushPlatform
    """push_platform NOT NULL."""

    token: str
    """varchar(2048) NOT NULL."""

    sealed_keys: bytes | None
    """bytea."""

    user_agent: str | None
    """varchar(512)."""

    last_success_at: datetime | None
    """timestamptz."""

    disabled_at: datetime | None
    """timestamptz."""

    disabled_reason: str | None
    """varchar(200)."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Suppression(TypedDict):
    """An address that gets nothing through this channel; of one category, or of any where `category` is null."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    channel: Channel
    """channel NOT NULL."""

    recipient_hash: bytes
    """bytea NOT NULL."""

    category: Category | None
    """category."""

    reason: SuppressionReason
    """suppression_reason NOT NULL."""

    expires_at: datetime | None
    """timestamptz."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class TemplateVersion(TypedDict):
    """One edition of a template in all its languages; immutable once `published_at` is set."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    template_id: UUID
    """uuid NOT NULL."""

    version: int
    """integer NOT NULL."""

    locales: dict[str, Any]
    """jsonb NOT NULL."""

    layout: str | None
    """varchar(100)."""

    variables: dict[str, Any] | None
    """jsonb."""

    compiled: dict[str, Any] | None
    """jsonb."""

    parts: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    tracks_opens: bool
    """boolean NOT NULL DEFAULT false."""

    tracks_clicks: bool
    """boolean NOT NULL DEFAULT false."""

    changelog: str
    """varchar(1000) NOT NULL DEFAULT ''."""

    created_by: UUID | None
    """uuid."""

    published_at: datetime | None
    """timestamptz."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class Template(TypedDict):
    """What a kind of message says through one channel; or a layout or a partial, of which such messages are made."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    name: str
    """varchar(100) NOT NULL."""

    display_name: str
    """varchar(200) NOT NULL."""

    description: str
    """varchar(1000) NOT NULL DEFAULT ''."""

    category: Category
    """category NOT NULL."""

    channel: Channel
    """channel NOT NULL."""

    kind: TemplateKind
    """template_kind NOT NULL DEFAULT 'MESSAGE'."""

    priority: Priority
    """priority NOT NULL DEFAULT 'NORMAL'."""

    default_locale: str
    """varchar(35) NOT NULL DEFAULT 'en'."""

    variables: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    published_version: int | None
    """integer."""

    is_active: bool
    """boolean NOT NULL DEFAULT true."""

    tags: list[str]
    """varchar(50)[] NOT NULL DEFAULT '{}'."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    deleted_at: datetime | None
    """timestamptz."""


class ThrottleUse(TypedDict):
    """How many messages to a user have their room in a window; never more than the throttle said at that moment."""

    user_id: UUID
    """uuid NOT NULL."""

    throttle_id: UUID
    """uuid NOT NULL."""

    begins_at: datetime
    """timestamptz NOT NULL."""

    used: int
    """integer NOT NULL."""


class ThrottleSetting(TypedDict):
    """At most `most` messages of a type to one user in each window, by one channel or by all together."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    type: str
    """varchar(100) NOT NULL."""

    channel: Channel | None
    """channel."""

    most: int
    """integer NOT NULL."""

    window_seconds: int
    """integer NOT NULL."""

    excess: Excess
    """excess NOT NULL DEFAULT 'DEFER'."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class UserPreference(TypedDict):
    """What one user wants, and where to reach them."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID
    """uuid NOT NULL."""

    name: str | None
    """varchar(200)."""

    email: str | None
    """varchar(255)."""

    email_verified_at: datetime | None
    """timestamptz."""

    phone: str | None
    """varchar(16)."""

    locale: str
    """varchar(35) NOT NULL DEFAULT 'en'."""

    timezone: str
    """varchar(64) NOT NULL DEFAULT 'UTC'."""

    email_enabled: bool
    """boolean NOT NULL DEFAULT true."""

    sms_enabled: bool
    """boolean NOT NULL DEFAULT true."""

    push_enabled: bool
    """boolean NOT NULL DEFAULT true."""

    in_app_enabled: bool
    """boolean NOT NULL DEFAULT true."""

    webhook_enabled: bool
    """boolean NOT NULL DEFAULT true."""

    slack_enabled: bool
    """boolean NOT NULL DEFAULT true."""

    discord_enabled: bool
    """boolean NOT NULL DEFAULT true."""

    category_channels: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    chosen_channels: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    type_channels: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    quiet_hours_enabled: bool
    """boolean NOT NULL DEFAULT false."""

    quiet_hours_start: time | None
    """time."""

    quiet_hours_end: time | None
    """time."""

    quiet_hours_timezone: str | None
    """varchar(64)."""

    quiet_hours_days: list[int]
    """smallint[] NOT NULL DEFAULT '{1,2,3,4,5,6,7}'."""

    quiet_hours_overrides: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    digests: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    digest_at: time
    """time NOT NULL DEFAULT '09:00'."""

    refuses_tracking: bool
    """boolean NOT NULL DEFAULT false."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""


class WebhookEndpoint(TypedDict):
    """A program that is told of messages: a user's own, or one of the operator's where `user_id` is null."""

    id: UUID
    """uuid NOT NULL DEFAULT uuidv7()."""

    user_id: UUID | None
    """uuid."""

    url: str
    """varchar(2048) NOT NULL."""

    description: str
    """varchar(200) NOT NULL DEFAULT ''."""

    sealed_keys: bytes
    """bytea NOT NULL."""

    failing_since: datetime | None
    """timestamptz."""

    last_success_at: datetime | None
    """timestamptz."""

    disabled_at: datetime | None
    """timestamptz."""

    disabled_reason: str | None
    """varchar(200)."""

    metadata: dict[str, Any]
    """jsonb NOT NULL DEFAULT '{}'::jsonb."""

    created_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

    updated_at: datetime
    """timestamptz NOT NULL DEFAULT now()."""

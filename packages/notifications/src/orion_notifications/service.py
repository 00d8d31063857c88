"""What the tools need to know of this service."""

from pathlib import Path

from orion_core.imports import deferred
from orion_core.service import Commands, Service
from orion_notifications.api_keys import tables as api_keys
from orion_notifications.base import Table
from orion_notifications.batches import tables as batches
from orion_notifications.callbacks import tables as callbacks
from orion_notifications.choices import tables as choices
from orion_notifications.delivery import tables as delivery
from orion_notifications.digests import tables as digests
from orion_notifications.engagements import tables as engagements
from orion_notifications.escalations import tables as escalations
from orion_notifications.event_rules import tables as event_rules
from orion_notifications.notifications import tables as notifications
from orion_notifications.numbers import tables as numbers
from orion_notifications.preferences import tables as preferences
from orion_notifications.providers import tables as providers
from orion_notifications.push import tables as push
from orion_notifications.suppressions import tables as suppressions
from orion_notifications.templates import tables as templates
from orion_notifications.throttles import tables as throttles
from orion_notifications.webhooks import tables as webhooks

# Importing a slice's tables declares them in the metadata.
SLICES = (
    api_keys,
    batches,
    callbacks,
    choices,
    delivery,
    digests,
    engagements,
    escalations,
    event_rules,
    notifications,
    numbers,
    preferences,
    providers,
    push,
    suppressions,
    templates,
    throttles,
    webhooks,
)

service = Service(
    name="notifications",
    title="Orion notifications",
    database="orion_notifications",
    url_variable="NOTIFICATION_DATABASE_URL",
    port=7103,
    metadata=Table.metadata,
    migrations=Path(__file__).parent / "migrations",
    seed=deferred("orion_notifications.seeds:seed"),
    demo="orion_notifications.seeds.demo:DEMO",
    package=Path(__file__).parents[2],
    application="orion_notifications.app:create_app",
    settings="orion_notifications.settings:NotificationSettings",
    old_keys_open="suppressions, which are hashes of addresses, and the links in mails of the last two years",
    worker="orion_notifications.worker:run",
    worker_port=7105,
    commands={
        "notifications": Commands(
            "orion_notifications.commands:commands",
            "Keep templates as files, take mails that come back, and pause channels.",
        )
    },
)

"""Seeing a version before others do: rendered with samples, or sent to oneself."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from orion_core.errors import Problem
from orion_notifications.authoring.actions import Looked, Writer, fault_problem, look
from orion_notifications.authoring.lint import SAMPLE_LINKS
from orion_notifications.desk import Desk
from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.notifications.actions import queue_message
from orion_notifications.notifications.rules import Order
from orion_notifications.preferences.actions import contact as contact_of
from orion_notifications.rendering.schemas import sample, value_errors
from orion_notifications.segments import segments
from orion_notifications.templates.rules import (
    Content,
    TemplateFaultError,
    TemplateKind,
    choose_locale,
    compile_content,
    render,
)

TRIAL = "template.trial"


class Filled(NamedTuple):
    """With what a version is filled in to be seen."""

    locale: str | None
    timezone: str
    variables: Mapping[str, Any]


class Shown(NamedTuple):
    """What a reader would get."""

    locale: str
    content: Content
    size: int
    sms: int | None


async def preview(writer: Writer, template_id: UUID, number: int, filled: Filled) -> Shown:
    """What a reader would get; 422 when it cannot be rendered, or for variables that do not fit the schema."""
    looked = await look(writer.database, template_id, number)
    locale = choose_locale(
        filled.locale or looked.template["default_locale"], looked.composed.compiled, looked.template["default_locale"]
    )
    return await asyncio.to_thread(_shown, looked, locale, filled)


async def send_trial(writer: Writer, desk: Desk, template_id: UUID, number: int, filled: Filled) -> tuple[UUID, str]:
    """Send a version to whoever asks, as a preview shows it; returns the message and where it goes.

    409 when it is a part of others, or when nothing is known of where they can be reached by this channel.
    """
    looked = await look(writer.database, template_id, number)
    if looked.template["kind"] is not TemplateKind.MESSAGE:
        raise Problem(409, "not_a_message", "Not a message", "A layout or partial is sent as a part of others only.")
    shown = await preview(writer, template_id, number, filled)
    async with writer.database.transaction() as transaction:
        recipient = None
        if writer.user_id is not None:
            contact = await contact_of(transaction.connection, writer.user_id)
            own = {Channel.EMAIL: contact.email, Channel.IN_APP: str(writer.user_id)}
            recipient = own.get(looked.template["channel"])
        if recipient is None or writer.user_id is None:
            detail = "A trial goes to whoever asks for it, and no address of yours is known for this channel."
            raise Problem(409, "no_own_address", "No address of yours", detail)
        order = Order(
            key=None,
            type=TRIAL,
            template=None,
            channel=looked.template["channel"],
            user_id=writer.user_id,
            recipient=recipient,
            locale=shown.locale,
            content=shown.content,
            category=Category.TRANSACTIONAL,
            priority=Priority.HIGH,
        )
        return await queue_message(transaction, desk, order, writer.now), recipient


def _shown(looked: Looked, locale: str, filled: Filled) -> Shown:
    variables = {**sample(looked.variables), **filled.variables} if filled.variables else sample(looked.variables)
    if filled.variables and (errors := value_errors(looked.variables, variables)):
        raise Problem(
            422,
            "invalid_fields",
            "Invalid fields",
            f"{len(errors)} variables do not fit the schema; see errors.",
            errors=[error.model_copy(update={"field": f"/variables{error.field}"}) for error in errors],
        )
    source = looked.composed.compiled[locale]
    try:
        if isinstance(source, TemplateFaultError):
            raise source
        compiled = compile_content(source, looked.template["channel"])
        content = render(compiled, variables, locale=locale, timezone=filled.timezone, links=SAMPLE_LINKS)
    except TemplateFaultError as error:
        raise fault_problem(error, locale) from error
    size = sum(len(part.encode()) for part in (content.subject, content.text, content.html or ""))
    is_sms = looked.template["channel"] is Channel.SMS
    return Shown(locale, content, size, segments(content.text.rstrip("\n")).count if is_sms else None)

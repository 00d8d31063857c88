"""From a claimed notification to the message that a channel carries, and to what the record may keep of it."""

from collections.abc import Callable
from typing import Any

import orjson

from orion_core.sealing import Keyring, SealError, place
from orion_notifications.delivery.messages import Claimed, Message, NotDeliveredError
from orion_notifications.delivery.rules import SECRETS_COLUMN, AttemptStatus, Failure
from orion_notifications.templates.actions import Library
from orion_notifications.templates.rules import (
    MASK,
    NO_LINKS,
    NOT_TRACKED,
    Content,
    Links,
    TemplateFaultError,
    Tracks,
    render,
)

Linking = Callable[[Claimed], Links]
"""Where whoever gets a message can be rid of such messages."""


def unlinked(_: Claimed) -> Links:
    """Nowhere."""
    return NO_LINKS


async def prepare(
    claimed: Claimed, library: Library, keyring: Keyring, linking: Linking = unlinked
) -> tuple[Message, Content | None]:
    """The message with its secrets, and, where it was rendered, its content with the secrets masked.

    Raises NotDeliveredError when its variables cannot be read or do not fit its template, or the secrets cannot be
    opened.
    """
    variables = claimed.variables
    if variables is None:
        raise _failure("unreadable", "its variables cannot be read", is_permanent=True)
    try:
        secrets = open_secrets(claimed, keyring)
        content, record, tracks = await _contents(claimed, library, variables, secrets, linking(claimed))
    except TemplateFaultError as error:
        raise _failure("template_fault", str(error), is_permanent=True) from error
    except SealError as error:
        # The key may only be missing from this process's keyring, which an operator can mend.
        raise _failure("secrets_sealed", str(error), is_permanent=False) from error
    message = Message(
        id=claimed.id,
        category=claimed.category,
        recipient=claimed.recipient or "",
        recipient_name=claimed.recipient_name or "",
        locale=claimed.locale or "en",
        content=content,
        type=claimed.type,
        user_id=claimed.user_id,
        variables=variables,
        expires_at=claimed.expires_at,
        tracks=tracks,
    )
    return message, record


async def _contents(
    claimed: Claimed, library: Library, variables: dict[str, Any], secrets: dict[str, Any], links: Links
) -> tuple[Content, Content | None, Tracks]:
    """The content, what the record keeps of it, and what is wanted to be known: of what holds a secret, nothing."""
    if claimed.template_id is None or claimed.template_version is None:
        return Content(claimed.subject or "", claimed.content or "", claimed.html_content), None, NOT_TRACKED
    locale, timezone = claimed.locale or "en", claimed.timezone or "UTC"
    compiled = await library.get(claimed.template_id, claimed.template_version, locale)
    content = render(compiled, variables | secrets, locale=locale, timezone=timezone, links=links)
    if not secrets:
        return content, _without_tokens(content, links), compiled.tracks
    masked = variables | {name: MASK if value else value for name, value in secrets.items()}
    record = render(compiled, masked, locale=locale, timezone=timezone, links=links)
    return content, _without_tokens(record, links), NOT_TRACKED


def _without_tokens(content: Content, links: Links) -> Content:
    """The same for whoever reads the record, who is not to choose in place of the message's reader."""
    for url in (links.unsubscribe_url, links.preferences_url):
        token = url.rpartition("/")[2]
        if token:
            content = Content(
                content.subject.replace(token, MASK),
                content.text.replace(token, MASK),
                content.html and content.html.replace(token, MASK),
            )
    return content


def open_secrets(claimed: Claimed, keyring: Keyring) -> dict[str, Any]:
    """The secret variables, of those that have any; raises SealError."""
    if claimed.sealed_variables is None:
        return {}
    return orjson.loads(keyring.open(claimed.sealed_variables, place(*SECRETS_COLUMN, claimed.id)))


def _failure(code: str, message: str, *, is_permanent: bool) -> NotDeliveredError:
    return NotDeliveredError(Failure(AttemptStatus.FAILURE, code, message, is_permanent))

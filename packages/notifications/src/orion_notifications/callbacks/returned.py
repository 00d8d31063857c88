"""Mails that come back: bounces (DSN, RFC 3464) and complaints (ARF, RFC 5965)."""

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message as Part
from enum import Enum, auto
from uuid import UUID

from orion_core.sealing import Keyring
from orion_notifications.return_paths import notification_of
from orion_notifications.status_codes import CODE, is_of_address

ADDRESSEES = ("x-original-to", "delivered-to", "envelope-to", "to", "x-failed-recipients")
MOST_PARTS = 50
LONGEST_REPORT = 2 * 1024 * 1024


class Verdict(Enum):
    """What a mail that came back says."""

    BOUNCED = auto()
    """It will never arrive there: the address is no good."""
    FAILED = auto()
    """It will never arrive, which says nothing of the address: it is full, or did not like this content."""
    DELAYED = auto()
    DELIVERED = auto()
    COMPLAINED = auto()


@dataclass(frozen=True)
class Returned:
    """A mail that came back, understood."""

    notification_id: UUID | None
    """Whose address it came back to; None when that is not one of ours."""
    verdict: Verdict
    status: str | None
    """The enhanced status code (RFC 3463)."""


def read(source: bytes, keyring: Keyring, recipient: str = "") -> Returned | None:
    """What a mail says that came back to `recipient` (or to whom its headers name); None when it is no report."""
    mail = email.message_from_bytes(source[:LONGEST_REPORT], policy=email.policy.compat32)
    parts = list(_parts(mail))
    verdict = _complaint(parts) or _delivery(parts)
    if verdict is None:
        return None
    places = [recipient, *(str(value) for name in ADDRESSEES for value in mail.get_all(name, []))]
    # The report may carry the original's own return path, which is as good: it has the MAC too.
    places += [str(part.get(name, "")) for part in parts for name in ("return-path", "original-mail-from")]
    found = (notification_of(place, keyring) for place in places)
    return Returned(next((each for each in found if each), None), *verdict)


def _parts(mail: Part) -> Iterator[Part]:
    """The mail's parts; of fields that stand in a part's body as text, a part too."""
    for number, part in enumerate(mail.walk()):
        if number >= MOST_PARTS:
            return
        yield part
        if part.get_content_type() in {"message/feedback-report", "text/rfc822-headers"} and not part.is_multipart():
            payload = part.get_payload(decode=True)
            fields = email.message_from_bytes(payload if isinstance(payload, bytes) else b"")
            fields["X-Of"] = part.get_content_type()
            yield fields


def _complaint(parts: list[Part]) -> tuple[Verdict, str | None] | None:
    """RFC 5965. Reports of other types (auth-failure, not-spam) are no complaints."""
    for part in parts:
        kind = str(part.get("feedback-type", "")).strip().lower()
        if kind in {"abuse", "fraud"}:
            return Verdict.COMPLAINED, None
    return None


def _delivery(parts: list[Part]) -> tuple[Verdict, str | None] | None:
    """RFC 3464: one group of fields a recipient, and of ours there is one."""
    for part in parts:
        action = str(part.get("action", "")).split(";")[0].split("(")[0].strip().lower()
        if not action:
            continue
        status = CODE.search(str(part.get("status", "")))
        code = None if status is None else status[0]
        match action:
            case "failed":
                return (
                    Verdict.BOUNCED if _is_of_address(code, str(part.get("diagnostic-code", ""))) else Verdict.FAILED
                ), code
            case "delayed":
                return Verdict.DELAYED, code
            case "delivered" | "relayed" | "expanded":
                return Verdict.DELIVERED, code
            case _:
                continue
    return None


def _is_of_address(code: str | None, diagnosis: str) -> bool:
    """Whether the address itself is at fault.

    Servers that say only 5.0.0 give the SMTP code in their diagnosis: 550 and 553 are said of addresses.
    """
    if code is None or code.endswith(".0.0"):
        return re.search(r"\b55[03]\b", diagnosis) is not None
    return is_of_address(code)

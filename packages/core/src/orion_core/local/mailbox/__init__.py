"""A mailbox for everything that would leave the machine: SMTP, HTTP for the other channels, and a page to read it."""

from orion_core.local.mailbox.messages import Channel, Message
from orion_core.local.mailbox.server import Mailbox

__all__ = ["Channel", "Mailbox", "Message"]

"""W3C trace context (https://www.w3.org/TR/trace-context/): one id from the first request to the last mail."""

import re
import secrets
from contextvars import ContextVar

TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")

_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


def continue_trace(incoming: str | None) -> str:
    """Take up the caller's trace, or begin one; returns our own `traceparent` within it."""
    if incoming and TRACEPARENT.fullmatch(incoming):
        own = f"{incoming[:36]}{secrets.token_hex(8)}{incoming[52:]}"
    else:
        own = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    _traceparent.set(own)
    return own


def current_traceparent() -> str | None:
    """The `traceparent` of what is being done now, to hand on."""
    return _traceparent.get()

"""Structured logs, one JSON object a line, from which secrets are removed whoever puts them there."""

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import orjson
import structlog

from orion_core.settings import Settings

SECRET_WORDS = r"password|passwd|secret|token|authorization|cookie|api_?-?key|private_?-?key|sealing_?-?key|credential"
SECRET_NAMES = re.compile(rf"{SECRET_WORDS}|code$|link$", re.IGNORECASE)
SECRET_VALUES = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]*\.[\w-]*(?:\.[\w-]*)*"  # a JWT, signed or encrypted
    r"|\$argon2\w*\$[^\s\"']+"  # a password hash
    r"|(?<=://)[^/\s:@]*:[^/\s]+(?=@)"  # user:password in a URL
    r"|(?i:\b(?:bearer|basic)\s+[\w.~+/=-]{8,})"
    rf"|(?i:\b[\w-]*(?:{SECRET_WORDS}|code)=[^\s&\"']+)"  # in a query or a form
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
)
PUBLIC_NAMES = frozenset({"status_code", "error_code", "country_code", "token_type", "tokens_expire_at"})
"""Names that only sound secret. A problem's `code` is logged as `error_code`; `code` alone may be a mailed one."""

DEEPEST = 20
"""Levels of a logged value; what lies deeper is left out."""

REDACTED = "[redacted]"

_tracebacks = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # local variables hold what was to be kept secret
)


def configure_logs(settings: Settings, service: str) -> None:
    """Send structlog and the standard library's logging to stdout in one form."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with(service),
        _tracebacks if settings.log_format == "json" else structlog.processors.format_exc_info,
        redact,
    ]
    renderer = _render_json if settings.log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what has a secret's name, and what looks like one anywhere in a value, at any depth."""
    for name, value in event.items():
        if not name.startswith("_"):  # structlog's own
            event[name] = _redacted(name, value, DEEPEST)
    return event


def _redacted(name: str, value: Any, levels: int) -> Any:
    """`value` as plain JSON values without secrets; what is neither number nor container is told as text."""
    if value is None or isinstance(value, bool | int | float):
        return REDACTED if _is_secret(name) and not isinstance(value, bool | None) else value
    if _is_secret(name) or levels == 0:
        return REDACTED
    if isinstance(value, Mapping):
        items = {str(key): item for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return {_clean(key): _redacted(key, item, levels - 1) for key, item in items.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(name, item, levels - 1) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return _clean(value.decode(errors="replace") if isinstance(value, bytes) else str(value))


def _is_secret(name: str) -> bool:
    return name not in PUBLIC_NAMES and SECRET_NAMES.search(name) is not None


def _clean(text: str) -> str:
    return SECRET_VALUES.sub(REDACTED, text)


def _with(service: str) -> Any:
    def add_service(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("service", service)
        return event

    return add_service


def _render_json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    try:
        return orjson.dumps(event).decode()
    except TypeError:  # a lone surrogate, or a number beyond 64 bits: rare, and a log line must not fail
        return json.dumps(event)

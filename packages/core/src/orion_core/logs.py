"""Structured logs, one JSON object a line, from which secrets are removed whoever puts them there."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

from orion_core.settings import Settings

SECRET_NAMES = re.compile(
    r"password|passwd|secret|token|authorization|cookie|api_?key|private_?key|code$|credential", re.IGNORECASE
)
SECRET_VALUES = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JWT
    r"|\$argon2\w*\$[^\s\"']+"  # a password hash
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user:password in a URL
    r"|(?<=[Bb]earer )\S+"
    r"|(?<=[Bb]asic )\S+"
)
PUBLIC_NAMES = frozenset({"status_code", "error_code", "token_type", "code"})
"""Names that only sound secret. `code` alone is the code of a problem; what is mailed is never logged at all."""

REDACTED = "[redacted]"


def configure_logs(settings: Settings, service: str) -> None:
    """Send structlog and the standard library's logging to stdout in one form."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with(service),
        structlog.processors.dict_tracebacks if settings.log_format == "json" else structlog.processors.format_exc_info,
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
        event[name] = _redacted(name, value)
    return event


def _redacted(name: str, value: Any) -> Any:
    if SECRET_NAMES.search(name) and name not in PUBLIC_NAMES:
        return REDACTED
    if isinstance(value, str):
        return SECRET_VALUES.sub(REDACTED, value)
    if isinstance(value, dict):
        return {key: _redacted(str(key), item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [_redacted(name, item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _with(service: str) -> Any:
    def add_service(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("service", service)
        return event

    return add_service


def _render_json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    return orjson.dumps(dict(event), default=str).decode()

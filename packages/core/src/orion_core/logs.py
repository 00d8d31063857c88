"""Structured logs, one JSON object a line, from which secrets are removed whoever puts them there."""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import orjson
import structlog

from orion_core.secret_names import REDACTED, is_secret_name, without_secret_values
from orion_core.settings import Settings

DEEPEST = 20
"""Levels of a logged value; what lies deeper is left out."""

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
    is_json = settings.log_format == "json"
    console = structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, _as_json if is_json else console],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Past the standard library's logging, which takes longer over a line than all the rest of it.
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer)
        if is_json
        else structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _as_json_text if is_json else console,
            ],
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
        return REDACTED if is_secret_name(name) and not isinstance(value, bool | None) else value
    if is_secret_name(name) or levels == 0:
        return REDACTED
    if isinstance(value, Mapping):
        items = {str(key): item for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return {without_secret_values(key): _redacted(key, item, levels - 1) for key, item in items.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(name, item, levels - 1) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return without_secret_values(value.decode(errors="replace") if isinstance(value, bytes) else str(value))


def _with(service: str) -> Any:
    def add_service(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("service", service)
        return event

    return add_service


def _as_json(_: Any, __: str, event: MutableMapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(event)
    except TypeError:  # a lone surrogate, or a number beyond 64 bits: rare, and a log line must not fail
        return json.dumps(event).encode()


def _as_json_text(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
    return _as_json(logger, name, event).decode()

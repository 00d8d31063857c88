"""Structured logs, one JSON object a line, from which secrets are removed whoever puts them there."""

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
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
SECRET_SIGNS = re.compile(r"[=$:\s]|eyJ")
"""One of these is in whatever `SECRET_VALUES` finds; looking for them first makes most of a line cheap."""
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
        return REDACTED if _is_secret(name) and not isinstance(value, bool | None) else value
    if _is_secret(name) or levels == 0:
        return REDACTED
    if isinstance(value, Mapping):
        items = {str(key): item for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return {_clean(key): _redacted(key, item, levels - 1) for key, item in items.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(name, item, levels - 1) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return _clean(value.decode(errors="replace") if isinstance(value, bytes) else str(value))


@lru_cache(1024)
def _is_secret(name: str) -> bool:
    return name not in PUBLIC_NAMES and SECRET_NAMES.search(name) is not None


def _clean(text: str) -> str:
    return SECRET_VALUES.sub(REDACTED, text) if SECRET_SIGNS.search(text) else text


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

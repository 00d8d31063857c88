"""The logs of many processes as one stream that a person can read."""

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TextIO, TypeGuard, cast

import orjson
import typer

NAME_WIDTH = 13
EVENT_WIDTH = 32

_COLOURS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_magenta")
_LEVEL_COLOURS = {"warning": "yellow", "error": "red", "critical": "red", "debug": "bright_black"}
_HEAD = ("event", "level", "timestamp", "service")  # shown in their own columns, not as key=value


class LogStream:
    """Writes the lines of named processes, each process in its own colour when the stream is a terminal."""

    def __init__(self, out: TextIO | None = None, *, colour: bool | None = None) -> None:
        self._out = out or sys.stdout
        self._colour = self._out.isatty() if colour is None else colour
        self._colours: dict[str, str] = {}
        self._is_open = True

    def write(self, name: str, line: str) -> None:
        """One line of the process called `name`: JSON as structlog makes it, or any text."""
        self._print(name, format_line(line, colour=self._colour))

    def say(self, name: str, event: str, level: str = "info", **values: object) -> None:
        """A line of our own, in the same form."""
        self._print(name, format_event({"event": event, "level": level, **values}, colour=self._colour))

    def _print(self, name: str, text: str) -> None:
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        prefix = f"{name:<{NAME_WIDTH}}"
        line = f"{typer.style(prefix, fg=colour) if self._colour else prefix} {text}\n"
        if not self._is_open:
            return
        try:
            self._out.write(line)
            self._out.flush()
        except (OSError, ValueError):
            # The terminal or pipe is gone. The processes are still to be stopped in order: no reason to fail.
            self._is_open = False


def format_line(line: str, *, colour: bool) -> str:
    """A JSON log line as `time level event key=value …`; any other line as it is, without control characters."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        event = None
    return format_event(event, colour=colour) if _is_event(event) else _printable(line)


def format_event(event: Mapping[str, Any], *, colour: bool) -> str:
    """`time level event key=value …`."""
    level = str(event.get("level", "info"))
    values = {key: value for key, value in event.items() if key not in _HEAD and key != "exception"}
    if event.get("exception"):
        values["exception"] = _exception(event["exception"])
    pairs = " ".join(f"{_dim(key + '=', colour)}{_value(value)}" for key, value in values.items())
    word = typer.style(f"{level:<7}", fg=_LEVEL_COLOURS.get(level, "green")) if colour else f"{level:<7}"
    name = f"{_printable(str(event.get('event', ''))):<{EVENT_WIDTH}}"
    return f"{_dim(_time(event), colour)} {word} {typer.style(name, bold=True) if colour else name} {pairs}".rstrip()


def _is_event(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _time(event: Mapping[str, Any]) -> str:
    """Local time of day, to the millisecond."""
    try:
        at = datetime.fromisoformat(str(event["timestamp"])).astimezone()
    except (KeyError, ValueError):
        at = datetime.now().astimezone()
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"


def _value(value: object) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    text = _printable(text)
    return orjson.dumps(text).decode() if not text or " " in text else text


def _exception(exception: Any) -> str:
    """Structlog's list of dictionaries, shortened to what and where; text as it is."""
    if not isinstance(exception, list) or not exception:
        return str(cast(object, exception))
    last = cast(list[dict[str, Any]], exception)[-1]
    frames: list[dict[str, Any]] = last.get("frames") or [{}]
    place = f"{frames[-1].get('filename', '?')}:{frames[-1].get('lineno', '?')}"
    return f"{last.get('exc_type')}: {last.get('exc_value')} at {place}"


def _printable(text: str) -> str:
    """Without escape sequences: what a stranger put into a log must not move the cursor of who reads it."""
    one_line = text.replace("\r", "").replace("\n", " ").replace("\t", " ")
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in one_line)


def _dim(text: str, colour: bool) -> str:
    return typer.style(text, dim=True) if colour else text

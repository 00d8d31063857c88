"""Many logs in one stream: readable, on one line each, and harmless to the terminal."""

import io
import os
import re
from datetime import datetime

import orjson
import pytest

from orion_cli.log_stream import LogStream, format_line


def a_line(**values: object) -> str:
    event = {"event": "session.started", "level": "info", "timestamp": "2026-01-02T03:04:05.678Z", "service": "auth"}
    return orjson.dumps(event | values).decode()


LOCAL_TIME = f"{datetime.fromisoformat('2026-01-02T03:04:05.678+00:00').astimezone():%H:%M:%S}.678"


def test_a_json_line_becomes_time_level_event_and_values() -> None:
    shown = format_line(a_line(user_id="1", took=3, ok=True, tags=["a"], note="two words", nothing=""), colour=False)
    head, values = shown[:53], shown[54:]
    assert head.split() == [LOCAL_TIME, "info", "session.started"]
    assert values == 'user_id=1 took=3 ok=true tags=["a"] note="two words" nothing=""'


def test_colour_changes_no_word() -> None:
    plain = format_line(a_line(a=1), colour=False)
    coloured = format_line(a_line(a=1), colour=True)
    assert coloured != plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


@pytest.mark.parametrize("line", ["plain text", "[1, 2]", "7", "{broken", ""])
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert format_line(line, colour=True) == line


def test_escape_sequences_do_not_reach_the_terminal() -> None:
    for line in ("\x1b[2Jgone\x07", a_line(x="\x1b[2J", y="a\nb")):
        shown = format_line(line, colour=False)
        assert "\x1b" not in shown
        assert "\n" not in shown


def test_an_exception_says_what_and_where_on_the_same_line() -> None:
    frames = [{"filename": "outer.py", "lineno": 1}, {"filename": "inner.py", "lineno": 7}]
    exception = [{"exc_type": "ValueError", "exc_value": "no", "frames": frames}]
    shown = format_line(a_line(level="error", exception=exception), colour=False)
    assert shown.endswith('exception="ValueError: no at inner.py:7"')
    assert "exception=text" in format_line(a_line(exception="text"), colour=False)


def test_broken_times_and_strange_values_are_shown_anyway() -> None:
    assert "session.started" in format_line(a_line(timestamp="yesterday", level=3), colour=False)
    assert "exception=" in format_line(a_line(exception=[{"frames": None}]), colour=False)


def test_each_name_stands_before_its_lines() -> None:
    out = io.StringIO()
    stream = LogStream(out)
    stream.write("auth", "one")
    stream.say("notifications", "two", n=1)
    first, second = out.getvalue().splitlines()
    assert first.split() == ["auth", "one"]
    assert second.startswith("notifications ")
    assert second.endswith("n=1")


def test_a_closed_pipe_ends_the_output_and_nothing_else() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", closefd=True) as out:  # noqa: PTH123
        stream = LogStream(out)
        stream.write("auth", "nobody reads this")
        stream.write("auth", "nor this")
        with pytest.raises(BrokenPipeError):
            out.close()

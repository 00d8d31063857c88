"""Cells of CSV files, which people open in a spreadsheet."""

from typing import Any

import orjson

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection); names and user agents are anybody's."""


def cell(value: Any) -> str:
    """A value as it stands in a cell: objects as JSON, and a text that would be a formula behind an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return orjson.dumps(value).decode()

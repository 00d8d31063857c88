"""Import strings, `module:attribute`: how a description names code without importing it."""

from importlib import import_module
from typing import Any


def load(import_string: str) -> Any:
    """What the string names."""
    module, _, attribute = import_string.partition(":")
    return getattr(import_module(module), attribute)

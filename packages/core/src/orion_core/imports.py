"""Import strings, `module:attribute`: how a description names code without importing it."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def load(import_string: str) -> Any:
    """What the string names."""
    module, _, attribute = import_string.partition(":")
    return getattr(import_module(module), attribute)


def deferred(import_string: str) -> Callable[..., Any]:
    """A function that does what the named one does, and imports it when it is called."""

    def call(*arguments: Any) -> Any:
        return load(import_string)(*arguments)

    return call

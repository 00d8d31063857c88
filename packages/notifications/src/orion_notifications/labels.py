"""The words of `kinds` in bodies over HTTP: enums go in and out by their labels, as the database writes them."""

from enum import Enum
from typing import Annotated, Literal

from pydantic import BeforeValidator, StringConstraints

from orion_notifications.kinds import Category, Channel, Priority

ChannelLabel = Literal["EMAIL", "SMS", "PUSH", "IN_APP", "WEBHOOK", "SLACK", "DISCORD"]
PriorityLabel = Literal["LOW", "NORMAL", "HIGH", "URGENT"]
CategoryLabel = Literal["TRANSACTIONAL", "MARKETING", "SECURITY", "SYSTEM", "ACCOUNT", "SOCIAL"]
assert {each.name for each in Channel} == set(ChannelLabel.__args__)
assert {each.name for each in Priority} == set(PriorityLabel.__args__)
assert {each.name for each in Category} == set(CategoryLabel.__args__)


def label(value: object) -> object:
    """An enum's label; anything else as it is."""
    return value.name if isinstance(value, Enum) else value


Label = Annotated[str, BeforeValidator(label)]
"""Of any enum, in an answer."""
TypeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$", max_length=100)]
"""What a message is about, such as `security.new_device`."""

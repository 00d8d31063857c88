"""A point on Earth."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """A point on Earth, and how far from it the truth may be."""

    latitude: float
    longitude: float
    accuracy: float
    """Kilometres."""

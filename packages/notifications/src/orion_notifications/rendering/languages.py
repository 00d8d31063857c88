"""Which of several languages a reader gets."""

from collections.abc import Iterable


def choose_locale(wanted: str, available: Iterable[str], default: str) -> str:
    """The best locale there is for `wanted`: itself, then with its last subtags taken off (RFC 4647 §3.4 Lookup)."""
    by_lower = {locale.lower(): locale for locale in available}
    subtags = wanted.lower().replace("_", "-").split("-")
    for length in range(len(subtags), 0, -1):
        if (candidate := "-".join(subtags[:length])) in by_lower:
            return by_lower[candidate]
    return by_lower.get(default.lower()) or min(by_lower.values())

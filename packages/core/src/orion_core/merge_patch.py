"""JSON merge patches (RFC 7396): how objects are changed in part."""

from typing import Any, cast


def merged(target: Any, patch: Any) -> Any:
    """`target` after a JSON merge patch (RFC 7396): null takes away, objects are merged, all else is replaced."""
    if not isinstance(patch, dict):
        return patch
    result = dict(cast("dict[str, Any]", target)) if isinstance(target, dict) else {}
    for name, value in cast("dict[str, Any]", patch).items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result

"""The JSON Schema of a template's variables: what may be one, and what is wrong with values. Pure.

A schema comes from whoever writes templates, and values from whoever sends: neither may keep the service busy. So
patterns are matched in linear time, nothing is referred to, and depth and size are bounded before either is looked at.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import orjson
from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from orion_core.errors import FieldError

DEEPEST = 12
LARGEST_SCHEMA = 64_000
"""Bytes of its JSON."""
LARGEST_VALUES = 256_000
DEEPEST_VALUES = 20
MOST_VARIABLES = 200
MOST_ERRORS = 20
REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "$id", "$anchor", "$dynamicAnchor", "$vocabulary"})
"""Refused: a reference to itself never ends, a chain of them multiplies, and one elsewhere would be fetched."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
PATTERNS = RegexOptions(size_limit=1_000_000, dfa_size_limit=1_000_000)
KEPT_VALIDATORS = 1_000

Fault = tuple[str, str]
"""A JSON pointer, and what is wrong there."""

_validators: OrderedDict[bytes, Draft202012Validator] = OrderedDict()


def schema_fault(schema: Mapping[str, Any]) -> Fault | None:
    """What keeps this from being a template's schema, or None."""
    document = dict(schema)
    for pointer, part, depth in _parts(document):
        if depth > DEEPEST:
            return pointer, f"it is nested deeper than {DEEPEST} levels"
        if isinstance(part, dict) and (found := REFERENCES & part.keys()):
            return pointer, f"{min(found)} is not allowed: write out what it would refer to"
    try:
        size = len(orjson.dumps(document))
    except TypeError:
        return "", "a number in it is beyond 64 bits"
    if size > LARGEST_SCHEMA:
        return "", f"it is larger than {LARGEST_SCHEMA:,} bytes"
    if document.get("$schema", DIALECT) != DIALECT:
        return "/$schema", f"it is {DIALECT}"
    if document and document.get("type") != "object":
        return "/type", "variables are an object"
    properties = document.get("properties", {})
    if isinstance(properties, dict) and len(properties) > MOST_VARIABLES:  # pyright: ignore[reportUnknownArgumentType]
        return "/properties", f"there are more than {MOST_VARIABLES} variables"
    try:
        _build(document)
    except (ValidationError, ValueError) as error:
        path: Sequence[str | int] = error.instance_path if isinstance(error, ValidationError) else ()
        return _pointer(path), "it is not a schema of JSON Schema 2020-12 (patterns: without look-around)"
    return None


def value_errors(schema: Mapping[str, Any], values: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with the variables of a message; no error quotes a value, which may be secret.

    `field` points into the variables. Of many errors the first are told.
    """
    for pointer, _, depth in _parts(dict(values)):
        if depth > DEEPEST_VALUES:
            return [FieldError(field=pointer, code="too_deep", detail=f"nested deeper than {DEEPEST_VALUES} levels")]
    try:
        size = len(orjson.dumps(values))
    except TypeError:
        return [FieldError(field="", code="not_json", detail="variables are JSON, and numbers of 64 bits")]
    if size > LARGEST_VALUES:
        detail = f"all variables together are larger than {LARGEST_VALUES:,} bytes"
        return [FieldError(field="", code="too_large", detail=detail)]
    found: list[FieldError] = []
    for error in _validator(schema).iter_errors(values):
        found += _told(error, schema)
        if len(found) >= MOST_ERRORS:
            break
    return found[:MOST_ERRORS]


def sample(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The first example of each variable, else its default or its first permitted value; what has none is left out."""
    found: dict[str, Any] = {}
    for name, description in _properties(schema).items():
        if examples := description.get("examples"):
            found[name] = examples[0]
        elif "default" in description:
            found[name] = description["default"]
        elif "const" in description:
            found[name] = description["const"]
        elif choices := description.get("enum"):
            found[name] = choices[0]
    return found


def declared(schema: Mapping[str, Any]) -> frozenset[str]:
    """The names of all variables."""
    return frozenset(_properties(schema))


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    return {name: cast("dict[str, Any]", part) if isinstance(part, dict) else {} for name, part in properties.items()}


def _validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    key = orjson.dumps(schema)
    known = _validators.get(key)
    if known is None:
        known = _validators[key] = _build(dict(schema))
        if len(_validators) > KEPT_VALIDATORS:
            _validators.popitem(last=False)
    return known


def _build(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(schema, validate_formats=True, pattern_options=PATTERNS, mask="it", offline=True)


def _told(error: ValidationError, schema: Mapping[str, Any]) -> Iterator[FieldError]:
    """One error, or one for each name that is missing or unknown."""
    pointer, code = _pointer(error.instance_path), str(error.kind.name)
    facts = error.kind.as_dict()
    match code:
        case "required":
            yield FieldError(field=f"{pointer}/{facts['property']}", code="missing", detail="the template needs it")
        case "additionalProperties":
            known = ", ".join(sorted(declared(schema))) or "none"
            for name in facts["unexpected"]:
                detail = f"the template has no such variable; it has: {known}" if not pointer else "it is not known"
                yield FieldError(field=f"{pointer}/{name}", code="unknown", detail=detail)
        case "propertyNames" | "unevaluatedProperties":  # its own words quote the names that were given
            yield FieldError(field=pointer, code=code, detail="a name in it is not allowed")
        case "pattern":
            yield FieldError(field=pointer, code=code, detail=f"it does not match {facts['pattern']}")
        case _:
            yield FieldError(field=pointer, code=code, detail=error.message)


def _pointer(path: Sequence[str | int]) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _parts(value: Any) -> Iterator[tuple[str, Any, int]]:
    """Every part of a JSON value with where it is; a loop, since JSON may nest deeper than calls."""
    waiting: list[tuple[str, Any, int]] = [("", value, 0)]
    while waiting:
        pointer, part, depth = waiting.pop()
        yield pointer, part, depth
        match part:
            case dict():
                items = cast("dict[str, Any]", part).items()
                waiting += [(f"{pointer}{_pointer([key])}", item, depth + 1) for key, item in items]
            case list():
                places = enumerate(cast("list[Any]", part))
                waiting += [(f"{pointer}/{place}", item, depth + 1) for place, item in places]
            case _:
                pass

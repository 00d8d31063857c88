"""What a shape finds wrong, in our own words and under codes of our own: pydantic's change with its versions."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic_core.core_schema import ErrorType

KINDS: Mapping[str, tuple[str, str]] = {
    "missing": ("missing", "must be given"),
    "extra_forbidden": ("unknown_field", "no such field here; correct its name, or leave it out"),
    "string_type": ("wrong_type", "must be a text"),
    "bool_type": ("wrong_type", "must be true or false"),
    "bool_parsing": ("wrong_type", "must be true or false"),
    "int_type": ("wrong_type", "must be a whole number"),
    "int_parsing": ("wrong_type", "must be a whole number"),
    "int_parsing_size": ("wrong_type", "must be a whole number of fewer digits"),
    "int_from_float": ("wrong_type", "must be a whole number"),
    "float_type": ("wrong_type", "must be a number"),
    "float_parsing": ("wrong_type", "must be a number"),
    "dict_type": ("wrong_type", "must be an object"),
    "model_type": ("wrong_type", "must be an object"),
    "model_attributes_type": ("wrong_type", "must be an object"),
    "list_type": ("wrong_type", "must be a list"),
    "tuple_type": ("wrong_type", "must be a list"),
    "set_type": ("wrong_type", "must be a list"),
    "frozen_set_type": ("wrong_type", "must be a list"),
    "invalid-json-value": ("wrong_type", "must be plain JSON"),
    "none_required": ("wrong_type", "must be null"),
    "uuid_type": ("wrong_form", "must be a UUID, such as 0195f1c8-7c00-7000-8000-000000000001"),
    "uuid_parsing": ("wrong_form", "must be a UUID, such as 0195f1c8-7c00-7000-8000-000000000001"),
    "url_type": ("wrong_form", "must be an address, such as https://example.com"),
    "url_parsing": ("wrong_form", "must be an address, such as https://example.com"),
    "url_scheme": ("wrong_form", "must be an address that begins with {expected_schemes}"),
    "url_too_long": ("too_long", "must have at most {max_length} characters"),
    "ip_any_address": ("wrong_form", "must be an IP address, such as 192.0.2.1 or 2001:db8::1"),
    "ip_any_network": ("wrong_form", "must be a network, such as 192.0.2.0/24 or 2001:db8::/32"),
    "date_type": ("wrong_form", "must be a date, such as 2026-11-26"),
    "date_parsing": ("wrong_form", "must be a date, such as 2026-11-26"),
    "date_from_datetime_parsing": ("wrong_form", "must be a date, such as 2026-11-26"),
    "date_from_datetime_inexact": ("wrong_form", "must be a date, such as 2026-11-26"),
    "datetime_type": ("wrong_form", "must be a moment with its zone, such as 2026-11-26T12:00:00Z"),
    "datetime_parsing": ("wrong_form", "must be a moment with its zone, such as 2026-11-26T12:00:00Z"),
    "datetime_from_date_parsing": ("wrong_form", "must be a moment with its zone, such as 2026-11-26T12:00:00Z"),
    "timezone_aware": ("wrong_form", "must be a moment with its zone, such as 2026-11-26T12:00:00Z"),
    "time_type": ("wrong_form", "must be a time of day, such as 21:30"),
    "time_parsing": ("wrong_form", "must be a time of day, such as 21:30"),
    "string_pattern_mismatch": ("wrong_form", "must have the form {pattern} (a regular expression)"),
    "string_too_short": ("too_short", "must have at least {min_length} characters"),
    "string_too_long": ("too_long", "must have at most {max_length} characters"),
    "bytes_too_short": ("too_short", "must have at least {min_length} bytes"),
    "bytes_too_long": ("too_long", "must have at most {max_length} bytes"),
    "too_short": ("too_short", "must have {min_length} or more entries"),
    "too_long": ("too_long", "must have {max_length} or fewer entries"),
    "greater_than": ("too_small", "must be more than {gt}"),
    "greater_than_equal": ("too_small", "must be {ge} or more"),
    "less_than": ("too_large", "must be less than {lt}"),
    "less_than_equal": ("too_large", "must be {le} or less"),
    "finite_number": ("wrong_type", "must be a number that is not infinite"),
    "enum": ("unknown_value", "must be {expected}"),
    "literal_error": ("unknown_value", "must be {expected}"),
    "union_tag_not_found": ("missing", "must say of which kind it is, in {discriminator}"),
    "union_tag_invalid": ("unknown_value", "{discriminator} must be {expected_tags}"),
    "value_error": ("invalid_value", "{error}"),
}
"""Kind of pydantic's → our code and words. Words of our own validators (ValueError) come through as they are."""

UNNAMED = ("invalid_value", "is not what is asked for here; see the OpenAPI document of the service")
"""Whatever else pydantic may find one day."""


def code_and_words(fault: Mapping[str, Any]) -> tuple[str, str]:
    """A fault of `ValidationError.errors()`: our code, and words that go behind the name of the field.

    A validator that raises a PydanticCustomError has brought both itself.
    """
    kind = str(fault["type"])
    facts: Mapping[str, Any] = fault.get("ctx") or {}
    if (known := KINDS.get(kind)) is None:
        return UNNAMED if kind in get_args(ErrorType) else (kind, str(fault["msg"]))
    if facts.get("min_length") == 1:
        return known[0], "must not be empty"
    if facts.get("field_type") == "Value":  # pydantic counts so the characters of a text that was looked at before
        return known[0], known[1].format_map(facts).replace("entries", "characters")
    if kind == "value_error" and "error" not in facts:  # of a type of pydantic's, such as an address
        return UNNAMED
    return known[0], known[1].format_map(facts)


def code_and_sentence(fault: Mapping[str, Any]) -> tuple[str, str]:
    """The same, where the words stand alone."""
    code, words = code_and_words(fault)
    if words.partition(" ")[0].isalpha():  # else it begins with the name of something, as it is written
        words = words[0].upper() + words[1:]
    return code, words.rstrip(".") + "."

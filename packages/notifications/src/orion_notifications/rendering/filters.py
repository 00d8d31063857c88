"""The filters of templates: those of Liquid that are of use in messages, and those that speak the reader's language.

A filter's values are weighed before it runs, so that none of them takes long or makes more than a message can hold.
"""

from collections.abc import Callable, Sequence, Sized
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, cast
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from babel.numbers import format_currency, format_decimal
from babel.units import format_unit
from liquid.builtin.filters import array, extra, math, misc, string
from liquid.exceptions import FilterArgumentError, ResourceLimitError
from liquid.expression import Expression
from liquid.extra.filters import JSON
from liquid.filter import with_context

LONGEST_STRING = 200_000
LONGEST_LIST = 10_000
LARGEST_NUMBER = 10**24
MOST_DIGITS = 20
LONGEST_FORMAT = 200
DEFAULT_LOCALE = "en"

Filter = Callable[..., Any]


class TooLargeError(ResourceLimitError):
    """A filter was given, or would make, more than a message can hold."""

    def __init__(self) -> None:
        super().__init__("a value is too large for a filter", token=None)


def weigh(value: object) -> int:
    """How large a value is; raises TooLargeError when it is too large to work with."""
    if isinstance(value, str):
        size, most = len(value), LONGEST_STRING
    elif isinstance(value, int | float | Decimal):
        # The negation catches what is not a number too.
        if isinstance(value, float) or -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
            return 1
        raise TooLargeError
    elif isinstance(value, Sized):
        size, most = len(value), LONGEST_LIST
    else:
        return 1
    if size > most:
        raise TooLargeError
    return size


def _value(given: Any) -> Any:
    """What a filter is given; `empty` and `blank`, which Liquid has for comparing, are no text in a list of them."""
    return "" if isinstance(given, Expression) else given


def _metered(function: Filter, foresee: Callable[..., int] | None = None) -> Filter:
    """A filter that is charged for what it is given; `foresee` tells how large its result will be."""
    takes_context = getattr(function, "with_context", False)
    takes_environment = getattr(function, "with_environment", False)

    @with_context
    def run(*given: Any, context: Any, **named: Any) -> Any:
        values = [_value(each) for each in given]
        size = sum(map(weigh, values))
        if named:
            named = {name: _value(each) for name, each in named.items()}
            size += sum(map(weigh, named.values()))
        if foresee is not None and foresee(*values) > LONGEST_STRING:
            raise TooLargeError
        context.meter.spend(1 + (size >> 7))
        if takes_context:
            named["context"] = context
        if takes_environment:
            named["environment"] = context.env
        result = function(*values, **named)
        weigh(result)
        return result

    return run


def _replaced(value: object, old: object = "", new: object = "", *_: object) -> int:
    text, part = str(value), str(old)
    return len(text) + (text.count(part) if part else len(text) + 1) * len(str(new))


def _joined(value: object, separator: object = " ", *_: object) -> int:
    items = cast("Sequence[Any]", value if isinstance(value, list | tuple) else [])
    return sum(len(item) if isinstance(item, str) else 20 for item in items) + len(items) * len(str(separator))


def _split(value: object, separator: object = "", *_: object) -> int:
    """In characters, though it is items that are too many: an item is worth twenty."""
    text, part = str(value), str(separator or "")
    return 20 * (text.count(part) if part else len(text))


def _digits(_: object, digits: object = 0, *__: object) -> int:
    return 0 if str(digits).isdecimal() and len(str(digits)) <= 2 and int(str(digits)) <= MOST_DIGITS else 10**9


def _pages(value: object, *_: object) -> int:
    """Stripping tags looks for the end of each anew."""
    return len(str(value)) * (1 + str(value).count("<") // 16)


def _uniq(items: Any, key: str | None = None) -> list[Any]:
    """What is equal to something before it goes. Liquid's own compares each with all."""
    seen: set[str] = set()
    kept: list[Any] = []
    for item in cast("Sequence[Any]", items if isinstance(items, list | tuple) else [items]):
        known = repr(item if key is None or not isinstance(item, dict) else cast("dict[str, Any]", item).get(key))
        if known not in seen:
            seen.add(known)
            kept.append(item)
    return kept


def _map(items: Any, key: object) -> list[Any]:
    """The value of the key in each item; empty where an item has none.

    Liquid's own puts an object there, which shows itself, and where in memory it is, once a list is read as text.
    """
    return ["" if item == None else item for item in array.map_(items, key)]  # noqa: E711 - that object equals None


@lru_cache(maxsize=1_000)
def language(name: str) -> Locale:
    """What is known of a language and region; of the language alone, or of English, when there is no more."""
    subtags = name.replace("-", "_").split("_")
    for length in range(len(subtags), 0, -1):
        try:
            return Locale.parse("_".join(subtags[:length]))
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return Locale.parse(DEFAULT_LOCALE)


@lru_cache(maxsize=1_000)
def get_ready(locale: str, timezone: str) -> None:
    """Read what is known of a language and a zone, which takes long and is no template's fault."""
    known, moment = language(locale), datetime.now(_zone(timezone))
    format_datetime(moment, "d MMMM y, EEEE HH:mm zzzz ZZZZ", locale=known)
    format_currency(1, "EUR", locale=known)
    format_unit(1, "day", locale=known)


@lru_cache(maxsize=1_000)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return UTC


def _language(context: Any) -> Locale:
    return language(context.globals["locale"])


@lru_cache(maxsize=4_000)
def _moment(value: str | float, zone: tzinfo) -> datetime:
    """RFC 3339, a date alone, or seconds since 1970. What has no zone is UTC, and a day is that day everywhere."""
    try:
        if not isinstance(value, str):
            return datetime.fromtimestamp(value, zone)
        if len(value) == 10:
            day = date.fromisoformat(value)
            return datetime(day.year, day.month, day.day, tzinfo=zone)
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(zone)
    except (ValueError, OverflowError, OSError):
        raise FilterArgumentError("expected a date-time as in RFC 3339", token=None) from None


def _time(value: object, context: Any) -> datetime:
    zone = _zone(context.globals["timezone"])
    if value in ("now", "today"):
        return datetime.now(zone)
    if isinstance(value, date):  # `now` and `today` without quotes
        return datetime.now(zone)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FilterArgumentError("expected a date-time as in RFC 3339", token=None)
    return _moment(value, zone)


@with_context
def _datetime(value: object, *, context: Any, format: str = "medium") -> str:  # noqa: A002 - Liquid's word
    """A moment in the reader's zone and language: `short`, `medium`, `long`, `full`, or a pattern of Unicode TR 35."""
    moment = _time(value, context)
    return _written(moment.timestamp(), _zone(context.globals["timezone"]), _pattern(format), _language(context))


@lru_cache(maxsize=4_000)
def _written(seconds: float, zone: tzinfo, pattern: str, locale: Locale) -> str:
    # Kept by its seconds: datetimes are equal in all zones, and twice within an hour that comes twice.
    return format_datetime(datetime.fromtimestamp(seconds, zone), pattern, locale=locale)


@with_context
def _date(value: object, format: str = "%Y-%m-%d", *, context: Any) -> str:  # noqa: A002 - Liquid's word
    """A moment in the reader's zone, by strftime: for what programs read, since months are named in English."""
    return _time(value, context).strftime(_pattern(format))


def _pattern(value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_FORMAT:
        raise FilterArgumentError("expected a format of at most 200 characters", token=None)
    return value


def _number(value: object) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise FilterArgumentError("expected a number", token=None) from None
    if not number.is_finite() or abs(number.adjusted()) > MOST_DIGITS or len(number.as_tuple().digits) > MOST_DIGITS:
        raise TooLargeError
    return number


@with_context
def _decimal(value: object, format: str | None = None, *, context: Any) -> str:  # noqa: A002 - Liquid's word
    """A number as the reader writes it."""
    return format_decimal(_number(value), None if format is None else _pattern(format), locale=_language(context))


@with_context
def _currency(value: object, code: str = "USD", *, context: Any) -> str:
    """An amount of money as the reader writes it: `{{ price | currency: "EUR" }}`."""
    return format_currency(_number(value), _pattern(code), locale=_language(context))


@with_context
def _unit(value: object, unit: str, *, context: Any, length: str = "long") -> str:
    """An amount of something: `{{ 30 | unit: "minute" }}`, by the names of CLDR."""
    if length not in ("short", "long", "narrow"):
        raise FilterArgumentError("length is short, long or narrow", token=None)
    return _measured(str(_number(value)), _pattern(unit), length, _language(context))


@lru_cache(maxsize=4_000)
def _measured(value: str, unit: str, length: Any, locale: Locale) -> str:
    return format_unit(Decimal(value), unit, length, locale=locale)


@with_context
def _plural(value: object, *, context: Any, other: str, **forms: str) -> str:
    """The form that the number takes in the reader's language; `#` in it is the number.

    `{{ count | plural: one: "# message", other: "# messages" }}`; by CLDR's zero, one, two, few, many and other.
    """
    number, locale = _number(value), _language(context)
    return str(forms.get(locale.plural_form(number), other)).replace("#", format_decimal(number, locale=locale))


_PLAIN: dict[str, Filter] = {
    "abs": math.abs_,
    "append": string.append,
    "at_least": math.at_least,
    "at_most": math.at_most,
    "base64_decode": string.base64_decode,
    "base64_encode": string.base64_encode,
    "base64_url_safe_decode": string.base64_url_safe_decode,
    "base64_url_safe_encode": string.base64_url_safe_encode,
    "capitalize": string.capitalize,
    "ceil": math.ceil,
    "compact": array.compact,
    "concat": array.concat,
    "currency": _currency,
    "date": _date,
    "datetime": _datetime,
    "decimal": _decimal,
    "default": misc.default,
    "divided_by": math.divided_by,
    "downcase": string.downcase,
    "escape": string.escape,
    "escape_once": string.escape_once,
    "escapejs": extra.escapejs,
    "find": array.find,
    "find_index": array.find_index,
    "first": array.first,
    "floor": math.floor,
    "has": array.has,
    "json": JSON(),
    "last": array.last,
    "lstrip": string.lstrip,
    "map": _map,
    "minus": math.minus,
    "modulo": math.modulo,
    "newline_to_br": string.newline_to_br,
    "plural": _plural,
    "plus": math.plus,
    "prepend": string.prepend,
    "reject": array.reject,
    "remove": string.remove,
    "remove_first": string.remove_first,
    "remove_last": string.remove_last,
    "replace_first": string.replace_first,
    "replace_last": string.replace_last,
    "reverse": array.reverse,
    "rstrip": string.rstrip,
    "size": misc.size,
    "slice": string.slice_,
    "sort": array.sort,
    "sort_natural": array.sort_natural,
    "squish": string.squish,
    "strip": string.strip,
    "strip_newlines": string.strip_newlines,
    "sum": array.sum_,
    "times": math.times,
    "truncate": string.truncate,
    "truncatewords": string.truncatewords,
    "uniq": _uniq,
    "unit": _unit,
    "upcase": string.upcase,
    "url_decode": string.url_decode,
    "url_encode": string.url_encode,
    "where": array.where,
}
"""Without `safe`, which would let values be markup."""

FILTERS: dict[str, Filter] = {name: _metered(function) for name, function in _PLAIN.items()} | {
    "join": _metered(array.join, _joined),
    "replace": _metered(string.replace, _replaced),
    "round": _metered(math.round_, _digits),
    "split": _metered(string.split, _split),
    "strip_html": _metered(string.strip_html, _pages),
}
"""All filters that there are."""

"""Numbers as people read them, and small pictures of them that any terminal shows."""

from collections.abc import Iterable, Sequence

_STEPS = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉"


def size(count: float) -> str:
    """Bytes in the largest unit that leaves a number of at least one: `12.3 MB`. Units are PostgreSQL's: 1024 each."""
    sign, count = ("-", -count) if count < 0 else ("", count)
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1024:
            return f"{sign}{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{sign}{count:.1f} {unit}"
        count /= 1024
    return f"{sign}{count:.1f} TB"


def short(count: float) -> str:
    """`1234567` as `1.2M`."""
    for unit in ("", "k", "M", "G"):
        if abs(count) < 1000:
            return f"{count:.0f}{unit}" if not unit or abs(count) >= 100 else f"{count:.1f}{unit}"
        count /= 1000
    return f"{count:.1f}T"


def one_line(statement: str) -> str:
    """A statement that somebody else wrote, on one line, and without what a terminal would obey (escape sequences)."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(statement.split()))


def share(part: float, whole: float) -> str:
    """`97%`; a dash for a part of nothing."""
    return f"{part / whole:.0%}" if whole else "–"


def bar(value: float, most: float, width: int = 12) -> str:
    """A bar of that share of `width` letters."""
    eighths = round(width * 8 * min(value / most, 1.0)) if most > 0 else 0
    whole, rest = divmod(max(eighths, 0), 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)


def sparkline(values: Sequence[float]) -> str:
    """The course of some values, the last one at the right."""
    most = max(values, default=0.0)
    return "".join(_STEPS[min(7, int(value / most * 7.999))] if most > 0 else _STEPS[0] for value in values)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table: the first column to the left, and the others to the right, except those headed with `<`."""
    cells = [[head.lstrip("<") for head in heads], *([str(cell) for cell in row] for row in rows)]
    if len(cells) == 1:
        return []
    widths = [max(len(row[place]) for row in cells) for place in range(len(heads))]
    left = [place == 0 or head.startswith("<") for place, head in enumerate(heads)]
    return [
        "  ".join(
            cell.ljust(width) if to_left else cell.rjust(width)
            for cell, width, to_left in zip(row, widths, left, strict=True)
        ).rstrip()
        for row in cells
    ]

"""The tables of a service and what ties them, as an SVG that any browser shows: no program draws it but this one.

Tables stand in columns, each to the right of all that it refers to; those that nothing ties come last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from sqlalchemy import Column, ForeignKeyConstraint, Table

from orion_db.documents.models import Models, foreign_keys
from orion_db.documents.sql_text import type_text

_LETTER = 7.2
"""Width of a letter in pixels: the font has one width, so that nothing has to be measured."""
_LINE = 18
_PADDING = 10
_GAP_ACROSS = 90
_GAP_DOWN = 26
_TALLEST = 2200
"""Height of a column in pixels, above which it goes on beside itself."""

_STYLE = """
  text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #1f2328; }
  .box { fill: #ffffff; stroke: #8c959f; }
  .head { fill: #ddf4ff; stroke: #8c959f; }
  .title { font-weight: bold; }
  .type { fill: #656d76; }
  .key { fill: none; stroke: #0969da; stroke-width: 1.2; }
  .optional { stroke-dasharray: 5 4; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .box { fill: #161b22; stroke: #6e7681; }
    .head { fill: #12304d; stroke: #6e7681; }
    .type { fill: #9198a1; }
    .key { stroke: #58a6ff; }
  }
"""


@dataclass(frozen=True)
class _Box:
    table: Table
    x: float
    y: float
    width: float

    @property
    def height(self) -> float:
        return _height(self.table)

    def row(self, column: str) -> float:
        """Middle of the column's line."""
        return self.y + _LINE * (1.5 + list(self.table.columns.keys()).index(column))


def picture(models: Models) -> str:
    """The whole file. The same models give the same file, letter by letter."""
    boxes = _placed(_columns(models.tables))
    width = max(box.x + box.width for box in boxes.values()) + _PADDING
    height = max(box.y + box.height for box in boxes.values()) + _PADDING
    keys = [key for table in models.tables for key in foreign_keys(table)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" role="img">',
            f"<style>{_STYLE}</style>",
            *(_line(key, boxes) for key in keys),
            *(line for box in boxes.values() for line in _drawn(box)),
            "</svg>",
            "",
        ]
    )


def _columns(tables: Sequence[Table]) -> list[list[Table]]:
    """Tables by how many others stand between them and one that refers to nothing; those with no ties by themselves."""
    tied = {table for table in tables for key in foreign_keys(table) if key.referred_table is not table}
    tied |= {key.referred_table for table in tied for key in foreign_keys(table)}
    depths = {table: _depth(table, ()) for table in tables if table in tied}
    layers = [
        [table for table in tables if depths.get(table) == depth]
        for depth in range(max(depths.values(), default=0) + 1)
    ]
    layers.append([table for table in tables if table not in tied])
    return [column for layer in layers for column in _folded(layer) if column]


def _depth(table: Table, seen: tuple[Table, ...]) -> int:
    referred = {key.referred_table for key in foreign_keys(table)} - {table, *seen}
    return 1 + max(_depth(other, (*seen, table)) for other in referred) if referred else 0


def _folded(layer: list[Table]) -> list[list[Table]]:
    columns: list[list[Table]] = [[]]
    for table in layer:
        if columns[-1] and sum(_height(other) + _GAP_DOWN for other in columns[-1]) + _height(table) > _TALLEST:
            columns.append([])
        columns[-1].append(table)
    return columns


def _placed(columns: list[list[Table]]) -> dict[Table, _Box]:
    boxes: dict[Table, _Box] = {}
    x = float(_PADDING)
    for column in columns:
        width, y = max(_width(table) for table in column), float(_PADDING)
        for table in sorted(column, key=lambda table: (_pull(table, boxes), table.name)):
            boxes[table] = _Box(table, x, y, width)
            y += _height(table) + _GAP_DOWN
        x += width + _GAP_ACROSS
    return boxes


def _pull(table: Table, boxes: dict[Table, _Box]) -> float:
    """Where the tables that it refers to stand, on the average."""
    heights = [boxes[key.referred_table].y for key in foreign_keys(table) if key.referred_table in boxes]
    return sum(heights) / len(heights) if heights else 0.0


def _height(table: Table) -> float:
    return _LINE * (len(table.columns) + 1) + _PADDING / 2


def _width(table: Table) -> float:
    longest = max(len(_name(column)) + len(_kind(column)) + 3 for column in table.columns)
    return max(longest, len(table.name)) * _LETTER + 2 * _PADDING


def _name(column: Column[object]) -> str:
    return f"{'* ' if column.primary_key else ''}{column.name}"


def _kind(column: Column[object]) -> str:
    return type_text(column) + ("?" if column.nullable else "")


def _drawn(box: _Box) -> list[str]:
    lines = [
        f'<rect class="box" x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="4"/>',
        f'<rect class="head" x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{_LINE}" rx="4"/>',
        _text(box.x + _PADDING, box.y + 13, box.table.name, "title"),
    ]
    for column in box.table.columns:
        baseline = box.row(column.name) + 4
        lines.append(_text(box.x + _PADDING, baseline, _name(column)))
        lines.append(_text(box.x + box.width - _PADDING, baseline, _kind(column), "type", anchor="end"))
    return lines


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    marks = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor != "start" else "")
    return f'<text x="{x:.0f}" y="{y:.0f}"{marks}>{escape(words)}</text>'


def _line(key: ForeignKeyConstraint, boxes: dict[Table, _Box]) -> str:
    """From the referred row's right to the referring row's left, with a crow's foot; dashed where NULL is allowed."""
    element = key.elements[0]
    referring, referred = boxes[element.parent.table], boxes[key.referred_table]
    y_from, y_to = referred.row(element.column.name), referring.row(element.parent.name)
    x_from, x_to = referred.x + referred.width, referring.x
    out = bend = max(_GAP_ACROSS / 2, abs(x_to - x_from) / 3)
    foot = -9  # the crow's foot stands outside of the referring table
    if referring is referred:  # out of the right side, and into it again
        x_to, out, foot = x_from, -bend, 9
    optional = " optional" if any(column.nullable for column in key.columns) else ""
    points = ((x_from + bend, y_from), (x_to - out, y_to), (x_to + foot, y_to))
    curve = f"M {x_from:.0f} {y_from:.0f} C " + ", ".join(f"{x:.0f} {y:.0f}" for x, y in points)
    toes = f"M {x_to:.0f} {y_to - 5:.0f} L {x_to + foot:.0f} {y_to:.0f} L {x_to:.0f} {y_to + 5:.0f}"
    return f'<path class="key{optional}" d="{curve} {toes}"><title>{escape(str(key.name))}</title></path>'

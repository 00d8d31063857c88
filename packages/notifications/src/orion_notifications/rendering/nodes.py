"""What most templates are made of, rendered by shorter ways than python-liquid's own, to the same effect."""

from collections.abc import Mapping
from typing import Any, TextIO

from liquid import RenderContext, escape
from liquid.ast import Node
from liquid.builtin.content import ContentNode, Literal
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.primitive import StringLiteral
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.case_tag import CaseNode, CaseTag, MultiExpressionBlockNode
from liquid.expression import Expression
from liquid.stringify import to_liquid_string
from liquid.token import Token
from liquid.utils import ReadOnlyChainMap


class Scope(ReadOnlyChainMap):
    """Namespaces, looked through from the first. Most names are in the third, and exceptions are not cheap."""

    def __getitem__(self, key: str) -> object:
        for mapping in self._maps:
            if key in mapping:
                return mapping[key]
        raise KeyError(key)


class _WordsNode(ContentNode):
    """Words between tags."""

    def render(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(self.text)


class Words(Literal):
    """Reads words between tags."""

    node_class = _WordsNode


class _ValueNode(OutputNode):
    """A value. Where it is a variable and no more, it is looked up at once."""

    __slots__ = ("name",)

    def __init__(self, token: Token, expression: Expression) -> None:
        super().__init__(token, expression)
        self.name = _name(expression)

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        if self.name is not None and self.name in context.scope:
            value = context.scope[self.name]
            if type(value) is str:  # not what is markup already
                return buffer.write(escape(value) if context.autoescape else value)
            return buffer.write(to_liquid_string(value, context.autoescape))
        return super().render_to_output(context, buffer)


class Value(Output):
    """Reads values."""

    node_class = _ValueNode


def _name(expression: Expression) -> str | None:
    if isinstance(expression, FilteredExpression) and not expression.filters:
        return _variable(expression.left)
    return None


def _variable(expression: Expression) -> str | None:
    if isinstance(expression, Path) and len(expression.path) == 1 and isinstance(expression.path[0], str):
        return expression.path[0]
    return None


class _CaseNode(CaseNode):
    """A choice. Where all that it chooses by are strings, the one is looked up rather than compared with each."""

    __slots__ = ("by_string", "otherwise")

    def __init__(self, token: Token, expression: Expression, blocks: Any) -> None:
        super().__init__(token, expression, blocks)
        self.by_string, self.otherwise = _table(blocks)

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        if self.by_string is not None:
            value = self.expression.evaluate(context)
            if type(value) is str:
                block = self.by_string.get(value, self.otherwise)
                return 0 if block is None else block.render(context, buffer)
        return super().render_to_output(context, buffer)


class Case(CaseTag):
    """Reads choices."""

    node_class = _CaseNode


def _table(blocks: list[Any]) -> tuple[Mapping[str, Node] | None, Node | None]:
    """Blocks by their strings, and the one for all others; None where the choice is not as simple as that."""
    table: dict[str, Node] = {}
    for place, block in enumerate(blocks):
        if not isinstance(block, MultiExpressionBlockNode):
            return (table, block) if place == len(blocks) - 1 else (None, None)
        for condition in block.expression.children():
            if not isinstance(condition, StringLiteral) or condition.value in table:
                return None, None
            table[condition.value] = block.block
    return table, None

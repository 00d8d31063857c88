"""Liquid that ends: every node, look-up and filter is counted, and no value grows past what a message can hold.

What a template's writer types reaches no file, no network, no clock but the time of day and no attribute of a Python
object: python-liquid knows only mappings and filters, there is no loader, and only the tags and filters below exist.
"""

import re
from collections.abc import Mapping
from io import StringIO
from time import thread_time
from typing import Any, TextIO, cast

from liquid import BoundTemplate, Environment, RenderContext, StrictUndefined
from liquid.ast import Node
from liquid.builtin import illegal
from liquid.builtin.expressions import Identifier, LoopExpression
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags import (
    assign_tag,
    capture_tag,
    comment_tag,
    cycle_tag,
    decrement_tag,
    doc_tag,
    for_tag,
    if_tag,
    increment_tag,
    inline_comment_tag,
    render_tag,
    unless_tag,
)
from liquid.exceptions import (
    LiquidSyntaxError,
    OutputStreamLimitError,
    ResourceLimitError,
    TemplateNotFoundError,
)
from liquid.expression import Expression
from liquid.token import Token
from liquid.undefined import UNDEFINED

from orion_notifications.rendering.filters import FILTERS, weigh
from orion_notifications.rendering.nodes import Case, Scope, Value, Words

CPU_SECONDS = 0.25
"""What rendering one message may take of a processor; an ordinary one takes a thousandth, and collecting
garbage in between, which nobody can foresee, less than the rest."""
STEPS_BETWEEN_LOOKS = 64
LONGEST_OUTPUT = 1_000_000
LONGEST_SOURCE = 300_000
LONGEST_TAG = 2_000
"""Characters between the braces of one tag, so that no step takes long."""
MOST_TAGS = 5_000
DEEPEST_NESTING = 20

TAGS = (
    assign_tag.AssignTag,
    capture_tag.CaptureTag,
    Case,
    comment_tag.CommentTag,
    cycle_tag.CycleTag,
    decrement_tag.DecrementTag,
    doc_tag.DocTag,
    for_tag.ForTag,
    for_tag.BreakTag,
    for_tag.ContinueTag,
    if_tag.IfTag,
    increment_tag.IncrementTag,
    inline_comment_tag.InlineCommentTag,
    render_tag.RenderTag,
    unless_tag.UnlessTag,
)
"""No `include`, `extends` or `macro`, whose scopes leak or whose calls multiply; `render` finds the frozen partials."""


class OutOfTimeError(ResourceLimitError):
    """Rendering has taken longer than a message may."""


class Meter:
    """Counts steps, and looks now and then how much of the processor they took: a busy machine ends no rendering."""

    __slots__ = ("_ends", "_left")

    def __init__(self) -> None:
        self._left = STEPS_BETWEEN_LOOKS
        self._ends = thread_time() + CPU_SECONDS

    def spend(self, steps: int = 1) -> None:
        """Take steps; raises OutOfTimeError."""
        self._left -= steps
        if self._left < 0:
            if thread_time() > self._ends:
                raise OutOfTimeError("it takes too long to render", token=None)
            self._left = STEPS_BETWEEN_LOOKS


class _Sheet(StringIO):
    """What is written to; raises when it is full."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, text: str, /) -> int:
        self.room -= len(text)
        if self.room < 0:
            raise OutputStreamLimitError("output stream limit reached", token=None)
        return super().write(text)


class _Context(RenderContext):
    """A context that counts what is done in it."""

    __slots__ = ("meter",)

    def __init__(self, template: BoundTemplate, *, meter: Meter | None = None, **more: Any) -> None:
        parent: _Context | None = more.get("parent_context")
        self.meter = meter or (Meter() if parent is None else parent.meter)
        super().__init__(template, **more)
        self.scope = Scope(*self.scope._maps)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    @property
    def disabled_tags(self) -> list[str]:
        """None. Every node asks for them before it is rendered, which is where steps are counted."""
        self.meter.spend()
        return []

    @disabled_tags.setter
    def disabled_tags(self, value: list[str]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of `include` alone, which there is not."""

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        self.meter.spend()
        if len(path) == 1 and type(name := path[0]) is str and name in self.scope:
            return self.scope[name]
        return super().get(path, token=token, default=default)

    def assign(self, key: str, val: Any) -> None:
        self.meter.spend(1 + len(self.locals) + (weigh(val) >> 8))
        super().assign(key, val)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self.meter.spend(length >> 3)
        super().raise_for_loop_limit(length)

    def get_buffer(self, buf: TextIO | None = None) -> StringIO:
        return _Sheet(buf.room if isinstance(buf, _Sheet) else LONGEST_OUTPUT)


class Template(BoundTemplate):
    """A parsed template, with the partials that it may render."""

    context_class = _Context
    partials: Mapping[str, BoundTemplate] = {}

    def fill(self, variables: Mapping[str, object], meter: Meter) -> str:
        """Render; raises LiquidError, and whatever a filter raises."""
        sheet = _Sheet(LONGEST_OUTPUT)
        self.render_with_context(_Context(self, globals=variables, meter=meter), sheet)
        return sheet.getvalue()

    def names(self) -> frozenset[str]:
        """The variables that it and its partials use, of those that they do not make themselves."""
        return frozenset(self.global_variables())


class Liquid(Environment):
    """How one kind of part is parsed and rendered."""

    template_class = Template
    loop_iteration_limit = 10_000
    local_namespace_limit = LONGEST_OUTPUT
    block_nesting_limit = DEEPEST_NESTING
    context_depth_limit = DEEPEST_NESTING

    def __init__(self, *, markup: bool = False) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=markup)

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Only what is listed here."""
        for tag in (Words, illegal.Illegal, Value, *TAGS):
            self.add_tag(tag)
        self.filters = dict(FILTERS)

    def get_template(self, name: str, *, context: RenderContext | None = None, **_: Any) -> BoundTemplate:
        """The partial that was frozen with the template being rendered."""
        template = None if context is None else context.template
        found = template.partials.get(name) if isinstance(template, Template) else None
        if found is None:
            raise TemplateNotFoundError(f"there is no partial {name!r}")
        return found

    def read(self, source: str) -> Template:
        """Parse; raises LiquidError, and whatever the parser raises for what is nested too deeply."""
        _measure(source)
        template = cast("Template", self.from_string(source))
        for node in template.nodes:
            _refuse(node, RenderContext(template))
        return template


_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def _measure(source: str) -> None:
    if len(source) > LONGEST_SOURCE:
        raise LiquidSyntaxError(f"it is longer than {LONGEST_SOURCE:,} characters", token=None)
    count = 0
    for tag in _TAG.finditer(source):
        count += 1
        if tag.end() - tag.start() > LONGEST_TAG:
            raise LiquidSyntaxError(f"a tag is longer than {LONGEST_TAG:,} characters", token=None)
        if tag[0].count("[") > DEEPEST_NESTING:
            raise LiquidSyntaxError(f"a tag has more than {DEEPEST_NESTING} brackets", token=None)
    if count > MOST_TAGS:
        raise LiquidSyntaxError(f"there are more than {MOST_TAGS:,} tags", token=None)


def _refuse(node: Node, context: RenderContext) -> None:
    """A range that is not looped over could be walked in one step, however long it is: `(1..n) contains 0.5`.

    Nor is anything rendered that a variable names: there are no such partials, and `now` would be taken for one.
    """
    if isinstance(node, render_tag.RenderNode) and isinstance(node.name, Identifier):
        raise LiquidSyntaxError("a partial is named by a string, as in {% render 'name' %}", token=node.token)
    for expression in node.expressions():
        if isinstance(expression, LoopExpression) and isinstance(expression.iterable, RangeLiteral):
            continue
        _refuse_in(expression)
    for child in node.children(context, include_partials=False):
        _refuse(child, context)


def _refuse_in(expression: Expression) -> None:
    if isinstance(expression, RangeLiteral):
        raise LiquidSyntaxError("a range may only be looped over", token=expression.token)
    for part in expression.children():
        _refuse_in(part)


PLAIN = Liquid()
MARKUP = Liquid(markup=True)

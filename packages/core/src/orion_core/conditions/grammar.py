"""The words of a condition, as far as its cost and its names depend on them; what they mean is the CEL library's."""

import re
from dataclasses import dataclass
from typing import Self

LONGEST_TEXT = 2000
MOST_WORDS = 300
LONGEST_PATTERN = 200
MOST_PATTERNS = 3
MOST_SUMS = 10
"""It adds texts and lists, too, and each copies what all before it came to."""

LOOKING_THROUGH = frozenset({"all", "exists", "exists_one"})
TEXTS = ("size", "startsWith", "endsWith", "contains", "matches")
TYPES = ("timestamp", "duration", "int", "uint", "double", "string")
PARTS_OF_TIME = ("FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "Hours", "Minutes", "Seconds")
KNOWN_FUNCTIONS = frozenset((*TEXTS, *TYPES, *(f"get{part}" for part in PARTS_OF_TIME), "in_network", "local"))
BEFORE_PARENTHESES = KNOWN_FUNCTIONS | LOOKING_THROUGH | {"has", "in"}
"""Names that a parenthesis may follow; of macros (`existsOne` is one) the parser does not tell that they were used."""

_WORD = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<text>[bB]?[rR](?:\"\"\".*?\"\"\"|'''.*?'''|"[^"\n]*"|'[^'\n]*')  # a raw text ends at the first quote
      |[bB]?(?:\"\"\"(?:\\.|.)*?\"\"\"|'''(?:\\.|.)*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<number>0[xX][0-9a-fA-F]+[uU]?|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[uU]?|\.[0-9]+)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>&&|\|\||[=!<>]=|.)""",
    re.VERBOSE | re.DOTALL,
)
_FAULT = re.compile(r"<input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")


class InvalidConditionError(ValueError):
    """A text that is no condition: what is wrong, and where."""

    def __init__(self, code: str, detail: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {detail}")
        self.code = code
        self.detail = detail
        self.line = line
        self.column = column

    @classmethod
    def of_parser(cls, message: str) -> Self:
        """What the parser says."""
        found = _FAULT.search(message)
        if found is None:
            return cls("invalid_condition", "This is no CEL expression.", 1, 1)
        detail = found[3].partition(" expecting {")[0]
        return cls("invalid_condition", f"This is no CEL expression: {detail[:200]}.", int(found[1]), int(found[2]))


@dataclass(frozen=True)
class Word:
    """One word of a condition and where it stands."""

    kind: str
    text: str
    line: int
    column: int

    def fault(self, code: str, detail: str) -> InvalidConditionError:
        """That this word is wrong."""
        return InvalidConditionError(code, detail, self.line, self.column)


@dataclass(frozen=True)
class Source:
    """The words of a condition, without spaces and comments."""

    words: tuple[Word, ...]

    @classmethod
    def read(cls, text: str) -> Self:
        """The words of a text; refuses one that is too long, before anybody parses it."""
        if not text.strip() or len(text) > LONGEST_TEXT:
            raise InvalidConditionError("invalid_condition", f"It must have 1 to {LONGEST_TEXT} characters.", 1, 1)
        words: list[Word] = []
        for found in _WORD.finditer(text):
            if found.lastgroup != "space":
                line = text.count("\n", 0, found.start()) + 1
                column = found.start() - (text.rfind("\n", 0, found.start()) + 1) + 1
                words.append(Word(str(found.lastgroup), found[0], line, column))
        if len(words) > MOST_WORDS:
            raise words[MOST_WORDS].fault("condition_too_dear", f"It must have at most {MOST_WORDS} words.")
        sums = [word for word in words if word.kind == "sign" and word.text == "+"]
        if len(sums) > MOST_SUMS:
            raise sums[MOST_SUMS].fault("condition_too_dear", f"It must have at most {MOST_SUMS} times +.")
        return cls(tuple(words))

    def check(self, functions: frozenset[str], names: frozenset[str], variables: frozenset[str]) -> None:
        """Refuse what is not known, and what may take long; `functions` and `names` are those the parser found."""
        bound: set[str] = set()
        looking: list[bool] = []
        for position, word in enumerate(self.words):
            if word.text == "(" and word.kind == "sign":
                looking.append(self._opens_macro(position, looking, bound))
            elif word.text == ")" and word.kind == "sign" and looking:
                looking.pop()
        self._check_patterns()
        for position, word in enumerate(self.words):
            if word.kind == "name" and self._text(position + 1) == "(" and word.text not in BEFORE_PARENTHESES:
                raise word.fault("unknown_function", f"There is no function {word.text} here.")
        for unknown in sorted(functions - KNOWN_FUNCTIONS):
            if unknown[0].isalpha():
                raise self._first(unknown).fault("unknown_function", f"There is no function {unknown} here.")
        for unknown in sorted(names - variables - bound):
            detail = f"There is no variable {unknown}; there are {', '.join(sorted(variables))}."
            raise self._first(unknown).fault("unknown_variable", detail)

    def paths(self, variables: tuple[str, ...]) -> tuple[str, ...]:
        """What is looked at by name: `subject.level`, or a variable as a whole."""
        found: list[str] = []
        for position, word in enumerate(self.words):
            if word.kind != "name" or word.text not in variables or self._text(position - 1) == ".":
                continue
            path, at = [word.text], position + 1
            while self._text(at) == "." and self._kind(at + 1) == "name" and self._text(at + 2) != "(":
                path.append(self._text(at + 1))
                at += 2
            found.append(".".join(path))
        return tuple(dict.fromkeys(found))

    def _opens_macro(self, position: int, looking: list[bool], bound: set[str]) -> bool:
        """Whether this parenthesis is that of a macro that looks through a list."""
        name = self.words[position - 1] if position else self.words[position]
        if name.text == "matches" and any(looking):
            raise name.fault("condition_too_dear", "Patterns are not matched while a list is looked through.")
        if self._text(position - 2) != "." or name.text not in LOOKING_THROUGH:
            if self._text(position - 2) == "." and name.text in {"map", "filter"}:
                raise name.fault("condition_too_dear", "Lists are not made in a condition: use exists or all.")
            return False
        if any(looking):
            detail = "One list cannot be looked through inside another: it could take too long."
            raise name.fault("condition_too_dear", detail)
        bound.add(self._text(position + 1))
        return True

    def patterns(self) -> list[Word]:
        """The patterns of `matches`, as they are written."""
        return [self.words[position + 2] for position in self._uses_of("matches")]

    def _uses_of(self, function: str) -> list[int]:
        return [
            position
            for position, word in enumerate(self.words)
            if (word.kind, word.text) == ("name", function) and self._text(position + 1) == "("
        ]

    def _check_patterns(self) -> None:
        """A pattern is written out, short and without counted repetition, so that its cost is known."""
        uses = self._uses_of("matches")
        if len(uses) > MOST_PATTERNS:
            raise self.words[uses[-1]].fault("condition_too_dear", f"It must have at most {MOST_PATTERNS} matches.")
        for position in uses:
            pattern = self.words[position + 2]
            if pattern.kind != "text" or self._text(position + 3) != ")":
                raise pattern.fault("condition_too_dear", "The pattern of matches must be written out.")
            if len(pattern.text) > LONGEST_PATTERN or "{" in pattern.text:
                detail = f"A pattern has at most {LONGEST_PATTERN} characters and no counted repetition."
                raise pattern.fault("condition_too_dear", detail)

    def _first(self, name: str) -> Word:
        return next((word for word in self.words if word.text == name), self.words[0])

    def _text(self, position: int) -> str:
        return self.words[position].text if 0 <= position < len(self.words) else ""

    def _kind(self, position: int) -> str:
        return self.words[position].kind if 0 <= position < len(self.words) else ""

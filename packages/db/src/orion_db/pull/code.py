"""Python as the house writes it: calls on one line where they fit, else one argument a line."""

import keyword
import re

_WIDTH = 120


def call(head: str, arguments: list[str], *, indent: int = 4, before: str = "") -> str:
    """`before head(arguments)`, indented; `before` is for example `name: Mapped[str] = `."""
    pad = " " * indent
    flat = f"{pad}{before}{head}({', '.join(arguments)})"
    if len(flat) <= _WIDTH and "\n" not in flat:
        return flat
    together = f"{pad}    {', '.join(arguments)}"
    if len(together) <= _WIDTH and "\n" not in together:
        return f"{pad}{before}{head}(\n{together}\n{pad})"
    inside = "\n".join(f"{pad}    {argument}," for argument in arguments)
    return f"{pad}{before}{head}(\n{inside}\n{pad})"


def string(text: str) -> str:
    """A literal in double quotes where that needs no escape."""
    return f'"{text}"' if '"' not in text and "\\" not in text and text.isprintable() else repr(text)


def sql_text(sql: str) -> str:
    """The literal of SQL that SQLAlchemy reads as text(): there a colon before a word would be a parameter."""
    return string(re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", unqualified(sql)))


def block(sql: str) -> str:
    """SQL as a literal that keeps its lines."""
    if "\n" not in sql:
        return string(sql)
    quotes = '"""' if '"""' not in sql and not sql.endswith('"') else "'''"
    raw = "r" * ("\\" in sql)
    return f"{raw}{quotes}\n{sql.strip()}\n{quotes}" if quotes not in sql else repr(sql)


def unqualified(sql: str) -> str:
    """The SQL without `public.`, outside of literals and quoted names: models are written for that schema."""
    return re.sub(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|\bpublic\.""", lambda found: found.group(1) or "", sql)


def class_name(table: str) -> str:
    """`role_permissions` becomes RolePermission."""
    words = re.findall(r"[A-Za-z0-9]+", table) or ["table"]
    words[-1] = _singular(words[-1])
    name = "".join(word[:1].upper() + word[1:] for word in words)
    return name if name.isidentifier() and name not in ("Table", "Enum") else f"Of{name}"


def attribute(column: str) -> str:
    """The name of a column in Python: declarative keeps `metadata` and `registry` for itself."""
    name = re.sub(r"\W", "_", column)
    name = name if name.isidentifier() else f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name in ("metadata", "registry") else name


def split(words: str) -> list[str]:
    """At commas outside of parentheses and quotes."""
    parts: list[str] = []
    depth, quote, start = 0, "", 0
    for position, letter in enumerate(words):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([":
            depth += 1
        elif letter in ")]":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(words[start:position].strip())
            start = position + 1
    return [*parts, words[start:].strip()]


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word

"""The code of a migration's functions: calls of `op`, laid out as ruff's formatter would leave them."""

import ast

_WIDTH = 120
_STEP = 4


def executed(statement: str) -> str:
    """The call that executes a statement. Alembic reads `:name` as a parameter, so a colon before a word is escaped."""
    return f"op.execute({_without_parameters(statement)!r})"


def laid_out(code: str, indent: int) -> str:
    """The calls, one after the other, indented by so many spaces.

    Orion has no formatter where it runs, and a file that the next `make fmt` changes would change its checksum.
    """
    statements = ast.parse(code).body
    return "\n".join(" " * indent + _statement(statement, indent) for statement in statements)


def names_in(code: str) -> set[str]:
    """The names that the code uses: `op`, `sa`, `postgresql`."""
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


def _statement(statement: ast.stmt, indent: int) -> str:
    if not isinstance(statement, ast.Expr):
        return ast.unparse(statement)
    match statement.value:
        case ast.Call(func=function, args=[ast.Constant(value=str() as text)], keywords=[]) if "\n" in text:
            return f"{ast.unparse(function)}({_of_several_lines(text)})"
        case expression:
            return _laid_out(expression, indent, 0)


def _laid_out(node: ast.expr, indent: int, after: int) -> str:
    """The expression, first on one line; `after` characters follow it on its last line."""
    flat = _flat(node)
    if indent + len(flat) + after <= _WIDTH:
        return flat
    inner = "\n" + " " * (indent + _STEP)
    outer = "\n" + " " * indent
    if isinstance(node, ast.Call):
        head, last = f"{_flat(node.func)}(", ")"
        arguments = ", ".join(_flat(item) for item in _arguments(node))
        if not arguments:
            return flat
        if indent + _STEP + len(arguments) <= _WIDTH:
            return head + inner + arguments + outer + last
        items = [_argument(item, indent + _STEP) for item in _arguments(node)]
    elif isinstance(node, ast.List | ast.Tuple):
        head, last = ("[", "]") if isinstance(node, ast.List) else ("(", ")")
        items = [_laid_out(item, indent + _STEP, 1) for item in node.elts]
    else:
        return flat
    return head + "".join(f"{inner}{item}," for item in items) + outer + last


def _arguments(call: ast.Call) -> list[ast.expr | ast.keyword]:
    return [*call.args, *call.keywords]


def _argument(item: ast.expr | ast.keyword, indent: int) -> str:
    if isinstance(item, ast.keyword):
        name = f"{item.arg}="
        return name + _laid_out(item.value, indent, len(name) + 1)
    return _laid_out(item, indent, 1)


def _flat(node: ast.expr | ast.keyword) -> str:
    match node:
        case ast.keyword(arg=name, value=value):
            return f"{name}={_flat(value)}"
        case ast.Call(func=function):
            return f"{_flat(function)}({', '.join(_flat(item) for item in _arguments(node))})"
        case ast.Attribute(value=value, attr=name):
            return f"{_flat(value)}.{name}"
        case ast.List(elts=items):
            return f"[{', '.join(map(_flat, items))}]"
        case ast.Tuple(elts=items):
            return f"({', '.join(map(_flat, items))}{',' if len(items) == 1 else ''})"
        case ast.Dict(keys=keys, values=values) if all(keys):
            pairs = (f"{_flat(key)}: {_flat(value)}" for key, value in zip(keys, values, strict=True) if key)
            return f"{{{', '.join(pairs)}}}"
        case ast.Constant(value=str() as text):
            return _string(text)
        case _:
            return ast.unparse(node)


def _string(text: str) -> str:
    """In double quotes, unless single ones need fewer backslashes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    body = repr(text + "'" + '"')[1:-1].removesuffix("\\'\"")  # with both in it, repr() escapes the single ones only
    body = body.replace("\\'", "'")
    return quote + body.replace(quote, "\\" + quote) + quote


def _of_several_lines(text: str) -> str:
    """Its layout is kept: it may be inside of a literal."""
    quotes = "'''" if '"""' in text or text.endswith('"') else '"""'
    if quotes in text or text.endswith("\\"):
        return repr(text)
    return ("r" if "\\" in text else "") + quotes + text + quotes


def _without_parameters(statement: str) -> str:
    result: list[str] = []
    for position, letter in enumerate(statement):
        before = statement[position - 1] if position else ""
        after = statement[position + 1] if position + 1 < len(statement) else ""
        is_parameter = letter == ":" and (after.isalnum() or after == "_") and before not in (":", "\\")
        result.append("\\:" if is_parameter and not (before.isalnum() or before == "_") else letter)
    return "".join(result)

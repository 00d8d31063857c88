"""The page that a browser sees which comes back with nothing that is known here. It loads nothing and runs nothing."""

from html import escape

from orion_core.errors import Problem

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def refused(problem: Problem) -> str:
    """What went wrong, and what to do; there is nowhere to send the browser on to."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<title>{escape(problem.title)}</title><meta name="viewport" content="width=device-width">'
        '<meta name="robots" content="noindex"></head>'
        f"<body><main><h1>{escape(problem.title)}</h1><p>{escape(problem.detail)}</p></main></body></html>"
    )

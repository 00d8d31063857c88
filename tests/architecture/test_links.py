"""Whatever is mailed as a link answers HEAD as it answers GET: those who look through mails send either."""

import re
from pathlib import Path

ROUTES = sorted(Path(__file__).resolve().parents[2].glob("packages/*/src/**/routes.py"))
PAGE = re.compile(r'@router\.get\(\s*"([^"]*\{token\}[^"]*)"[^@]*?\)\n(@router\.head\(\s*"\1")?', re.DOTALL)


def test_every_link_answers_head() -> None:
    links = [(file, *found) for file in ROUTES for found in PAGE.findall(file.read_text())]
    assert len(links) >= 10
    without = [f"{file.parent.name}: {path}" for file, path, head in links if not head]
    assert without == [], 'put @router.head("…", include_in_schema=False) below @router.get'

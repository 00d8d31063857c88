"""Templates as files: written out, linted without a database, brought back."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orion_core.testing import MovableClock
from orion_notifications.authoring import actions
from orion_notifications.authoring.actions import Writer
from orion_notifications.authoring.files import TemplateFilesError, read_folder, write_template
from orion_notifications.authoring.filing import bring_in, in_force, lint_all
from orion_notifications.templates.actions import Filters

if TYPE_CHECKING:
    from orion_core.database import Database


async def test_what_is_written_out_is_right_and_comes_back_only_when_it_differs(
    database: "Database", clock: MovableClock, tmp_path: Path
) -> None:
    writer = Writer(database, None, clock())
    for template, version in await in_force(database):
        write_template(tmp_path, template, version)
    assert [finding for _, finding in lint_all(read_folder(tmp_path))] == []
    assert await bring_in(writer, read_folder(tmp_path), publish=True) == []

    subject = tmp_path / "EMAIL" / "welcome" / "en" / "subject.txt"
    subject.write_text("Hello, {{ name }} of {{ product_name }}")
    assert await bring_in(writer, read_folder(tmp_path), publish=True) == ["EMAIL welcome: version 2 is in force"]
    assert await bring_in(writer, read_folder(tmp_path), publish=True) == []
    (row,) = await actions.page(database, Filters(words="welcome email"), None, 5)
    shown = await actions.version(database, row["id"], 2)
    assert shown["locales"]["en"]["subject"] == subject.read_text()

    subject.write_text("{{ nobody }}")
    assert ("EMAIL welcome", "unknown_variable") in [(name, one.code) for name, one in lint_all(read_folder(tmp_path))]


@pytest.mark.parametrize(
    ("file", "content", "fault"),
    [
        ("template.json", "{", "welcome"),
        ("template.json", '{"display_name": "x", "category": "PIGEON"}', "category"),
        ("en/body.html", "x", "body.html is none of"),
        ("english/text.liquid", "x", "BCP 47"),
    ],
)
async def test_a_file_that_does_not_fit_is_named(
    database: "Database", tmp_path: Path, file: str, content: str, fault: str
) -> None:
    ((template, version),) = [one for one in await in_force(database) if one[0]["name"] == "welcome"]
    place = write_template(tmp_path, template, version)
    (place / file).parent.mkdir(exist_ok=True)
    (place / file).write_text(content)
    with pytest.raises(TemplateFilesError, match=fault):
        read_folder(tmp_path)

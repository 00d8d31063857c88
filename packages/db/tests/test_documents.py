"""What `orion db generate` writes from the models, besides Prisma's schema: the picture and the rows' types."""

import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints
from xml.etree import ElementTree

import pytest
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.schema import CreateTable

from orion_core.service import Service, installed_services
from orion_db.documents.generate import documents
from orion_db.documents.models import Models
from orion_db.documents.picture import picture
from orion_db.documents.rows import rows

SVG = "{http://www.w3.org/2000/svg}"

every_service = pytest.mark.parametrize("service", installed_services().values(), ids=lambda service: service.name)


@every_service
def test_the_picture_shows_every_table_column_and_foreign_key(service: Service) -> None:
    drawn = ElementTree.fromstring(picture(Models(service.metadata)))
    words = [text.text or "" for text in drawn.iter(f"{SVG}text")]
    for table in service.metadata.tables.values():
        assert words.count(table.name) >= 1
        assert {column.name for column in table.columns} <= {word.removeprefix("* ") for word in words}
    lines = sorted(title.text or "" for title in drawn.iter(f"{SVG}title"))
    keys = (str(key.name) for table in service.metadata.tables.values() for key in table.foreign_key_constraints)
    assert lines == sorted(keys)


@every_service
def test_no_table_of_the_picture_stands_on_another(service: Service) -> None:
    drawn = ElementTree.fromstring(picture(Models(service.metadata)))
    boxes = [
        tuple(float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        for box in drawn.iter(f"{SVG}rect")
        if box.attrib["class"] == "box"
    ]
    assert len(boxes) == len(service.metadata.tables)
    for number, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[number + 1 :]:
            apart_across = x + width <= other_x or other_x + other_width <= x
            apart_down = y + height <= other_y or other_y + other_height <= y
            assert apart_across or apart_down


@every_service
def test_the_rows_name_every_column_with_its_type(service: Service) -> None:
    namespace: dict[str, Any] = {}
    exec(compile(rows(service), "rows.py", "exec"), namespace)
    models = Models(service.metadata)
    for table in models.tables:
        hints = get_type_hints(namespace[models.name(table)])
        assert list(hints) == [column.name for column in table.columns]
        for column in table.columns:
            assert (type(None) in getattr(hints[column.name], "__args__", ())) == bool(column.nullable)
        if "id" in hints:
            assert hints["id"] is table.columns["id"].type.python_type


def test_what_is_written_is_as_the_formatter_leaves_it(tmp_path: Path) -> None:
    for service in installed_services().values():
        (tmp_path / f"{service.name}.py").write_text(rows(service), encoding="utf-8")
    settings = Path(__file__).parents[3] / "pyproject.toml"
    for check in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--config", str(settings), str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_writing_the_documents_leaves_the_models_as_they_are() -> None:
    service = installed_services()["user"]
    documents(service)
    assert "EXCLUDE USING gist" in str(CreateTable(service.metadata.tables["user_roles"]).compile(dialect=dialect()))

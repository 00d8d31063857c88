"""Which databases a command is about."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import orion_db
from orion_core.service import installed_services
from orion_db.targets import read_environment, read_targets, read_up_state, select_services

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

URL = "postgresql://me:a-secret@db.example:6543/orion_shop"


async def test_the_owner_url_falls_back_to_the_services(shop: "Shop") -> None:
    (target,) = read_targets([shop.service], {"SHOP_DATABASE_URL": URL})
    assert (target.url, target.owner_url, target.database, target.login) == (URL, URL, "orion_shop", "me")
    assert target.address() == "db.example:6543"
    assert "a-secret" not in repr(target)


async def test_a_url_without_a_database_means_the_services_own(shop: "Shop") -> None:
    (target,) = read_targets([shop.service], {"SHOP_DATABASE_URL": "postgresql://localhost"})
    assert target.database == "orion_shop"


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, "url_missing"),
        ({"SHOP_DATABASE_URL": "  "}, "url_missing"),
        ({"SHOP_DATABASE_URL": "mysql://me:a-secret@localhost/x"}, "url_unreadable"),
        ({"SHOP_DATABASE_URL": "a-secret"}, "url_unreadable"),
        ({"SHOP_DATABASE_URL": URL, "SHOP_DATABASE_OWNER_URL": f"{URL}_2"}, "urls_disagree"),
    ],
    ids=["missing", "blank", "another kind", "no URL", "two databases"],
)
async def test_what_is_wrong_with_a_variable_is_said(shop: "Shop", environment: dict[str, str], code: str) -> None:
    with pytest.raises(orion_db.Problem) as raised:
        read_targets([shop.service], environment)
    assert raised.value.code == code
    assert "SHOP_DATABASE_URL" in str(raised.value)
    assert "a-secret" not in str(raised.value)


async def test_what_orion_up_runs_is_used_where_nothing_is_set(shop: "Shop", tmp_path: Path) -> None:
    local = {"SHOP_DATABASE_URL": URL, "SHOP_DATABASE_OWNER_URL": URL.replace("me:", "postgres:")}
    (tmp_path / ".orion").mkdir()
    (tmp_path / ".orion" / "up.json").write_text(json.dumps({"pid": 1, "environment": local}), encoding="utf-8")
    below = tmp_path / "packages" / "shop"
    below.mkdir(parents=True)
    (target,) = read_targets([shop.service], {}, read_up_state(below))
    assert (target.login, target.service_login) == ("postgres", "me")
    own = {"SHOP_DATABASE_URL": "postgresql://own@localhost/orion_shop"}
    (target,) = read_targets([shop.service], own, read_up_state(below))
    assert target.login == "own", "the login of one server is none on another"


def test_the_environment_stands_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text('SHOP_A="of the file"\nSHOP_B="of the file"\n', encoding="utf-8")
    monkeypatch.setenv("SHOP_B", "of the environment")
    found = read_environment(tmp_path)
    assert (found["SHOP_A"], found["SHOP_B"]) == ("of the file", "of the environment")


def test_words_choose_services(tmp_path: Path) -> None:
    names = list(installed_services())
    assert [service.name for service in select_services([], tmp_path)] == names
    assert [service.name for service in select_services(["all"], tmp_path)] == names
    assert [service.name for service in select_services(["user", "auth"], tmp_path)] == ["auth", "user"]
    inside = installed_services()["user"].package / "src"
    assert [service.name for service in select_services([], inside)] == ["user"]
    with pytest.raises(orion_db.Problem, match="Installed are: auth, notifications, user"):
        select_services(["orders"], tmp_path)


def test_production_is_a_word_of_the_environment() -> None:
    assert orion_db.is_production({"ORION_ENV": " Production "})
    assert not orion_db.is_production({"ORION_ENV": "staging"})
    assert not orion_db.is_production({})


async def test_a_service_installed_without_its_source_has_no_documents(shop: "Shop", tmp_path: Path) -> None:
    from orion_db.documents.generate import generate

    with pytest.raises(orion_db.Problem) as raised:
        generate(replace(shop.service, package=tmp_path))
    assert raised.value.code == "no_source_tree"

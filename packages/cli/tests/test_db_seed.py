"""The words of `orion db seed`: services and a profile, in any order."""

import pytest
from typer.testing import CliRunner

from orion_cli.db import commands
from orion_cli.db.run import Run
from orion_cli.db.seeding import SeedProfile, understood


@pytest.mark.parametrize(
    ("words", "option", "services", "profile"),
    [
        ([], None, [], None),
        (["all"], None, ["all"], None),
        (["auth", "reference"], None, ["auth"], SeedProfile.REFERENCE),
        (["demo", "user", "auth"], None, ["user", "auth"], SeedProfile.DEMO),
        (["auth"], SeedProfile.DEVELOPMENT, ["auth"], SeedProfile.DEVELOPMENT),
        (["demo"], SeedProfile.DEMO, [], SeedProfile.DEMO),
    ],
)
def test_words(words: list[str], option: SeedProfile | None, services: list[str], profile: SeedProfile | None) -> None:
    assert understood(Run("seed", json=False), words, option) == (services, profile)


@pytest.mark.parametrize(
    "words",
    [
        ["demo", "reference"],
        ["auth", "--users", "1000"],
        ["reference", "--seed", "3"],
        ["--dry-run"],
        ["explain", "me"],
    ],
)
def test_wrong_words_end_with_3(words: list[str]) -> None:
    assert CliRunner().invoke(commands, ["seed", *words]).exit_code == 3

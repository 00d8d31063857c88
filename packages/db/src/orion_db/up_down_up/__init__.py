"""Migrations tried before anybody relies on them: up, down and up again, with rows in the tables."""

from orion_db.up_down_up.trial import Carriage, Trial
from orion_db.up_down_up.trials import Trials, try_migrations

__all__ = ["Carriage", "Trial", "Trials", "try_migrations"]

"""Airflow's database for the page's tests: SQLite, and PostgreSQL as a deployment has it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.deployment.postgres import postgres
from tests.servers.airflow import AirflowHome, airflow_environment

#: As parameters of a test; PostgreSQL is a system package that ``make deployment`` installs.
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.deployment)]


@contextmanager
def home_on(database: str, folder: Path) -> Iterator[AirflowHome]:
    """An Airflow with an empty database, below a folder."""
    home = airflow_environment(folder / "airflow")
    home.home.mkdir()
    if database == "sqlite":
        home.initialise()
        yield home
        return
    with postgres("only-for-tests") as server:
        address = server.dsn.replace("postgresql://", "postgresql+psycopg2://")
        home = replace(home, environment={**home.environment, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address})
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(command, env=home.process_environment(), check=True, capture_output=True)
        yield home

"""Airflow's API server with the page in it, and a headless Chromium that looks at it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.servers.airflow import AirflowHome, airflow_environment
from tests.servers.standalone import free_ports
from tests.servers.waiting import wait_until

#: The deployment has a path before Airflow's own.
PREFIX = "/flows"
PAGE = f"{PREFIX}/plugin/tiktok-offline"
_BROKEN = """
from airflow_provider_tiktok_offline.dag_factory import raise_broken_advertisers

raise_broken_advertisers(globals(), "advertisers.yaml")
"""
_FACTORY = """
from airflow_provider_tiktok_offline.dag_factory import build_dags

build_dags(globals(), "advertisers.yaml")
"""
_ADVERTISERS = """
advertisers:
  - {name: corner_shop, advertiser_id: "7000000000000000101", event_set_id: "7000000000000000201", state_uri: /state,
     source: {path: "/in/sales_{{ ds_nodash }}.csv"}}
  - {name: outlet_wien, advertiser_id: "7000000000000000102", event_set_id: "7000000000000000202", state_uri: /state,
     source: {path: "/in/wien_{{ ds_nodash }}.csv"}, curency: EUR}
  - {name: kiosk_graz, state_uri: /state}
"""


def empty_home(folder: Path) -> AirflowHome:
    """An Airflow without a DAG."""
    home = airflow_environment(folder)
    home.home.mkdir()
    home.initialise()
    return home


def seeded_home(
    folder: Path, *, advertisers: int, days: int, broken: int = 0, incidents: Sequence[str] = ()
) -> AirflowHome:
    """An Airflow with a DAG of its own, two and more broken entries, and invented advertisers in every state.

    :param broken: how many more.
    :param incidents: what TikTok's status feed lists.
    """
    home = empty_home(folder)
    more = "".join(f"  - {{name: broken_{number}}}\n" for number in range(broken))
    (home.dags / "advertisers.yaml").write_text(_ADVERTISERS + more)
    (home.dags / "factory.py").write_text(_FACTORY)
    (home.dags / "broken.py").write_text(_BROKEN)
    seeding = ["tests.plugin.seeding", str(advertisers), str(days), *incidents]
    for command in (["airflow", "dags", "reserialize"], seeding):
        subprocess.run(
            [sys.executable, "-m", *command], env=home.process_environment(), check=True, capture_output=True
        )
    return home


@contextmanager
def api_server(home: AirflowHome) -> Iterator[str]:
    """Airflow's API server alone, below a path; everybody is an administrator."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    environment = {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"{url}{PREFIX}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    with (home.home / "api-server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "api-server"],
            env=home.process_environment(environment),
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: _answers(f"{url}{PREFIX}/api/v2/version"), "an API server that answers", seconds=300)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url).status_code == 200
    return False


@contextmanager
def a_chromium() -> Iterator[Any]:
    """Debian's Chromium, by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        yield browser
        browser.close()


@contextmanager
def a_page(chromium: Any, url: str, *, scheme: str = "light", width: int = 1500, zone: str = "UTC") -> Iterator[Any]:
    """A page of somebody who has logged in; it fails on an error of a script, and on a request to another host."""
    context = chromium.new_context(viewport={"width": width, "height": 950}, color_scheme=scheme, timezone_id=zone)
    page = context.new_page()
    page.set_default_timeout(60_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda asked: faults.append(asked.url) if not asked.url.startswith((url, f"blob:{url}", "data:")) else None,
    )
    page.goto(f"{url}{PREFIX}/auth/token/login")
    yield page
    context.close()
    assert faults == []


def show(page: Any, url: str, query: str = "") -> None:
    """Open the page, and wait until its data are there."""
    page.goto(f"{url}{PAGE}{query}")
    page.wait_for_selector(".to-page h1")

"""The page in Airflow as a browser shows it: ``make browser`` (Debian's chromium, Playwright and axe from PyPI)."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.plugin.seeding import SCENES, dag_id_of, name_of
from tests.servers.airflow import AirflowHome, airflow_environment
from tests.servers.standalone import free_ports
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

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
  - {name: broken_shop, colour: red}
"""


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


def _home(folder: Path) -> AirflowHome:
    home = airflow_environment(folder)
    home.home.mkdir()
    home.initialise()
    return home


@pytest.fixture(scope="module", name="chromium")
def _chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module", name="airflow")
def _airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An Airflow with a DAG of its own, a broken entry, and invented advertisers in every state."""
    home = _home(tmp_path_factory.mktemp("browser") / "airflow")
    (home.dags / "advertisers.yaml").write_text(_ADVERTISERS)
    (home.dags / "factory.py").write_text(_FACTORY)
    (home.dags / "broken.py").write_text(_BROKEN)
    for command in (["airflow", "dags", "reserialize"], ["tests.plugin.seeding", "40", "30"]):
        subprocess.run(
            [sys.executable, "-m", *command], env=home.process_environment(), check=True, capture_output=True
        )
    with api_server(home) as url:
        yield url


@contextmanager
def a_page(chromium: Any, url: str, *, scheme: str = "light", width: int = 1500) -> Iterator[Any]:
    """A page of somebody who has logged in; it fails on an error of a script, and on a request to another host."""
    context = chromium.new_context(viewport={"width": width, "height": 950}, color_scheme=scheme)
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


def _serious(page: Any) -> list[str]:
    """What axe finds serious or worse in the page's own part."""
    from axe_core_python.sync_playwright import Axe

    found = Axe().run(page, context=".to-page")
    return [
        f"{fault['id']}: {node['html'][:200]}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


def _show(page: Any, url: str, query: str = "") -> None:
    page.goto(f"{url}{PAGE}{query}")
    page.wait_for_selector(".to-page h1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1500, 390])
def test_axe_finds_nothing_serious(chromium: Any, airflow: str, scheme: str, width: int) -> None:
    """Overview, a failed advertiser and one by LiveRamp, in both themes, wide and on a phone; nothing overflows."""
    with a_page(chromium, airflow, scheme=scheme, width=width) as page:
        for query in ("", *(f"?advertiser={dag_id_of(SCENES.index(scene))}" for scene in ("failed", "liveramp"))):
            _show(page, airflow, query)
            assert _serious(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_overview_shows_the_worst_first_and_broken_entries_above(chromium: Any, airflow: str) -> None:
    """Word, sign, reason and the next action, as a person reads them."""
    with a_page(chromium, airflow) as page:
        _show(page, airflow)
        assert "broken_shop" in page.locator(".to-alert").first.inner_text()
        first = page.locator(".to-overview tbody tr").first.inner_text()
        assert name_of(0) in first
        assert "✕" in first
        assert "auth login" in first
        approval = page.locator("tr", has_text="needs approval")
        assert approval.get_by_role("link", name="Open approve").get_attribute("href").startswith(f"{PREFIX}/dags/")


def test_the_keyboard_reaches_an_advertiser_and_its_reasons(chromium: Any, airflow: str) -> None:
    """Enter on its name opens the page; Enter on a step of the funnel opens the reasons."""
    with a_page(chromium, airflow) as page:
        _show(page, airflow)
        page.get_by_role("link", name=name_of(20), exact=True).focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(f"h1:has-text('{name_of(20)}')")
        page.locator(".to-step summary").first.focus()
        page.keyboard.press("Enter")
        assert "refused by our rules" in page.locator(".to-reasons").first.inner_text()
        page.get_by_role("button", name="Local time").focus()
        page.keyboard.press("Space")
        assert page.get_by_role("button", name="Local time").get_attribute("aria-pressed") == "true"


def test_a_tab_on_the_dag_shows_the_same(chromium: Any, airflow: str) -> None:
    """It needs no way through the menu."""
    with a_page(chromium, airflow) as page:
        page.goto(f"{airflow}{PREFIX}/dags/tiktok_offline__corner_shop/plugin/tiktok-offline-advertiser")
        page.wait_for_selector(".to-page h1:has-text('corner_shop')")
        assert "The DAG is paused" in page.locator(".to-page").inner_text()


def test_an_empty_installation_says_what_to_do(chromium: Any, tmp_path: Path) -> None:
    """Nobody looks at an empty table."""
    with api_server(_home(tmp_path / "airflow")) as url, a_page(chromium, url) as page:
        _show(page, url)
        assert "No advertiser yet" in page.locator(".to-page").inner_text()
        assert _serious(page) == []

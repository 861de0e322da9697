"""Pictures of Airflow's pages with this provider in it, taken by a real browser.

``python -m tests.integration.screenshots FOLDER`` starts an Airflow, an S3 server and the simulator, runs the daily DAG
for four days' files (one of them worse than its gate) and photographs graph and grid, a task with its links, the report
behind one of them, and the connection form. It needs Playwright's Python package (any recent one; no other command here
does) and Debian's ``chromium``.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.integration.shops import Shops
from tests.servers.airflow import airflow_environment
from tests.servers.airflow_api import AirflowApi
from tests.servers.s3 import s3_server
from tests.servers.simulator import simulator
from tests.servers.standalone import standalone
from tests.servers.waiting import wait_until

DAG_ID = "tiktok_offline_daily"


def main() -> None:
    """Take all pictures."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, s3_server() as s3, simulator() as api:
        home = Path(temporary) / "airflow"
        home.mkdir()
        airflow = airflow_environment(home)
        airflow.initialise()
        s3.make_bucket("shops")
        shops = Shops(
            Path(temporary), airflow, api, state_uri="s3://s3_state@shops/tiktok", connections=[s3.connection()]
        )
        with standalone(airflow, shops.environment()) as running:
            wait_until(lambda: running.knows(DAG_ID), DAG_ID)
            _photograph(folder, running, _runs(shops, running))


def _runs(shops: Shops, running: AirflowApi) -> list[str]:
    running.unpause(DAG_ID)
    wait_until(lambda: bool(running.runs(DAG_ID)), "the scheduled run")
    [first] = running.runs(DAG_ID)
    ids = [first["dag_run_id"]]
    first_day = datetime.fromisoformat(first["data_interval_start"]).date()
    shops.write(f"corner_{first_day:%Y%m%d}.csv", seed=1, bad_ratio=0.02)
    running.finished(DAG_ID, ids[0])
    for back, bad in ((1, 0.2), (2, 0.03), (3, 0.04)):
        day = first_day - timedelta(days=back)
        shops.write(f"corner_{day:%Y%m%d}.csv", seed=1 + back, bad_ratio=bad)
        ids.append(running.trigger(DAG_ID, file_day=day.isoformat()))
        running.finished(DAG_ID, ids[-1])
    return ids


def _photograph(folder: Path, running: AirflowApi, runs: list[str]) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        page = browser.new_page(viewport={"width": 1500, "height": 860})
        page.set_default_timeout(120_000)
        page.goto(f"{running.url}/auth/token/login")
        for view in ("grid", "graph"):
            page.goto(f"{running.url}/dags/{DAG_ID}/runs/{runs[-1]}")
            _settle(page)
            if view == "graph":
                page.keyboard.press("g")
            _take(page, folder / f"{view}.png")
        page.goto(f"{running.url}/dags/{DAG_ID}/runs/{runs[-1]}/tasks/summary/details")
        _take(page, folder / "task.png")
        links = running.get(f"/dags/{DAG_ID}/dagRuns/{runs[-1]}/taskInstances/summary/links")["extra_links"]
        page.goto(f"{running.url}/connections")
        _form(page)
        _take(page, folder / "connection-form-standard.png")
        page.get_by_text("Extra Fields", exact=True).click()
        _take(page, folder / "connection-form-extra.png")
        page.goto(links["Conversion file report"])
        _take(page, folder / "report.png")
        browser.close()


def _form(page: Any) -> None:
    page.get_by_role("button", name="Add Connection").click()
    page.locator("input[name=connection_id]").fill("tiktok_default")
    page.get_by_role("combobox").first.click()
    page.keyboard.type("TikTok")
    page.keyboard.press("Enter")
    _settle(page)


def _settle(page: Any) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(4000)  # the graph is laid out after its data came, and a busy machine is slow


def _take(page: Any, file: Path) -> None:
    _settle(page)
    page.screenshot(path=str(file))


if __name__ == "__main__":
    main()

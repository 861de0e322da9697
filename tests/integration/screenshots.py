"""Pictures of Airflow's pages with this provider in it, taken by a real browser.

``python -m tests.integration.screenshots FOLDER`` starts an Airflow, an S3 server and the simulator, runs the factory's
DAG of an entry for four days' files (one of them worse than its gate) and photographs graph and grid, a task with its
links, the report behind one of them, and the connection form. It needs Debian's ``chromium`` and Playwright's Python
package, which ``make browser`` installs.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_tiktok_offline.ledger import Ledger
from airflow_provider_tiktok_offline.simulator.control import NewAdvertiser
from tests.integration.shops import Shops
from tests.servers.airflow import airflow_environment
from tests.servers.airflow_api import AirflowApi
from tests.servers.s3 import s3_server
from tests.servers.simulator import simulator
from tests.servers.standalone import standalone
from tests.servers.waiting import wait_until

NAME = "corner_shop_berlin"
DAG_ID = f"tiktok_offline__{NAME}"
ADVERTISER_ID, EVENT_SET_ID = "7000000000000000103", "7000000000000000203"


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
        api.control.add_advertiser(
            NewAdvertiser(advertiser_id=ADVERTISER_ID, event_set_id=EVENT_SET_ID, name="Corner shop, Berlin")
        )
        entry = {
            "name": NAME, "display_name": "Corner shop, Berlin", "advertiser_id": ADVERTISER_ID,
            "event_set_id": EVENT_SET_ID, "schedule": "0 6 * * *", "time_zone": "Europe/Berlin",
        }  # fmt: skip
        shops = Shops(
            Path(temporary), airflow, api, state_uri="s3://s3_state@shops/tiktok", connections=[s3.connection()],
            more=[("berlin_{{ ds_nodash }}.csv", entry)],
        )  # fmt: skip
        ctx = shops.context(NAME)
        Ledger.init(ctx.objects, EVENT_SET_ID, identity=ctx.config.identity_settings(), clock=ctx.clock)
        with standalone(airflow, shops.environment()) as running:
            wait_until(lambda: running.knows(DAG_ID), DAG_ID)
            _photograph(folder, running, _runs(shops, running))


def _runs(shops: Shops, running: AirflowApi) -> list[str]:
    """The run of yesterday's file, and those of the three days before it, as a backfill makes them; oldest first."""
    running.unpause(DAG_ID)
    wait_until(lambda: bool(running.runs(DAG_ID)), "the scheduled run")
    [newest] = running.runs(DAG_ID)
    start = datetime.fromisoformat(newest["data_interval_start"])
    for back, bad in enumerate((0.02, 0.04, 0.2, 0.03)):
        shops.write(f"berlin_{start - timedelta(days=back):%Y%m%d}.csv", seed=1 + back, bad_ratio=bad)
    running.finished(DAG_ID, newest["dag_run_id"])
    earlier = {"from_date": start - timedelta(days=3), "to_date": start - timedelta(days=1)}
    running.post(
        "/backfills",
        {"dag_id": DAG_ID, "max_active_runs": 1, **{name: day.isoformat() for name, day in earlier.items()}},
    )
    wait_until(lambda: len(running.runs(DAG_ID)) == 4, "the runs of the backfill")
    ids = [one["dag_run_id"] for one in sorted(running.runs(DAG_ID), key=lambda one: str(one["logical_date"]))]
    for run_id in ids:
        running.finished(DAG_ID, run_id)
    # Until then a banner says that it is in progress.
    wait_until(lambda: running.get("/backfills", dag_id=DAG_ID)["backfills"][0]["completed_at"], "the backfill's end")
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

"""Every example DAG, run to its end in a real Airflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_tiktok_offline.cli.demo.recount import recount
from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.delivery.operations.feed_files import accept_feed, make_sample
from airflow_provider_tiktok_offline.samples.sample_file import SAMPLE_COLUMNS
from tests.integration.shops import DAGS, YESTERDAY, Shops
from tests.servers.airflow import AirflowRunner, airflow_environment
from tests.servers.simulator import simulator

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module", name="shops")
def _shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shops]:
    folder = tmp_path_factory.mktemp("shops")
    (folder / "airflow").mkdir()
    airflow = airflow_environment(folder / "airflow")
    airflow.initialise()
    with simulator() as api:
        yield Shops(folder, airflow, api)


@pytest.fixture(scope="module", name="airflow")
def _airflow(shops: Shops) -> Iterator[AirflowRunner]:
    with shops.runner() as airflow:
        yield airflow


def _daily(shops: Shops, airflow: AirflowRunner) -> None:
    day = YESTERDAY - timedelta(days=1)
    file = shops.write(f"corner_{day:%Y%m%d}.csv", seed=40)
    run = airflow.run(
        "tiktok_offline_daily", logical_date="2026-11-20T05:00:00+00:00", conf={"file_day": day.isoformat()}
    )
    assert run.state == "success", run.tasks
    shops.assert_delivered(file)


def _factory(shops: Shops, airflow: AirflowRunner) -> None:
    file = shops.write(f"corner_{YESTERDAY:%Y%m%d}.csv", seed=1)
    run = airflow.run(
        "tiktok_offline__corner_shop",
        logical_date="2026-11-20T01:00:00+00:00",
        conf={"file_day": YESTERDAY.isoformat()},
    )
    assert run.state == "success", run.tasks
    shops.assert_delivered(file)


def _on_arrival(shops: Shops, airflow: AirflowRunner) -> None:
    """Two files that appeared are delivered by one run without a day; a second run finds nothing to do."""
    files = [shops.write(f"kiosk_{number}.csv", seed=10 + number) for number in range(2)]
    run = airflow.run("tiktok_offline_on_arrival", logical_date="2026-11-20T02:00:00+00:00")
    assert run.state == "success", run.tasks
    shops.assert_delivered(*files)
    again = airflow.run("tiktok_offline_on_arrival", logical_date="2026-11-20T03:00:00+00:00")
    assert again.state == "success"
    assert again.tasks["summary"] == "skipped"
    shops.assert_delivered(*files)
    _held_back(shops, airflow)


def _held_back(shops: Shops, airflow: AirflowRunner) -> None:
    """Of four files three are broken, rejected and guarded: the fourth is delivered, and the run fails all the same."""
    good = shops.write("kiosk_2.csv", seed=12)
    (shops.inbox / "kiosk_3.csv").write_text("nothing,known\n1,2\n")
    rejected = shops.write("kiosk_4.csv", seed=13, bad_ratio=0.5)
    guarded = shops.write("kiosk_5.csv", seed=14, rows=1000)
    before = len(shops.api.event_ids())
    run = airflow.run("tiktok_offline_on_arrival", logical_date="2026-11-20T04:00:00+00:00")
    assert run.state == "failed"
    assert {task: state for task, state in run.tasks.items() if state != "success"} == {"summary": "failed"}
    shops.assert_delivered(good)
    assert len(shops.api.event_ids()) == before + len(recount(good, as_of=datetime.now(UTC)).events)
    for file in (shops.inbox / "kiosk_3.csv", rejected, guarded):
        file.unlink()


def _maintenance(shops: Shops, airflow: AirflowRunner) -> None:
    """Every advertiser is looked at and kept up, the latter by one task."""
    run = airflow.run("tiktok_offline_maintenance", logical_date="2026-11-20T06:00:00+00:00")
    assert run.state == "success", run.tasks
    count = len(load_config(shops.config).advertisers)
    assert set(run.tasks) == {*(f"doctor[{index}]" for index in range(count)), "maintenance[0]"}
    assert set(run.tasks.values()) == {"success"}


def _quality_gate(shops: Shops, airflow: AirflowRunner) -> None:
    """The file is judged, by the operator and by the function, and nothing is sent."""
    received = shops.api.times_received()
    file = shops.write("gate.csv", seed=50)
    run = airflow.run("tiktok_offline_quality_gate", conf={"file": str(file)})
    assert run.state == "success", run.tasks
    assert run.tasks == {"gate": "success", "count": "success"}
    assert shops.api.times_received() == received


def _liveramp(shops: Shops, airflow: AirflowRunner) -> None:
    """The day's feed file lies at the destination, whole, once, also when its tasks are cleared."""
    ctx = shops.context("market_hall")
    sample = shops.folder / "sample.csv"
    sample.write_bytes(
        make_sample(ctx, None, columns=SAMPLE_COLUMNS, categories=("CompletePayment", "Contact", "Subscribe"))
    )
    accept_feed(ctx, sample)
    file = shops.write(f"market_{YESTERDAY:%Y%m%d}.csv", seed=30)
    run = airflow.run(
        "liveramp_daily", logical_date="2026-11-20T04:00:00+00:00", conf={"file_day": YESTERDAY.isoformat()}
    )
    assert run.state == "success", run.tasks
    [delivered] = shops.feed.iterdir()
    assert delivered.read_bytes() == file.read_bytes()
    for task in ("validate", "dedupe", "deliver", "summary"):
        assert airflow.clear("liveramp_daily", run.run_id, task).state == "success"
    assert [one.read_bytes() for one in shops.feed.iterdir()] == [file.read_bytes()]


def _report(shops: Shops, airflow: AirflowRunner) -> None:
    """What TikTok attributed is read for every advertiser, and counts only."""
    run = airflow.run("tiktok_offline_report", logical_date="2026-11-20T07:00:00+00:00")
    assert run.state == "success", run.tasks
    count = len(load_config(shops.config).advertisers)
    assert run.tasks == {f"report[{index}]": "success" for index in range(count)}


#: DAG file -> its run, which sees that it does what it is for.
RUNS: dict[str, Callable[[Shops, AirflowRunner], None]] = {
    "liveramp_daily.py": _liveramp,
    "tiktok_offline_daily.py": _daily,
    "tiktok_offline_factory.py": _factory,
    "tiktok_offline_maintenance.py": _maintenance,
    "tiktok_offline_on_arrival.py": _on_arrival,
    "tiktok_offline_quality_gate.py": _quality_gate,
    "tiktok_offline_report.py": _report,
}


#: Holds no DAG; tests/glue/test_broken_advertisers.py covers it.
WITHOUT_DAG = "tiktok_offline_broken_advertisers.py"


@pytest.mark.parametrize("example", sorted(file.name for file in DAGS.glob("*.py") if file.name != WITHOUT_DAG))
def test_example_dag(shops: Shops, airflow: AirflowRunner, example: str) -> None:
    """Each file in dags/ has a run, and delivers what it is there for."""
    assert example in RUNS, f"{example} has no run here"
    RUNS[example](shops, airflow)

"""The nightly DAG: upkeep that removes what it should, and a doctor that fails on a fault and says what to do."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_tiktok_offline.clock import SystemClock
from airflow_provider_tiktok_offline.delivery.operations.maintenance import maintain
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import LedgerMissingError
from airflow_provider_tiktok_offline.operators.maintenance import DoctorOperator
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
from tests.delivery.conftest import running_simulator, world  # noqa: F401 - fixtures
from tests.delivery.world import World, rows
from tests.glue.airflow_world import SHOPS, AirflowWorld
from tests.glue.conftest import Inbox, Run
from tests.servers.airflow import AirflowRunner
from tests.servers.airflow_versions import dag_bag


@pytest.mark.airflow
@pytest.mark.xdist_group("airflow")
def test_the_example_dag_keeps_up_every_advertiser(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """Each advertiser is looked at and kept up, and parts that a run abandoned days ago are gone afterwards."""
    ctx = airflow_world.context(name="told_shop")
    ctx.clock = SystemClock(timedelta(hours=-80))
    path = airflow_world.folder / "abandoned.csv"
    write_sample(path, 50, as_of=datetime.now(UTC) - timedelta(hours=80), seed=5, form=SampleForm(identifiers="both"))
    normalize_hash(ctx, validate(ctx, airflow_world.stamp(path)).delivery_id)
    assert ctx.staging.list("")
    run = airflow.run("tiktok_offline_maintenance")
    assert run.state == "success", run.tasks
    assert run.tasks == dict.fromkeys(
        (f"{task}[{number}]" for task in ("doctor", "maintenance") for number in range(len(SHOPS))), "success"
    )
    assert not ctx.staging.list("")


def test_the_doctor_fails_and_says_what_to_do(inbox: Inbox, add_connection: Any) -> None:
    """A missing connection is named with the key that asks for it, and the task does not try again."""
    task = DoctorOperator(task_id="doctor", settings=inbox.settings(mode_="live"))
    with pytest.raises(AirflowFailException, match="tiktok_conn_id: tiktok_default is missing"):
        task.execute(Run().context())


def test_the_doctor_of_a_broken_entry_fails_with_its_fault(inbox: Inbox, tmp_path: Path) -> None:
    """The example DAG looks at every entry; one whose settings can't be read is named with its key."""
    shutil.copy(Path(__file__).parents[2] / "dags" / "tiktok_offline_maintenance.py", tmp_path)
    whole = inbox.settings().model_dump(mode="json", exclude_unset=True)
    entries = [whole, {**whole, "name": "broken", "colour": "red"}]
    (tmp_path / "advertisers.yaml").write_text(yaml.safe_dump({"advertisers": entries}))
    bag = dag_bag(tmp_path, bundle=tmp_path)
    doctor: Any = bag.dags["tiktok_offline_maintenance"].get_task("doctor")
    assert doctor.expand_input.value == {"advertiser": ["shop", "broken"]}
    task = DoctorOperator(task_id="doctor", config=doctor.partial_kwargs["config"], advertiser="broken")
    with pytest.raises(AirflowFailException, match="entry broken, key colour"):
        task.execute(Run().context())


def test_upkeep_needs_the_ledger_of_a_live_advertiser_only(world: World) -> None:  # noqa: F811
    """A dry run has nothing to keep but its notes; a live one without a ledger has lost it."""
    assert maintain(world.context(mode="dry_run")).keys == 0
    with pytest.raises(LedgerMissingError):
        maintain(world.context())


def test_upkeep_forgets_by_the_settings_of_the_advertiser(world: World) -> None:  # noqa: F811
    """Keys go after ``retention_days``, notes of the day's files with them, and small files are merged."""
    world.init_ledger()
    for number in range(3):
        world.deliver(world.drop(rows(1 + 10 * number, 5), name=f"{number}.csv"), world.context(f"daily/{number}"))
    first = maintain(world.context())
    assert (first.keys, first.notes) == (0, 0)
    assert first.merged > 0
    world.clock.advance(timedelta(days=60))
    world.deliver(
        world.drop(rows(100, 5, at="2027-01-20T12:00:00Z-0000"), name="late.csv"), world.context("daily/late")
    )
    # Without a round in between, a pause of 100 days would count as a wrong clock.
    assert maintain(world.context()).keys == 0
    world.clock.advance(timedelta(days=40))
    later = maintain(world.context())
    assert later.keys == 15
    assert later.notes == 3

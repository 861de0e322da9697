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
from airflow_provider_tiktok_offline.config import load_config
from airflow_provider_tiktok_offline.delivery.operations.maintenance import maintain
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import LedgerMissingError, TikTokOfflineError
from airflow_provider_tiktok_offline.operators.maintenance import DoctorOperator, LedgerMaintenanceOperator
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
from tests.delivery.conftest import running_simulator, world  # noqa: F401 - fixtures
from tests.delivery.world import World, rows
from tests.glue.airflow_world import SHOPS, AirflowWorld
from tests.glue.conftest import Inbox, Run
from tests.servers.airflow import AirflowRunner
from tests.servers.airflow_versions import dag_bag
from tests.servers.old_objects import age_objects
from tests.servers.sshd import StaticConnections


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
    looked_at = [f"doctor[{number}]" for number in range(len(SHOPS))]
    # All but fed_shop have one event set, and 25 advertisers are one task.
    assert run.tasks == dict.fromkeys([*looked_at, "maintenance[0]"], "success")
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


def test_a_fault_of_one_advertiser_keeps_no_other_of_its_group(
    inbox: Inbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The sums are of the others; the task fails with the one's error, and tries again where a retry may mend one."""
    entries = [
        inbox.settings(name="lost", mode_="live").model_dump(mode="json", exclude_unset=True),
        inbox.settings(name="tried", mode_="dry_run").model_dump(mode="json", exclude_unset=True),
        {"name": "broken", "colour": "red"},
    ]
    config = tmp_path / "advertisers.yaml"
    config.write_text(yaml.safe_dump({"advertisers": entries}))
    ctx = DeliveryContext(
        config=inbox.settings(name="tried", mode_="dry_run"), connections=StaticConnections(), holder="dag/run"
    )

    def leave_a_note() -> None:
        ctx.objects.put("advertisers/tried/days/2020-01-01", b"{}")
        age_objects(ctx.objects)

    def task(*names: str) -> LedgerMaintenanceOperator:
        return LedgerMaintenanceOperator(task_id="maintenance", config=str(config), advertisers=names)

    leave_a_note()
    assert task("tried").execute(Run().context())["notes"] == 1
    leave_a_note()
    with pytest.raises(AirflowFailException, match="entry broken"):
        task("broken", "lost", "tried").execute(Run().context())
    assert ctx.objects.get("advertisers/tried/days/2020-01-01") is None
    assert "Maintenance of 2 of 3 advertisers failed: broken, lost." in caplog.text
    full = inbox.state / "advertisers"
    shutil.rmtree(full)
    full.write_text("no folder")
    with pytest.raises(TikTokOfflineError) as raised:
        task("broken", "tried").execute(Run().context())
    assert raised.value.retryable


def test_groups_of_advertisers_share_no_ledger(inbox: Inbox, tmp_path: Path) -> None:
    """So that they are worked on side by side; nobody is left out, and only those of one event set are too many."""
    sets = ["a", "b", "a", "c", "d", "e", "e", "e", "e", "f"]
    entries = [
        inbox.settings(name=f"shop_{number}", event_set_id=f"70{number}").model_dump(mode="json", exclude_unset=True)
        | {"event_set_id": f"70{ord(one)}"}
        for number, one in enumerate(sets)
    ]
    config = tmp_path / "advertisers.yaml"
    config.write_text(yaml.safe_dump({"advertisers": entries}))
    loaded = load_config(config)
    assert loaded.groups() == [sorted(loaded.advertisers)]
    assert loaded.groups(3) == [
        ["shop_0", "shop_1", "shop_2"],
        ["shop_3", "shop_4"],
        ["shop_5", "shop_6", "shop_7", "shop_8"],
        ["shop_9"],
    ]


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
    age_objects(world.context().objects)
    later = maintain(world.context())
    assert later.keys == 15
    assert later.notes == 3

"""One task that checks, stages and plans: what it returns, and which files go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TriggerRule

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.operators.approval import ApproveDeliveryOperator
from airflow_provider_tiktok_offline.operators.base import delivery_ids
from airflow_provider_tiktok_offline.operators.prepare import TikTokOfflinePrepareOperator
from tests.glue.conftest import Run
from tests.glue.test_approval_of_several import (
    GUARDS,
    LARGE,
    SMALL,
    Ti,
    answer,
    asking,
    closed,
    held,
    planned_behind,
)
from tests.glue.test_one_notification import Shop, shop_with_webhook, summary

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["shop_with_webhook"]

#: The sensor's result beside the files.
FOUND = {"day": "2026-11-21", "already_delivered": False}


class TaskInstance(Ti):
    """With what the page of a report is found by."""

    dag_id, run_id, task_id, map_index = "tiktok_offline_daily", "run-1", "prepare", -1


def prepare(settings: AdvertiserConfig, run: Run, files: list[Any], **arguments: Any) -> tuple[list[str], Ti]:
    """The names of the planned parts, and what else the task leaves."""
    task = TikTokOfflinePrepareOperator(
        task_id="prepare", files={**FOUND, "files": files}, settings=settings, **arguments
    )
    ti = TaskInstance()
    parts = task.execute(cast("Context", {**run.context(), "ti": ti}))
    return [part["name"] for part in parts], ti


def test_each_file_is_planned_and_has_a_result(shop: Shop) -> None:
    """The parts to map over, the counts of rows by file, and what the ledger says; the run is closed by its summary."""
    settings, run = shop.settings().model_copy(update={"mode": "test", "test_event_code": "T1"}), Run()
    names, ti = prepare(settings, run, [shop.file("sales_1.csv", SMALL), shop.file("sales_2.csv", LARGE)])
    assert names == ["sales_1.csv, part 1 of 1", "sales_2.csv, part 1 of 1"]
    results = cast("dict[str, Any]", ti.xcoms["deliveries"])["deliveries"]
    assert [one["rows_total"] for one in results] == [SMALL, LARGE]
    assert all(one["day"] == "2026-11-21" for one in results)
    assert delivery_ids(ti.xcoms["counts"]) == delivery_ids(results)
    assert cast("dict[str, Any]", ti.xcoms["tiktok_offline_status"])["step"] == "prepare"


def test_of_several_files_a_faulty_one_is_held_back(shop: Shop) -> None:
    """Over the gate or over a guard; the only file fails the task."""
    settings, run = shop.settings(guards={"max_events": 20}), Run()
    files = [
        shop.file("sales_1.csv", SMALL),
        shop.file("sales_2.csv", LARGE),
        shop.file("sales_3.csv", 50, bad_ratio=0.5),
    ]
    _, ti = prepare(settings, run, files)
    assert len(delivery_ids(ti.xcoms["deliveries"])) == 1
    assert held(settings, run).keys() == {"sales_2.csv", "sales_3.csv"}
    with pytest.raises(AirflowFailException, match="a guard is breached: 50 events"):
        summary(settings).execute(run.context())
    with pytest.raises(AirflowFailException, match="50 events, more than max_events 20"):
        prepare(settings, run, files[1:2])


def test_without_a_plan_the_approval_is_given_the_deliveries(shop: Shop) -> None:
    """A guard that a person may approve does not stop the task."""
    names, ti = prepare(shop.settings(guards=GUARDS), Run(), [shop.file("sales_1.csv", LARGE)], plan=False)
    assert names == []
    assert ti.xcoms["counts"] == []
    assert len(delivery_ids(ti.xcoms["deliveries"])) == 1


def test_a_file_that_a_person_is_asked_about_is_left_to_approve(shop: Shop) -> None:
    """The others are planned and closed without it."""
    settings, run = shop.settings(guards=GUARDS), Run()
    files = [shop.file("sales_1.csv", SMALL), shop.file("sales_2.csv", LARGE)]
    for _ in range(2):
        _, ti = prepare(settings, run, files, asks=True)
        [small, large] = delivery_ids(ti.xcoms["deliveries"])
        assert delivery_ids(ti.xcoms["counts"]) == [small]
        assert ti.xcoms["set_aside"] == [large]
    assert closed(settings, run) == [small]
    raised = shop.settings(guards={**GUARDS, "max_events": 1000})
    assert planned_behind(raised, run, [large]) == [large]
    assert closed(raised, run, set_aside=True) == [large]


def test_a_quiet_day_is_skipped(shop: Shop) -> None:
    """A header and no rows, where that is no fault."""
    settings = shop.settings(header_only="skip")
    with pytest.raises(AirflowSkipException, match="a quiet day"):
        prepare(settings, Run(), [shop.file("sales_1.csv", 0)])


def test_without_a_file_and_with_nothing_due_it_is_skipped(shop: Shop) -> None:
    """As the tasks behind it: it runs though the wait for the file gave none."""
    task = TikTokOfflinePrepareOperator(
        task_id="prepare", files=None, settings=shop.settings(), trigger_rule=TriggerRule.ALL_DONE
    )
    with pytest.raises(AirflowSkipException, match="No file, and nothing is due"):
        task.execute(cast("Context", {**Run().context(), "ti": TaskInstance()}))


def test_a_delivered_run_that_is_cleared_says_so(shop: Shop) -> None:
    """Its deliveries stay the run's, though the sensor finds no file any more."""
    settings, run = shop.settings(), Run()
    _, first = prepare(settings, run, [shop.file("sales_1.csv", SMALL)])
    summary(settings).execute(run.context())
    task = TikTokOfflinePrepareOperator(
        task_id="prepare", files={"files": [], "day": "2026-11-21", "already_delivered": True}, settings=settings
    )
    ti = TaskInstance()
    task.execute(cast("Context", {**run.context(), "ti": ti}))
    assert delivery_ids(ti.xcoms["deliveries"]) == delivery_ids(first.xcoms["deliveries"])
    [again] = cast("dict[str, Any]", ti.xcoms["deliveries"])["deliveries"]
    assert again["closed"]


@pytest.mark.parametrize("listed", [True, False])
def test_a_cleared_run_keeps_an_approved_file_behind_its_approval(shop: Shop, listed: bool) -> None:
    """Delivered, it stays with the tasks that sent it, whether the sensor still lists its file or not."""
    settings, run = shop.settings(guards=GUARDS), Run()
    files = [shop.file("sales_1.csv", SMALL), shop.file("sales_2.csv", LARGE)]
    _, ti = prepare(settings, run, files, asks=True)
    [small, large] = delivery_ids(ti.xcoms["deliveries"])
    assert closed(settings, run) == [small]
    asking(settings, run, [large]).execute_complete(run.context(), answer("Approve"))
    assert planned_behind(settings, run, [large]) == [large]
    assert closed(settings, run, set_aside=True) == [large]
    found = {"files": files if listed else [], "day": FOUND["day"], "already_delivered": not listed}
    task = TikTokOfflinePrepareOperator(task_id="prepare", files=found, asks=True, settings=settings)
    for _ in range(2):
        again = TaskInstance()
        task.execute(cast("Context", {**run.context(), "ti": again}))
        assert delivery_ids(again.xcoms["counts"]) == [small]
        assert again.xcoms["set_aside"] == [large]
        assert closed(settings, run) == [small]
        approve = ApproveDeliveryOperator(task_id="approve", deliveries=[large], settings=settings, set_aside=True)
        assert approve.execute(run.context()) == {"deliveries": [large]}
        assert planned_behind(settings, run, [large]) == [large]
        assert closed(settings, run, set_aside=True) == [large]
    # Where nobody is asked any more, it is one of the others.
    task = TikTokOfflinePrepareOperator(task_id="prepare", files=found, settings=shop.settings())
    task.execute(cast("Context", {**run.context(), "ti": TaskInstance()}))
    assert closed(settings, run) == sorted([small, large])

"""Several files in one run, some of which breach a guard: who is asked about which, and what goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.delivery.events.guards import breaches_to_ask
from airflow_provider_tiktok_offline.delivery.state.held_back import held_back
from airflow_provider_tiktok_offline.notifications.delivery import DeliveryFailedNotifier, GateBreachedNotifier
from airflow_provider_tiktok_offline.operators.approval import ApproveDeliveryOperator
from airflow_provider_tiktok_offline.operators.base import delivery_ids
from airflow_provider_tiktok_offline.operators.conversions import NormalizeHashOperator
from tests.glue.conftest import Run
from tests.glue.test_one_notification import Shop, shop_with_webhook, summary, validate

__all__ = ["shop_with_webhook"]

#: The rows of each file of a run; with more than 20 events a guard is breached.
LARGE, SMALL = 50, 10
GUARDS = {"max_events": 20, "on_breach": "approve"}


def prepared(shop: Shop, settings: AdvertiserConfig, run: Run, *sizes: int) -> list[str]:
    """The deliveries of files with so many rows, as ``approve`` is given them."""
    files = [shop.file(f"sales_{number}.csv", rows) for number, rows in enumerate(sizes)]
    deliveries = validate(settings, files).execute(run.context())
    return delivery_ids(
        NormalizeHashOperator(task_id="hash", deliveries=deliveries, settings=settings).execute(run.context())
    )


def answered(settings: AdvertiserConfig, run: Run, ids: list[str], answer: str, by: str | None = "ana") -> object:
    """What ``approve`` returns to a person's answer; None stands for nobody's."""
    task = ApproveDeliveryOperator(task_id="approve", deliveries=ids, settings=settings)
    for one in ids:
        breaches_to_ask(task.delivery_context(run.context()), one)
    event: dict[str, Any] = {
        "chosen_options": [answer], "params_input": {}, "responded_at": datetime.now(UTC), "responded_by_user": by,
    }  # fmt: skip
    return task.execute_complete(run.context(), event)


def held(settings: AdvertiserConfig, run: Run) -> dict[str, str]:
    """The files that are held back, and why."""
    ctx = summary(settings).delivery_context(run.context())
    return {Path(one.uri).name: one.message for one in held_back(ctx)}


@pytest.mark.parametrize(
    ("by", "why"), [("ana", "Rejected"), (None, "Nobody answered in time, which counts as rejected")]
)
def test_a_rejection_holds_back_what_it_is_about(shop: Shop, by: str | None, why: str) -> None:
    """The files that breach nothing go on; the summary and the failure's notification name the other."""
    settings, run = shop.settings(guards=GUARDS), Run()
    ids = prepared(shop, settings, run, SMALL, LARGE, SMALL + 1)
    assert answered(settings, run, ids, "Reject", by) == {"deliveries": [ids[0], ids[2]]}
    assert held(settings, run).keys() == {"sales_1.csv"}
    assert f"{why}: nothing of it is sent" in held(settings, run)["sales_1.csv"]
    with pytest.raises(AirflowFailException, match=f"{why}: 50 events, more than max_events 20"):
        summary(settings).execute(run.context())
    GateBreachedNotifier(settings=settings).notify(run.context())
    DeliveryFailedNotifier(settings=settings).notify(run.context())
    assert shop.posted() == ["failure"]


def test_an_approval_lets_every_file_go_on(shop: Shop) -> None:
    """Also after a rejection, once ``approve`` is cleared: nothing is held back any more."""
    settings, run = shop.settings(guards=GUARDS), Run()
    ids = prepared(shop, settings, run, SMALL, LARGE)
    answered(settings, run, ids, "Reject")
    assert answered(settings, run, ids, "Approve") == {"deliveries": ids}
    assert held(settings, run) == {}


def test_a_rejection_of_every_file_fails_the_task(shop: Shop) -> None:
    """There is nothing to go on with, and a retry would ask again."""
    settings, run = shop.settings(guards=GUARDS), Run()
    ids = prepared(shop, settings, run, LARGE, LARGE + 1)
    with pytest.raises(AirflowFailException, match="Rejected: nothing of it is sent"):
        answered(settings, run, ids, "Reject")
    assert held(settings, run) == {}


def test_a_rejection_stands_though_the_guard_was_raised_meanwhile(shop: Shop) -> None:
    """What a person has said no to is not sent, whatever the limits are by the time of the answer."""
    asked, run = shop.settings(guards=GUARDS), Run()
    ids = prepared(shop, asked, run, SMALL, LARGE)
    task = ApproveDeliveryOperator(task_id="approve", deliveries=ids, settings=asked)
    breaches_to_ask(task.delivery_context(run.context()), ids[1])
    raised = ApproveDeliveryOperator(
        task_id="approve", deliveries=ids, settings=shop.settings(guards={**GUARDS, "max_events": 1000})
    )
    event: dict[str, object] = {
        "chosen_options": ["Reject"], "params_input": {}, "responded_at": datetime.now(UTC), "responded_by_user": "ana",
    }  # fmt: skip
    assert raised.execute_complete(run.context(), event) == {"deliveries": ids[:1]}


def test_a_file_that_may_only_stop_is_held_back_alone(shop: Shop) -> None:
    """Nobody is asked about it; who is notified of a breach is told once, whichever task looks again."""
    settings, run = shop.settings(guards={"max_events": 20}, drift="approve"), Run()
    ids = prepared(shop, settings, run, SMALL, LARGE, SMALL + 1)
    approve = ApproveDeliveryOperator(task_id="approve", deliveries=ids, settings=settings)
    for _ in range(2):
        assert approve.execute(run.context()) == {"deliveries": [ids[0], ids[2]]}
        GateBreachedNotifier(settings=settings).notify(run.context())
    assert held(settings, run).keys() == {"sales_1.csv"}
    with pytest.raises(AirflowFailException):
        summary(settings).execute(run.context())
    assert shop.posted() == ["gate"]
    assert "50 events, more than max_events 20" in shop.facts()["Why"]
    assert "sales_1.csv" in shop.facts()["Why"]
    # Of the only file, the task fails for it.
    with pytest.raises(AirflowFailException, match="50 events, more than max_events 20"):
        ApproveDeliveryOperator(task_id="approve", deliveries=ids[1:2], settings=settings).execute(run.context())


def test_a_broken_file_beside_a_breach_is_a_failure_too(shop: Shop) -> None:
    """The notification of the breach does not stand for a file that can't be read."""
    settings, run = shop.settings(), Run()
    files = [shop.file("good.csv", SMALL), shop.file("gate.csv", LARGE, bad_ratio=0.5), shop.file("broken.csv")]
    Path(str(files[2]["uri"])).write_bytes(b"nothing,known\n1,2\n")
    stamps = [str(file["uri"]) for file in files]
    validate(settings, stamps).execute(run.context())
    GateBreachedNotifier(settings=settings).notify(run.context())
    DeliveryFailedNotifier(settings=settings).notify(run.context())
    assert shop.posted() == ["gate", "failure"]

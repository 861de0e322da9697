"""Several files in one run, some of which breach a guard: who is asked about which, and what goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.delivery.events.guards import breaches_to_ask
from airflow_provider_tiktok_offline.delivery.state.held_back import held_back
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_set_aside
from airflow_provider_tiktok_offline.notifications.delivery import (
    DeliveryFailedNotifier,
    DeliverySucceededNotifier,
    GateBreachedNotifier,
)
from airflow_provider_tiktok_offline.operators.approval import ApproveDeliveryOperator
from airflow_provider_tiktok_offline.operators.base import delivery_ids
from airflow_provider_tiktok_offline.operators.conversions import DedupeOperator, NormalizeHashOperator
from airflow_provider_tiktok_offline.operators.summary import DeliverySummaryOperator
from tests.glue.conftest import Run
from tests.glue.test_one_notification import Shop, shop_with_webhook, summary, validate

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

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


class Ti:
    """The part of a task instance that ``dedupe`` writes to."""

    try_number, max_tries = 1, 0

    def __init__(self) -> None:
        self.xcoms: dict[str, object] = {}

    def xcom_push(self, *, key: str, value: object) -> None:
        self.xcoms[key] = value


def planned(settings: AdvertiserConfig, run: Run, ids: list[str]) -> tuple[list[str], object]:
    """The deliveries that ``dedupe`` plans, and those that it leaves to a person."""
    ti = Ti()
    task = DedupeOperator(task_id="dedupe", deliveries=ids, settings=settings, asks=True)
    task.execute(cast("Context", {**run.context(), "ti": ti}))
    return delivery_ids(ti.xcoms["counts"]), ti.xcoms["set_aside"]


def planned_behind(settings: AdvertiserConfig, run: Run, ids: list[str]) -> list[str]:
    """The deliveries that ``dedupe_approved`` plans."""
    task = DedupeOperator(task_id="dedupe_approved", deliveries=ids, settings=settings, set_aside=True)
    ti = Ti()
    task.execute(cast("Context", {**run.context(), "ti": ti}))
    return delivery_ids(ti.xcoms["counts"])


def asking(settings: AdvertiserConfig, run: Run, ids: list[str], *, set_aside: bool = True) -> ApproveDeliveryOperator:
    """The task once it has asked about these deliveries."""
    task = ApproveDeliveryOperator(task_id="approve", deliveries=ids, settings=settings, set_aside=set_aside)
    for one in ids:
        assert breaches_to_ask(task.delivery_context(run.context()), one)
    return task


def closing(settings: AdvertiserConfig, *, set_aside: bool = False) -> DeliverySummaryOperator:
    return DeliverySummaryOperator(task_id="summary", settings=settings, set_aside=set_aside)


def closed(settings: AdvertiserConfig, run: Run, *, set_aside: bool = False) -> list[str]:
    """The deliveries that a summary closes."""
    return delivery_ids(closing(settings, set_aside=set_aside).execute(run.context()))


def answer(chosen: str) -> dict[str, object]:
    return {
        "chosen_options": [chosen], "params_input": {}, "responded_at": datetime.now(UTC), "responded_by_user": "ana",
    }  # fmt: skip


@pytest.mark.parametrize("chosen", ["Approve", "Reject"])
def test_the_others_are_closed_before_anybody_answers(shop: Shop, chosen: str) -> None:
    """Planned, summarised and told of without the file in question, which is then told of alone."""
    settings, run = shop.settings(guards=GUARDS), Run()
    ids = prepared(shop, settings, run, SMALL, LARGE, SMALL + 1)
    assert planned(settings, run, ids) == ([ids[0], ids[2]], [ids[1]])
    question = asking(settings, run, ids[1:2])
    assert closed(settings, run) == sorted([ids[0], ids[2]])
    DeliverySucceededNotifier(settings=settings).notify(run.context())
    files = [fact["value"] for fact in shop.web.posted[-1][1]["facts"] if fact["name"] == "File"]
    assert sorted(Path(file).name for file in files) == ["sales_0.csv", "sales_2.csv"]
    if chosen == "Approve":
        assert question.execute_complete(run.context(), answer(chosen)) == {"deliveries": ids[1:2]}
        assert planned_behind(settings, run, ids[1:2]) == ids[1:2]
        assert closed(settings, run, set_aside=True) == ids[1:2]
        return
    with pytest.raises(AirflowFailException, match="Rejected: nothing of it is sent"):
        question.execute_complete(run.context(), answer(chosen))
    for _ in range(2):
        with pytest.raises(AirflowFailException, match="Rejected: 50 events, more than max_events 20"):
            closing(settings, set_aside=True).execute(run.context())
        assert closed(settings, run) == sorted([ids[0], ids[2]])


def test_a_fault_of_another_file_is_told_before_anybody_answers(shop: Shop) -> None:
    """And the file that was asked about is no part of it."""
    settings, run = shop.settings(guards=GUARDS), Run()
    files = [shop.file("good.csv", SMALL), shop.file("asked.csv", LARGE), shop.file("broken.csv")]
    Path(str(files[2]["uri"])).write_bytes(b"nothing,known\n1,2\n")
    ids = delivery_ids(validate(settings, [str(file["uri"]) for file in files]).execute(run.context()))
    NormalizeHashOperator(task_id="hash", deliveries=ids, settings=settings).execute(run.context())
    assert planned(settings, run, ids) == (ids[:1], ids[1:])
    with pytest.raises(AirflowFailException, match=r"1 file held back, the others are delivered: .*broken\.csv"):
        closing(settings).execute(run.context())
    assert asking(settings, run, ids[1:]).execute_complete(run.context(), answer("Approve")) == {"deliveries": ids[1:]}
    planned_behind(settings, run, ids[1:])
    assert closed(settings, run, set_aside=True) == ids[1:]


def test_nobody_is_asked_where_no_guard_is_breached(shop: Shop) -> None:
    """The tasks behind the question are skipped."""
    settings, run = shop.settings(guards=GUARDS), Run()
    ids = prepared(shop, settings, run, SMALL, SMALL + 1)
    assert planned(settings, run, ids) == (ids, [])
    with pytest.raises(AirflowSkipException):
        ApproveDeliveryOperator(task_id="approve", deliveries=[], settings=settings, set_aside=True).execute(
            run.context()
        )
    with pytest.raises(AirflowSkipException):
        closing(settings, set_aside=True).execute(run.context())


def test_a_cleared_run_decides_anew_who_is_asked_about(shop: Shop) -> None:
    """With a raised guard, or once its breaches are approved, a file goes on beside the others."""
    settings, run = shop.settings(guards=GUARDS), Run()
    ids = prepared(shop, settings, run, SMALL, LARGE)
    ctx = summary(settings).delivery_context(run.context())
    assert planned(settings, run, ids) == (ids[:1], ids[1:])
    assert deliveries_set_aside(ctx) == ids[1:]
    assert planned(shop.settings(guards={**GUARDS, "max_events": 1000}), run, ids) == (ids, [])
    assert deliveries_set_aside(ctx) == []
    assert planned(settings, run, ids) == (ids[:1], ids[1:])
    asking(settings, run, ids[1:]).execute_complete(run.context(), answer("Approve"))
    validate(settings, [ctx.deliveries.get(one).uri for one in ids]).execute(run.context())
    assert deliveries_set_aside(ctx) == []
    assert planned(settings, run, ids) == (ids, [])
    # A later no takes the approval back.
    with pytest.raises(AirflowFailException):
        answered(settings, run, ids[1:], "Reject")
    assert planned(settings, run, ids) == (ids[:1], ids[1:])


def test_an_approval_counts_for_the_breaches_that_were_asked_about(shop: Shop) -> None:
    """Others that came up meanwhile are not approved with them."""
    settings, run = shop.settings(guards=GUARDS), Run()
    ids = prepared(shop, settings, run, LARGE)
    ask = asking(settings, run, ids, set_aside=False)
    ask.settings = shop.settings(guards={**GUARDS, "max_events": 10})
    with pytest.raises(AirflowFailException, match=r"has changed since somebody was asked: 50 events, .* 10"):
        ask.execute_complete(run.context(), answer("Approve"))
    ask.settings = settings
    assert ask.execute_complete(run.context(), answer("Approve")) == {"deliveries": ids}


def test_an_approval_counts_for_the_file_that_was_asked_about(shop: Shop) -> None:
    """A file that took its place meanwhile is not approved with it."""
    settings, run = shop.settings(guards=GUARDS), Run()
    ids = prepared(shop, settings, run, LARGE)
    ask = asking(settings, run, ids, set_aside=False)
    replaced = prepared(shop, settings, run, LARGE + 1)
    assert replaced != ids
    with pytest.raises(AirflowFailException, match="has changed since somebody was asked: 51 events"):
        ask.execute_complete(run.context(), answer("Approve"))
    with pytest.raises(AirflowFailException, match="51 events, more than max_events 20"):
        planned_behind(settings, run, replaced)


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

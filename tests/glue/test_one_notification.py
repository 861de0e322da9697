"""One notification for each change of state: not one for each try, and not two for one breach."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.events.day_history import FIGURES, DayFigures
from airflow_provider_tiktok_offline.delivery.events.guards import breaches
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.notifications.delivery import (
    ApprovalNotifier,
    DeliveryFailedNotifier,
    DeliveryNotifier,
    DeliverySucceededNotifier,
    DriftNotifier,
    GateBreachedNotifier,
    UnconfirmedNotifier,
)
from airflow_provider_tiktok_offline.operators.base import delivery_ids
from airflow_provider_tiktok_offline.operators.conversions import (
    DedupeOperator,
    NormalizeHashOperator,
    ValidateConversionFileOperator,
)
from airflow_provider_tiktok_offline.operators.maintenance import DoctorOperator, LedgerMaintenanceOperator
from airflow_provider_tiktok_offline.operators.summary import DeliverySummaryOperator
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch
from tests.glue.conftest import Inbox, Run
from tests.glue.test_hooks import AddConnection
from tests.servers.sink import Sink, sink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


@dataclass
class Shop:
    """An advertiser in a dry run, whose notifications arrive at a webhook.

    Attributes:
        web: where they arrive.
    """

    inbox: Inbox
    web: Sink
    folder: Path

    def settings(self, **changes: Any) -> AdvertiserConfig:
        told = {"events": ["success", "failure", "gate", "approval", "unconfirmed"], "webhook_conn_id": "alerts"}
        return self.inbox.settings(
            mode_="dry_run", currency="USD", phone_region="US", state_uri=str(self.folder), conn_id=None,
            notifications=told | changes.pop("notifications", {}), **changes,
        )  # fmt: skip

    def file(self, name: str, rows: int = 50, *, bad_ratio: float = 0.0) -> dict[str, Any]:
        path = self.inbox.folder / name
        write_sample(
            path, rows, as_of=datetime.now(UTC), seed=3, bad_ratio=bad_ratio, form=SampleForm(identifiers="both")
        )
        os.utime(path, (path.stat().st_mtime - 60,) * 2)
        found = path.stat()
        return FileStamp(uri=str(path), size=found.st_size, mtime=from_epoch(found.st_mtime)).to_dict()

    def fails(self, task: Any, run: Run, notifier: type[DeliveryNotifier], settings: AdvertiserConfig) -> None:
        """A task fails, and Airflow calls its callback."""
        with pytest.raises(AirflowFailException) as raised:
            task.execute(run.context())
        notifier(settings=settings).notify(cast("Context", {**run.context(), "exception": raised.value}))

    def posted(self) -> list[str]:
        return [body["event"] for _, body in self.web.posted]

    def facts(self) -> dict[str, str]:
        """Those of the last one."""
        return {fact["name"]: fact["value"] for fact in self.web.posted[-1][1]["facts"]}


@pytest.fixture(name="shop")
def shop_with_webhook(inbox: Inbox, add_connection: AddConnection, tmp_path: Path) -> Iterator[Shop]:
    with sink() as web:
        add_connection(Connection(conn_id="alerts", conn_type="http", host=web.url))
        yield Shop(inbox, web, tmp_path / "state")


def validate(settings: AdvertiserConfig, stamp: object) -> Any:
    return ValidateConversionFileOperator(task_id="validate", files=stamp, settings=settings)


def summary(settings: AdvertiserConfig) -> Any:
    return DeliverySummaryOperator(task_id="summary", settings=settings)


def test_one_breach_of_the_gate_sends_one(shop: Shop) -> None:
    """Cleared twice it is not told again, and the failed summary of the run tells nothing more; another file does."""
    settings, stamp, run = shop.settings(), shop.file("sales_20261121.csv", bad_ratio=0.5), Run()
    for _ in range(2):
        shop.fails(validate(settings, stamp), run, GateBreachedNotifier, settings)
        shop.fails(summary(settings), run, DeliveryFailedNotifier, settings)
    assert shop.posted() == ["gate"]
    assert shop.facts()["File"].endswith("/sales_20261121.csv")
    assert shop.facts()["Day"] == "2026-11-21"
    worse = shop.file("sales_20261121.csv", 60, bad_ratio=0.6)
    shop.fails(validate(settings, worse), run, GateBreachedNotifier, settings)
    assert shop.posted() == ["gate", "gate"]


def test_a_failure_after_the_breach_is_told_once_for_its_reason(shop: Shop) -> None:
    """The gate is raised and the run fails for something else: that is news, but not with every try."""
    settings, stamp, run = shop.settings(), shop.file("sales_20261121.csv", bad_ratio=0.5), Run()
    shop.fails(validate(settings, stamp), run, GateBreachedNotifier, settings)
    raised = shop.settings(max_rejected_ratio=0.9)
    validate(raised, stamp).execute(run.context())
    for _ in range(2):
        shop.fails(summary(raised), run, DeliveryFailedNotifier, raised)
    assert shop.posted() == ["gate", "failure"]


def test_a_guard_sends_one_without_an_amount(shop: Shop) -> None:
    """Who may not see turnover reads a share of the limit; the summary's failure is the same breach."""
    settings, run = shop.settings(guards={"max_value": 10.0}), Run()
    deliveries = validate(settings, shop.file("sales_20261121.csv")).execute(run.context())
    NormalizeHashOperator(task_id="hash", deliveries=deliveries, settings=settings).execute(run.context())
    guarded = DedupeOperator(task_id="dedupe", deliveries=deliveries, settings=settings)
    shop.fails(guarded, run, GateBreachedNotifier, settings)
    shop.fails(summary(settings), run, DeliveryFailedNotifier, settings)
    assert shop.posted() == ["gate"]
    assert "% of max_value" in shop.facts()["Why"]
    assert "USD" not in str(shop.web.posted)
    # The limit is raised, and the file is delivered.
    raised = shop.settings(guards={"max_value": 1e9})
    for one in delivery_ids(deliveries):
        dedupe(summary(raised).delivery_context(run.context()), one)
    summary(raised).execute(run.context())
    for _ in range(2):
        DeliverySucceededNotifier(settings=raised).notify(run.context())
    assert shop.posted() == ["gate", "success"]


def approval(shop: Shop, settings: AdvertiserConfig, run: Run) -> str:
    """A prepared file that breaches a guard, and somebody is asked twice."""
    deliveries = validate(settings, shop.file("sales_20261121.csv")).execute(run.context())
    hashing = NormalizeHashOperator(task_id="hash", deliveries=deliveries, settings=settings)
    [delivery_id] = delivery_ids(hashing.execute(run.context()))
    found = {delivery_id: breaches(hashing.delivery_context(run.context()), delivery_id)}
    asked = {**run.context(), "breaches": found, "approval_link": "http://127.0.0.1/required_actions"}
    for _ in range(2):
        ApprovalNotifier(settings=settings).notify(cast("Context", asked))
    return delivery_id


def test_an_approval_is_asked_for_once(shop: Shop) -> None:
    """Who may answer, until when, what happens without an answer; advertiser, file, rows, guard and the links."""
    guards = {"max_events": 20, "on_breach": "approve", "approvers": ["ana", "ben"], "approval_hours": 12}
    approval(shop, shop.settings(guards=guards, time_zone="Europe/Berlin"), Run())
    assert shop.posted() == ["approval"]
    facts = shop.facts()
    assert facts["Advertiser"] == "shop"
    assert facts["File"].endswith("/sales_20261121.csv")
    assert facts["Rows"].startswith("50 total")
    assert facts["Breached"] == "50 events, more than max_events 20"
    assert facts["Who may answer"] == "ana, ben"
    assert " Europe/Berlin (" in facts["Until"]
    assert "counts as rejected: nothing is sent" in facts["Without an answer"]
    assert facts["Report"].endswith("/report.html")
    assert facts["Approval"].endswith("/required_actions")
    assert "USD" not in str(facts)


def test_an_approval_names_the_value_where_it_may(shop: Shop) -> None:
    """``notifications.values`` decides; without a time limit the message says that the run waits."""
    guards = {"max_value": 1.0, "on_breach": "approve", "approval_hours": None}
    approval(shop, shop.settings(guards=guards, notifications={"values": True}), Run())
    assert shop.facts()["Value of valid rows"].endswith(" USD")
    assert "% of max_value" in shop.facts()["Breached"]
    assert "wait for the answer" in shop.facts()["Until"]
    assert "everybody who may answer" in shop.facts()["Who may answer"]


def test_a_drifted_file_is_told_once_with_what_has_fallen(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares and stores, no amount; advertiser, day, file, the pages of run and report, and what to do."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:8080/flows")
    settings, run = shop.settings(notifications={"events": ["drift"]}), Run()
    ctx = summary(settings).delivery_context(run.context())
    Ledger.init(ctx.objects, ctx.config.event_set_id, identity=ctx.config.identity_settings(), clock=ctx.clock)
    for ago in range(1, 8):
        usual = DayFigures(day=date(2026, 11, 21) - timedelta(days=ago), rows=400, valid=400)
        ctx.ledger.records.append({"advertiser": "shop", "digest": f"{ago}", FIGURES: usual.to_dict()})
    stamp = shop.file("sales_20261121.csv")
    for _ in range(2):
        validate(settings, stamp).execute(run.context())
        DriftNotifier(settings=settings).notify(run.context())
    assert shop.posted() == ["drift"]
    facts = shop.facts()
    assert facts["Less than usual"].startswith("88 % fewer rows than usual")
    assert (facts["Advertiser"], facts["Day"]) == ("shop", "2026-11-21")
    assert facts["File"].endswith("/sales_20261121.csv")
    assert facts["Next"].startswith("Ask whoever exports the file")
    assert facts["Run's page"].startswith("http://127.0.0.1:8080/flows/dags/tiktok_offline_daily/runs/scheduled__")
    assert "/flows/tiktok-offline/report?" in facts["Report"]
    assert "USD" not in str(facts)


def test_a_link_to_a_report_names_the_delivery(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that says where the report lies: the page finds that by itself."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:8080/flows")
    delivery_id = approval(shop, shop.settings(guards={"max_events": 20, "on_breach": "approve"}), Run())
    expected = f"/flows/tiktok-offline/report?dag_id=tiktok_offline_daily&delivery_id={delivery_id}"
    assert shop.facts()["Report"] == f"http://127.0.0.1:8080{expected}"


def test_a_notifier_without_an_advertiser_takes_its_tasks(shop: Shop) -> None:
    """Mapped over advertisers, each task is asked about its own."""
    settings = shop.settings()
    task = DoctorOperator(task_id="doctor", settings=settings)
    UnconfirmedNotifier().notify(cast("Context", {**Run().context(), "task": task}))
    assert shop.posted() == []


def test_a_notifier_of_a_task_for_many_looks_at_each(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As in the maintenance DAG; one whose settings are broken does not silence the others."""
    entries: list[dict[str, Any]] = [
        shop.settings(name=name).model_dump(mode="json", exclude_unset=True) for name in ("first", "second")
    ]
    entries.insert(1, {"name": "broken", "colour": "red"})
    config = tmp_path / "advertisers.yaml"
    config.write_text(yaml.safe_dump({"advertisers": entries}))
    task = LedgerMaintenanceOperator(
        task_id="maintenance", config=str(config), advertisers=["first", "broken", "second"]
    )
    DeliverySucceededNotifier().notify(cast("Context", {**Run().context(), "task": task}))
    assert [fact["value"] for _, body in shop.web.posted for fact in body["facts"] if fact["name"] == "Advertiser"] == [
        "first",
        "second",
    ]
    assert "broken: nobody is notified" in caplog.text

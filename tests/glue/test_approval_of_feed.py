"""A person is asked on the liveramp route too: what was approved goes out in the day's feed file, the rest does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.delivery.events.feed_setup import open_feed_state
from airflow_provider_tiktok_offline.delivery.events.guards import breaches_to_ask
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.operators.approval import ApproveDeliveryOperator
from airflow_provider_tiktok_offline.operators.base import delivery_ids
from airflow_provider_tiktok_offline.operators.conversions import DedupeOperator
from airflow_provider_tiktok_offline.operators.liveramp import LiveRampDeliveryOperator
from airflow_provider_tiktok_offline.operators.prepare import TikTokOfflinePrepareOperator
from airflow_provider_tiktok_offline.operators.summary import DeliverySummaryOperator
from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch
from tests.glue.conftest import Run
from tests.glue.test_approval_of_several import answer
from tests.glue.test_prepare_operator import FOUND, TaskInstance
from tests.liveramp.rows import feed, row, text

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

SMALL, LARGE = range(30), range(100, 160)
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()


@dataclass
class Office:
    """An advertiser on the liveramp route, whose feed lies in a folder.

    Attributes:
        settings: a file with more than 40 events waits for a person.
        run: one DAG run.
        asked: the task that asks, as soon as it has.
    """

    folder: Path
    settings: AdvertiserConfig
    run: Run
    asked: ApproveDeliveryOperator | None = None

    def drop(self, name: str, numbers: range) -> dict[str, Any]:
        """A file of such transactions; its stamp."""
        path = self.folder / name
        path.write_bytes(text([row(number, YESTERDAY) for number in numbers]))
        found = path.stat()
        return FileStamp(uri=str(path), size=found.st_size, mtime=from_epoch(found.st_mtime)).to_dict()

    def context(self) -> Context:
        return cast("Context", {**self.run.context(), "ti": TaskInstance()})

    def delivery(self) -> DeliveryContext:
        return DeliverySummaryOperator(task_id="summary", settings=self.settings).delivery_context(self.run.context())

    def ask(self, *files: dict[str, Any]) -> list[str]:
        """Read the files and ask about those that breach the guard; their deliveries."""
        context = self.context()
        prepare = TikTokOfflinePrepareOperator(
            task_id="prepare", files={**FOUND, "files": list(files)}, plan=False, settings=self.settings
        )
        assert prepare.execute(context) == []
        ids = delivery_ids(cast("TaskInstance", context["ti"]).xcoms["deliveries"])
        self.asked = ApproveDeliveryOperator(task_id="approve", deliveries=ids, settings=self.settings)
        assert len([one for one in ids if breaches_to_ask(self.delivery(), one)]) == 1
        return ids

    def go_on(self, chosen: str) -> dict[str, object]:
        """Answer, and do the tasks behind the question but for the last one."""
        assert self.asked is not None
        approved = self.asked.execute_complete(self.context(), answer(chosen))
        DedupeOperator(task_id="dedupe", deliveries=approved, settings=self.settings).execute(self.context())
        deliver = LiveRampDeliveryOperator(task_id="deliver", deliveries=approved, settings=self.settings)
        return deliver.execute(self.context())

    def close(self) -> dict[str, object]:
        return DeliverySummaryOperator(task_id="summary", settings=self.settings).execute(self.run.context())

    def delivered(self) -> list[list[str]]:
        """The rows of each file at the destination."""
        return [path.read_text().splitlines()[1:] for path in sorted((self.folder / "feed").iterdir())]


@pytest.fixture(name="office")
def _office(tmp_path: Path) -> Office:
    (tmp_path / "feed").mkdir()
    settings = AdvertiserConfig.model_validate(
        {
            "name": "shop",
            "advertiser_id": "7001",
            "event_set_id": "7002",
            "route": "liveramp",
            "mode": "live",
            "state_uri": str(tmp_path / "state"),
            "source": {"path": str(tmp_path / "sales_*.psv"), "files": "all"},
            "liveramp": {"destination": str(tmp_path / "feed"), "file_name": "{{ feed }}_{{ day }}.psv"},
            "guards": {"max_events": 40, "on_breach": "approve"},
        }
    )
    office = Office(tmp_path, settings, Run())
    ctx = office.delivery()
    Ledger.init(ctx.objects, "7002", identity=settings.identity_settings(), clock=system_clock())
    open_feed_state(ctx).accept(feed())
    return office


def _lines(*numbers: range) -> list[str]:
    return ["|".join(row(number, YESTERDAY)) for of_file in numbers for number in of_file]


def test_what_was_approved_goes_out_in_the_days_file(office: Office) -> None:
    """Nothing is written before the answer; then all files of the run are one feed file, and the run is closed."""
    office.ask(office.drop("sales_1.psv", SMALL), office.drop("sales_2.psv", LARGE))
    assert office.delivered() == []
    office.go_on("Approve")
    assert [sorted(lines) for lines in office.delivered()] == [sorted(_lines(SMALL, LARGE))]
    office.close()
    assert {state.status for state in office.delivery().deliveries.list("shop")} == {"closed"}


def test_what_was_rejected_stays(office: Office) -> None:
    """The run's other files are the day's feed file; the run fails and says why."""
    office.ask(office.drop("sales_1.psv", SMALL), office.drop("sales_2.psv", LARGE))
    office.go_on("Reject")
    assert office.delivered() == [_lines(SMALL)]
    with pytest.raises(AirflowFailException, match="Rejected: 60 events, more than max_events 40"):
        office.close()


def test_a_cleared_run_delivers_nothing_again(office: Office) -> None:
    """Each task says that the file was delivered, and nobody is asked again."""
    stamp = office.drop("sales_2.psv", LARGE)
    ids = office.ask(stamp)
    office.go_on("Approve")
    office.close()
    approve = ApproveDeliveryOperator(task_id="approve", deliveries=ids, settings=office.settings)
    assert approve.execute(office.context()) == {"deliveries": ids}
    again = office.go_on("Approve")["deliveries"]
    assert [one["outcome"] for one in cast("list[dict[str, object]]", again)] == ["already_delivered"]
    assert office.delivered() == [_lines(LARGE)]

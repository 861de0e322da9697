"""Days without a file, and files without rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_provider_tiktok_offline.operators.conversions import ValidateConversionFileOperator
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor
from tests.glue.conftest import Inbox, Run
from tests.glue.delivered import mark_delivered
from tests.glue.sensing import deferred, sense

NAME = "sales_20261121.csv"
#: 2026-11-21 is a Saturday.
CLOSED: list[dict[str, Any]] = [{"expected_days": ["mon", "tue"]}, {"closed_dates": ["2026-11-21"]}]
HEADER = b"email_1,transaction_category,transaction_timestamp,transaction_amount\n"


@pytest.mark.parametrize("changes", CLOSED)
@pytest.mark.parametrize("look", [sense, deferred])
def test_a_day_without_a_file_is_skipped_at_once(inbox: Inbox, changes: dict[str, Any], look: Any) -> None:
    """The sensor looks once, finds nothing, and does not wait."""
    before = inbox.server.logins()
    with pytest.raises(AirflowSkipException, match="No file is due on 2026-11-21"):
        look(inbox, **changes)
    assert inbox.server.logins() == before + 1


@pytest.mark.parametrize("changes", CLOSED)
@pytest.mark.parametrize("look", [sense, deferred])
def test_a_file_of_such_a_day_is_taken(inbox: Inbox, changes: dict[str, Any], look: Any) -> None:
    """A shop that opened all the same loses nothing."""
    inbox.put(NAME)
    assert [stamp["uri"].rpartition("/")[2] for stamp in look(inbox, **changes)["files"]] == [NAME]


def test_a_file_of_such_a_day_that_still_grows_is_waited_for(inbox: Inbox) -> None:
    """What is there decides, and not the calendar."""
    inbox.put(NAME, age=timedelta(0))
    settings = inbox.settings(settle_seconds=3600, **CLOSED[0])
    with pytest.raises(TaskDeferred):
        ConversionFileSensor(task_id="wait", settings=settings, deferrable=True).execute(Run().context())


def validate(inbox: Inbox, content: bytes, **changes: Any) -> object:
    """Check a file that the sensor handed over."""
    inbox.put(NAME, content)
    found = sense(inbox, **changes)
    task = ValidateConversionFileOperator(task_id="validate", files=found, settings=inbox.settings(**changes))
    return task.execute({**Run().context()})


@pytest.mark.parametrize(
    "changes", [{"header_only": "skip"}, {"expected_days": ["mon"]}, {"closed_dates": ["2026-11-21"]}]
)
def test_a_file_without_rows_is_a_quiet_day(inbox: Inbox, changes: dict[str, Any]) -> None:
    """It is passed over where no file was due, or where the configuration says so."""
    with pytest.raises(AirflowSkipException, match="a header and no rows: a quiet day"):
        validate(inbox, HEADER, **changes)


@pytest.mark.parametrize("changes", [{}, {"header_only": "fail", "expected_days": ["mon"]}])
def test_a_file_without_rows_fails_where_rows_were_due(inbox: Inbox, changes: dict[str, Any]) -> None:
    """An export that broke looks like a quiet day."""
    with pytest.raises(AirflowFailException, match="a header and no rows"):
        validate(inbox, HEADER, **changes)


def test_a_fixed_name_waits_for_the_days_own_file(inbox: Inbox) -> None:
    """Yesterday's file under a name without a day, delivered and unchanged, is not today's."""
    inbox.put("sales.csv")
    changes: dict[str, Any] = {"path": f"{inbox.folder}/sales.csv", "mode_": "live"}
    mark_delivered(inbox.settings(**changes), sense(inbox, **changes))
    assert sense(inbox, **changes)["already_delivered"] is True
    tomorrow = Run(params={"file_day": "2026-11-22"})
    sensor = ConversionFileSensor(task_id="wait", settings=inbox.settings(**changes), deferrable=True)
    with pytest.raises(TaskDeferred):
        sensor.execute(tomorrow.context())

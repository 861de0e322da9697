"""Days without a file, and files without rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_provider_tiktok_offline.connections import Connection
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


def test_a_server_that_is_down_on_such_a_day_is_not_waited_for_all_day(
    inbox: Inbox, add_connection: Callable[[Connection], None]
) -> None:
    """It is asked for an hour. Then the task fails and says why: nobody knows whether a file came."""
    settings = inbox.settings(**CLOSED[0])
    assert settings.source.timeout_seconds > 3600
    add_connection(inbox.server.connection("sftp_shop", port=1))
    sensor = ConversionFileSensor(task_id="wait", settings=settings, deferrable=True)
    with pytest.raises(TaskDeferred) as deferral:
        sensor.execute(Run().context())
    assert deferral.value.timeout is not None
    assert timedelta(minutes=59) < deferral.value.timeout <= timedelta(hours=1)
    with pytest.raises(AirflowFailException, match="No file is due on 2026-11-21, but the server does not answer"):
        over(sensor)
    with pytest.raises(AirflowFailException, match="No file is due on 2026-11-21, but the server does not answer"):
        sense(inbox, timeout=0.1, poke_interval=0.05, **CLOSED[0])


def test_a_server_that_answers_again_on_such_a_day_decides(
    inbox: Inbox, add_connection: Callable[[Connection], None]
) -> None:
    """As at the first look: nothing there is skipped, a file is taken."""
    add_connection(inbox.server.connection("sftp_shop", port=1))
    sensor = ConversionFileSensor(task_id="wait", settings=inbox.settings(**CLOSED[0]), deferrable=True)
    with pytest.raises(TaskDeferred):
        sensor.execute(Run().context())
    add_connection(inbox.server.connection("sftp_shop"))
    with pytest.raises(AirflowSkipException, match="No file is due on 2026-11-21"):
        over(sensor)
    inbox.put(NAME)
    assert [stamp["uri"].rpartition("/")[2] for stamp in over(sensor)["files"]] == [NAME]


def over(sensor: ConversionFileSensor) -> Any:
    """What a deferred task comes to when its time is over, as Airflow tells it."""
    return sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, Run().context())


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


def test_a_calendar_file_says_which_days_are_closed(inbox: Inbox) -> None:
    """It lies on the server beside the files, and is read when the task runs: a broken one stops the task."""
    path = inbox.folder / "closed.ics"
    path.write_text(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20201121\nRRULE:FREQ=YEARLY\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    changes: dict[str, Any] = {"closed_dates": f"sftp://sftp_shop@{path}"}
    with pytest.raises(AirflowSkipException, match="No file is due on 2026-11-21"):
        sense(inbox, **changes)
    path.write_text("BEGIN:VCALENDAR\nBEGIN:VEVENT\n")
    with pytest.raises(AirflowFailException, match=r"closed.ics \(entry shop, key source.closed_dates\): .* cut off"):
        sense(inbox, **changes)


def test_a_server_that_is_down_is_no_missing_file(inbox: Inbox, add_connection: Callable[[Connection], None]) -> None:
    """A day is skipped if the server says that there is no file, not if it says nothing."""
    add_connection(inbox.server.connection("sftp_shop", port=1))
    with pytest.raises(AirflowFailException, match="server does not answer, so nobody knows whether it is missing"):
        sense(inbox, timeout=0.1, poke_interval=0.05, missing_file="skip")
    sensor = ConversionFileSensor(task_id="wait", settings=inbox.settings(missing_file="skip"), deferrable=True)
    with pytest.raises(AirflowFailException, match="server does not answer, so nobody knows whether it is missing"):
        over(sensor)
    # Once it answers again, a file that came meanwhile is taken.
    add_connection(inbox.server.connection("sftp_shop"))
    inbox.put(NAME)
    assert len(over(sensor)["files"]) == 1

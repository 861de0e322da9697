"""Days of a backfill whose time was over before it began."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor
from tests.glue.conftest import Inbox, Run
from tests.glue.sensing import deferred, sense

NAME = "sales_20260801.csv"


def backfilled(**changes: Any) -> Run:
    """The run of a backfill for 2026-08-01, which is long past."""
    day = datetime(2026, 8, 1, tzinfo=UTC)
    return Run(data_interval_start=day, data_interval_end=day + timedelta(days=1), run_type="backfill", **changes)


@pytest.mark.parametrize("look", [sense, deferred])
@pytest.mark.parametrize(("missing_file", "end"), [("fail", AirflowFailException), ("skip", AirflowSkipException)])
def test_a_past_day_without_a_file_ends_at_once(
    inbox: Inbox, look: Any, missing_file: str, end: type[Exception]
) -> None:
    """As ``missing_file`` says, with day and place; one look, and nobody is told of a stale file."""
    before = inbox.server.logins()
    with pytest.raises(end, match=rf"2026-08-01 is past and has no file \(sftp://sftp_shop@.*{NAME}\)"):
        look(inbox, run=backfilled(), missing_file=missing_file)
    assert inbox.server.logins() == before + 1


@pytest.mark.parametrize("look", [sense, deferred])
def test_a_past_day_with_a_file_is_delivered(inbox: Inbox, look: Any) -> None:
    """What a backfill is for."""
    inbox.put(NAME)
    assert [stamp["uri"].rpartition("/")[2] for stamp in look(inbox, run=backfilled())["files"]] == [NAME]


@pytest.mark.parametrize(
    "run",
    [
        Run(
            data_interval_start=datetime(2026, 8, 1, tzinfo=UTC),
            data_interval_end=datetime(2026, 8, 2, tzinfo=UTC),
            run_type="scheduled",
        ),
        Run(
            data_interval_start=datetime.now(UTC) - timedelta(days=1),
            data_interval_end=datetime.now(UTC) - timedelta(minutes=1),
            run_type="backfill",
        ),
    ],
    ids=["cleared by a person", "time left"],
)
def test_other_runs_wait(inbox: Inbox, run: Run) -> None:
    """A run that somebody cleared waits for the file that is being put there; so does a day whose time is not over."""
    with pytest.raises(TaskDeferred):
        ConversionFileSensor(task_id="wait", settings=inbox.settings(), deferrable=True).execute(run.context())


def test_a_server_that_is_down_does_not_make_a_past_day_skipped(
    inbox: Inbox, add_connection: Callable[[Connection], None]
) -> None:
    """It is asked for an hour; then the task fails, since a file may lie there."""
    add_connection(inbox.server.connection("sftp_shop", port=1))
    settings = inbox.settings(missing_file="skip")
    with pytest.raises(TaskDeferred) as deferral:
        ConversionFileSensor(task_id="wait", settings=settings, deferrable=True).execute(backfilled().context())
    assert deferral.value.timeout is not None
    assert deferral.value.timeout <= timedelta(hours=1)
    with pytest.raises(AirflowFailException, match="The time for the file of 2026-08-01 is over, but the server does"):
        sense(inbox, run=backfilled(), missing_file="skip", timeout=0.1, poke_interval=0.05)

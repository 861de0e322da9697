"""The links that a task shows."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections
from airflow_provider_tiktok_offline.links import EventsManagerLink, FileReportLink
from airflow_provider_tiktok_offline.operators.conversions import ValidateConversionFileOperator
from airflow_provider_tiktok_offline.operators.summary import DeliverySummaryOperator
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch
from tests.glue.conftest import Inbox, Run
from tests.servers.s3 import s3_server


@pytest.fixture(name="reports")
def _reports(add_connection: Callable[[Connection], None]) -> Iterator[str]:
    """A place for state in a bucket."""
    with s3_server() as server:
        server.make_bucket("reports")
        add_connection(server.connection("s3_state"))
        yield "s3://s3_state@reports/state"


def task(inbox: Inbox, **settings: object) -> ValidateConversionFileOperator:
    path = inbox.folder / "sales_20261121.csv"
    write_sample(path, 20, as_of=datetime.now(UTC), seed=1, form=SampleForm(identifiers="both"))
    path.write_text(path.read_text() + "nonsense\n")
    found = path.stat()
    stamp = FileStamp(f"sftp://sftp_shop@{path}", found.st_size, from_epoch(int(found.st_mtime)))
    return ValidateConversionFileOperator(
        task_id="validate", settings=inbox.settings(**settings), files=[stamp.to_dict()]
    )


def followed(link: str) -> str:
    """What a browser without credentials shows there; anything but HTML it would only save."""
    answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(link)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    text: str = answer.read().decode()
    return text


def test_a_report_in_a_bucket_has_a_signed_link(inbox: Inbox, reports: str) -> None:
    """Who follows the link reads the report without credentials of their own; the result in XCom holds no signature."""
    validate = task(inbox, state_uri=reports)
    result = validate.execute(Run().context())
    page = followed(FileReportLink().get_link(validate, ti_key=None))  # type: ignore[arg-type]
    assert "sales_20261121.csv" in page
    assert "ignature" not in str(result)


def test_the_report_is_linked_where_it_is_needed_most(inbox: Inbox, reports: str) -> None:
    """A task that stopped at the gate shows the report that says why."""
    validate = task(inbox, state_uri=reports, max_rejected_ratio=0)
    with pytest.raises(AirflowFailException, match="GateExceededError"):
        validate.execute(Run().context())
    assert "sales_20261121.csv" in followed(FileReportLink().get_link(validate, ti_key=None))  # type: ignore[arg-type]


def test_a_report_on_a_disk_has_none(inbox: Inbox) -> None:
    """A browser can't read a worker's disk; the table stands in the task's log."""
    validate = task(inbox)
    validate.execute(Run().context())
    assert FileReportLink().get_link(validate, ti_key=None) == ""  # type: ignore[arg-type]


def test_events_manager(inbox: Inbox) -> None:
    """The link opens the advertiser's own event sets."""
    summary = DeliverySummaryOperator(task_id="summary", settings=inbox.settings())
    link = EventsManagerLink().get_link(summary, ti_key=None)  # type: ignore[arg-type]
    assert link.startswith("https://ads.tiktok.com/")
    assert "7000000000000000101" in link


def test_events_managers_host_is_a_setting(inbox: Inbox) -> None:
    """Accounts of the US have another address; a host that is not TikTok's is refused."""
    summary = DeliverySummaryOperator(
        task_id="summary", settings=inbox.settings(events_manager_host="ads.us.tiktok.com")
    )
    link = EventsManagerLink().get_link(summary, ti_key=None)  # type: ignore[arg-type]
    assert link == "https://ads.us.tiktok.com/i18n/events_manager/home?aadvid=7000000000000000101"
    with pytest.raises(ValueError, match="events_manager_host"):
        inbox.settings(events_manager_host="ads.tiktok.com.evil.example")


def test_a_role_s_session_gives_no_signed_link(
    inbox: Inbox, reports: str, add_connection: Callable[[Connection], None]
) -> None:
    """The session's token would ride along in the URL."""
    state = AirflowConnections().get("s3_state")
    add_connection(replace(state, extra={**state.extra, "aws_session_token": "tok3n-of-the-session"}))
    validate = task(inbox, state_uri=reports)
    validate.execute(Run().context())
    assert "tok3n" not in FileReportLink().get_link(validate, ti_key=None)  # type: ignore[arg-type]
    assert FileReportLink().get_link(validate, ti_key=None) == ""  # type: ignore[arg-type]


def test_a_signed_link_lives_for_a_working_day(inbox: Inbox, reports: str) -> None:
    """Whoever has it needs no login."""
    validate = task(inbox, state_uri=reports)
    validate.execute(Run().context())
    link = FileReportLink().get_link(validate, ti_key=None)  # type: ignore[arg-type]
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == [str(8 * 3600)]

"""The links that a task shows."""

from __future__ import annotations

import json
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.airflow_connections import AirflowConnections
from airflow_provider_tiktok_offline.delivery.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery_task import with_link
from airflow_provider_tiktok_offline.links import EventsManagerLink
from airflow_provider_tiktok_offline.operators.summary import DeliverySummaryOperator
from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.glue.conftest import Inbox
from tests.servers.s3 import s3_server


def test_a_report_in_a_bucket_has_a_signed_link(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who follows the link reads the report without credentials of their own."""
    with s3_server() as server:
        server.make_bucket("reports")
        connection = server.connection("s3_state")
        fields = {"conn_type": "aws", "login": connection.login, "password": connection.password}
        monkeypatch.setenv("AIRFLOW_CONN_S3_STATE", json.dumps({**fields, "extra": dict(connection.extra)}))
        config = inbox.settings(state_uri="s3://s3_state@reports/state")
        ctx = DeliveryContext(config=config, connections=AirflowConnections(), holder="a/b")
        ctx.objects.put(f"{ctx.folder('d-1')}/report.html", b"<h1>Report</h1>")
        link = with_link(ctx, {"delivery_id": "d-1"})["report_link"]
        assert urllib.request.build_opener(urllib.request.ProxyHandler({})).open(link).read() == b"<h1>Report</h1>"


def test_a_report_on_a_disk_has_none(tmp_path: Path) -> None:
    """A browser can't read a worker's disk."""
    assert open_objects(str(tmp_path)).link("report.html", timedelta(days=1)) is None


def test_events_manager(inbox: Inbox) -> None:
    """The link opens the advertiser's own event sets."""
    task = DeliverySummaryOperator(task_id="summary", settings=inbox.settings())
    link = EventsManagerLink().get_link(task, ti_key=None)  # type: ignore[arg-type]
    assert link.startswith("https://ads.tiktok.com/")
    assert "7000000000000000101" in link

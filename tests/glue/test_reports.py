"""The report task and the DAG that the factory makes of ``reports:``."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.notifications.delivery import DeliverySucceededNotifier, TikTokReportNotifier
from airflow_provider_tiktok_offline.operators.reports import TikTokOfflineReportOperator
from airflow_provider_tiktok_offline.simulator.ads import NewAds
from airflow_provider_tiktok_offline.simulator.control import NewAdvertiser
from airflow_provider_tiktok_offline.tiktok.codes import SCOPE_NOT_AUTHORIZED
from airflow_provider_tiktok_offline.tiktok.oauth import SEND_EVENTS
from tests.glue.conftest import Inbox, Run
from tests.glue.test_hooks import AddConnection, _api  # noqa: F401 - fixture
from tests.servers.airflow_versions import dag_bag
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, RunningSimulator
from tests.servers.sink import sink

FACTORY = """
from airflow_provider_tiktok_offline.dag_factory import build_dags

build_dags(globals(), "advertisers.yaml")
"""


def test_the_task_says_that_no_ad_tracks_the_event_set(
    inbox: Inbox,
    api: RunningSimulator,
    add_connection: AddConnection,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With its counts in the result, and what to do in the log."""
    account, event_set = "7000000000000003001", "7000000000000003002"
    api.control.add_advertiser(NewAdvertiser(advertiser_id=account, event_set_id=event_set, name="Unused"))
    api.control.add_ads(NewAds(advertiser_id=account, number=14, event_set_ids=[]))
    add_connection(Connection(conn_id="tiktok_default", conn_type="tiktok", host=api.url, password=ACCESS_TOKEN))
    settings = inbox.settings(advertiser_id=account, event_set_id=event_set, reports={"days": 3})
    result = TikTokOfflineReportOperator(task_id="report", settings=settings).execute(Run().context())
    logged = capsys.readouterr().out
    assert (result["active_ads"], result["tracking_ads"]) == (14, 0)
    assert result["attributed"] == {"Purchase": 0}
    assert "0 of 14 active ads track event set" in logged
    assert "Auto-tracking reaches only ads that are made after" in logged


def test_the_factory_makes_the_reports_dag(inbox: Inbox, tmp_path: Path) -> None:
    """A DAG of its own, at its own hour in the advertiser's time zone; none without ``reports:``."""
    whole = inbox.settings().model_dump(mode="json", exclude_unset=True)
    entries = [whole, {**whole, "name": "read", "reports": {"schedule": "0 11 * * *"}, "time_zone": "Europe/Berlin"}]
    (tmp_path / "advertisers.yaml").write_text(yaml.safe_dump({"advertisers": entries}))
    (tmp_path / "shops.py").write_text(FACTORY)
    bag = dag_bag(tmp_path, bundle=tmp_path)
    assert set(bag.dags) == {"tiktok_offline__shop", "tiktok_offline__read", "tiktok_offline_report__read"}
    dag = bag.dags["tiktok_offline_report__read"]
    assert dag.task_ids == ["report"]
    assert "Europe/Berlin" in repr(dag.timetable)


def test_a_cleared_run_tells_its_success_once(inbox: Inbox, add_connection: AddConnection, tmp_path: Path) -> None:
    """Airflow calls the notifier of a cleared run again; nobody is told again."""
    settings = inbox.settings(
        state_uri=str(tmp_path / "state"), notifications={"events": ["success"], "webhook_conn_id": "alerts"}
    )
    with sink() as web:
        add_connection(Connection(conn_id="alerts", conn_type="http", host=web.url))
        for _ in range(2):
            DeliverySucceededNotifier(settings=settings).notify(Run().context())
        assert len(web.posted) == 1


@pytest.mark.parametrize(("token", "code"), [("revoked", 40105), ("narrowed", SCOPE_NOT_AUTHORIZED)])
def test_the_report_tells_what_it_found_once(
    inbox: Inbox, api: RunningSimulator, add_connection: AddConnection, tmp_path: Path, token: str, code: int
) -> None:
    """A revoked or narrowed grant is told after the failure, with what to do, and not again by the next run."""
    api.control.grant("narrowed", ADVERTISER_ID, scopes=[SEND_EVENTS])
    add_connection(Connection(conn_id="tiktok_default", conn_type="tiktok", host=api.url, password=token))
    settings = inbox.settings(
        state_uri=str(tmp_path / "state"), reports={}, notifications={"webhook_conn_id": "alerts"}
    )
    with sink() as web:
        add_connection(Connection(conn_id="alerts", conn_type="http", host=web.url))
        for _ in range(2):
            with pytest.raises(AirflowFailException):
                TikTokOfflineReportOperator(task_id="report", settings=settings).execute(Run().context())
            TikTokReportNotifier(settings=settings).notify(Run().context())
        [(_, body)] = web.posted
    assert body["subject"].startswith("shop: TikTok's side needs a look")
    assert str(code) in str(body["facts"])

"""Airflow's connection of type ``tiktok`` as a client of TikTok's Business API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
    from airflow_provider_tiktok_offline.tiktok.reports import OfflineReport, ReportQuery

__all__ = ["TikTokHook"]


class TikTokHook(BaseHook):
    """TikTok's Business API with the access token of a connection.

    :param tiktok_conn_id: the connection; its password is the access token, its host another base URL. A grant whose
        tokens expire lies in the store that its extra names as ``token_store``, beside ``app_id`` and ``app_secret``.
    """

    conn_name_attr = "tiktok_conn_id"
    default_conn_name = "tiktok_default"
    conn_type = "tiktok"
    hook_name = "TikTok Business API"

    def __init__(self, tiktok_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tiktok_conn_id = tiktok_conn_id

    def get_conn(self) -> TikTokClient:
        """A client; close it, or use it in a ``with`` block.

        :raises ConfigError: if the connection is missing or has no access token.
        """
        from airflow_provider_tiktok_offline.tiktok.access import access_token_of, allows_http, api_url_of
        from airflow_provider_tiktok_offline.tiktok.client import TikTokClient

        connections = AirflowConnections()
        connection = connections.get(self.tiktok_conn_id)
        token = access_token_of(connection, connections)
        mask_secret(token)
        return TikTokClient(token, base_url=api_url_of(connection), allow_http=allows_http(connection))

    def offline_report(self, advertiser_id: str, query: ReportQuery) -> OfflineReport:
        """What TikTok attributed to an ad account's ads, as Arrow, Polars or pandas.

        ::

            query = ReportQuery(start=date(2026, 11, 1), end=date(2026, 11, 28), level="campaign", by_day=True)
            frame = TikTokHook().offline_report("7000000000000000001", query).to_pandas()

        :param advertiser_id: the ad account.
        :param query: days, level and metrics.
        :raises ApiError: if TikTok answers with an error.
        """
        from airflow_provider_tiktok_offline.tiktok.reports import read_report

        with self.get_conn() as client:
            return read_report(client, advertiser_id, query)

    def test_connection(self) -> tuple[bool, str]:
        """What the connection form's *Test* shows: what the access token reaches."""
        from airflow_provider_tiktok_offline.tiktok.check import check
        from airflow_provider_tiktok_offline.tiktok.oauth import app_of

        try:
            extra = AirflowConnections().get(self.tiktok_conn_id).extra
            if not extra.get("advertiser_id") and app_of(extra) is None:
                return (
                    False,
                    "The access token was not looked at: add an advertiser id, or the app's id and secret.",
                )
            with self.get_conn() as client:
                found = check(
                    client,
                    advertiser_id=extra.get("advertiser_id") or None,
                    app=app_of(extra),
                )
        except TikTokOfflineError as error:
            return False, str(error)
        return found.ok, str(found)

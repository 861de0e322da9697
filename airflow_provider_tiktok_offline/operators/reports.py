"""Reading what TikTok attributed, so that the figures of each day are there with the time they were read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.glue.lineage import at
from airflow_provider_tiktok_offline.links import EventsManagerLink
from airflow_provider_tiktok_offline.operators.base import AdvertiserOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["TikTokOfflineReportOperator"]


class TikTokOfflineReportOperator(AdvertiserOperator):
    """Read the last days of TikTok's report again and keep the reading in the advertiser's ``attribution`` table.

    What is read is said by ``reports:`` of the advertiser: the days, the level, the events. Returns the counts that
    TikTok attributed, the offline return on ad spend and the ads that track the event set; amounts are in the table.

    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    """

    operator_extra_links = (EventsManagerLink(),)

    def execute(self, context: Context) -> dict[str, object]:
        from airflow_provider_tiktok_offline.delivery.operations.alerts import note_alerts
        from airflow_provider_tiktok_offline.delivery.operations.attribution import read_attribution, unused
        from airflow_provider_tiktok_offline.errors import ApiError

        with self.step("report", context) as ctx:
            try:
                reading = read_attribution(ctx)
            except ApiError as error:
                if not error.retryable:
                    # A grant that was revoked or narrowed, or a role that was taken away.
                    note_alerts(ctx, {"grant": str(error)})
                raise
            self.trace(written=[at(reading.table, reading.numbers)])
        self.log.info("%s: %s.", reading.advertiser, reading)
        if reading.unreconciled:
            self.log.warning(
                "%s: the %ss do not add up to the advertiser's total in %s. Compare totals at the advertiser's level.",
                reading.advertiser, reading.level, ", ".join(reading.unreconciled),
            )  # fmt: skip
        if fault := unused(reading.active_ads, reading.tracking_ads, ctx.config.event_set_id):
            self.log.error("%s: %s", reading.advertiser, fault)
        for incident in reading.incidents:
            self.log.warning("TikTok lists as an open incident: %s.", incident)
        return reading.to_dict()

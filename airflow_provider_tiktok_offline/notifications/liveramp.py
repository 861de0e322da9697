"""The mail that tells LiveRamp's technical account specialist of an upload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseNotifier

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.glue.delivery_task import DeliveryTask

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["LiveRampConfirmationNotifier"]


class LiveRampConfirmationNotifier(DeliveryTask, BaseNotifier):
    """Mail file name, rows, bytes, checksum and time of each feed file the run has delivered; no customer's data.

    For ``on_success_callback`` of a ``LiveRampDeliveryOperator``. The mail goes through Airflow's SMTP provider
    (``apache-airflow-providers-smtp``), to ``liveramp.confirm_to``.

    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    :param smtp_conn_id: the SMTP connection. (templated)
    """

    template_fields: Sequence[str] = ("config", "advertiser", "smtp_conn_id")

    def __init__(
        self,
        *,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        smtp_conn_id: str = "smtp_default",
    ) -> None:
        super().__init__()
        self.config = config
        self.advertiser = advertiser
        self.settings = settings
        self.smtp_conn_id = smtp_conn_id

    def notify(self, context: Context) -> None:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        from airflow_provider_tiktok_offline.delivery.events.feed_setup import feed_name, open_feed_state
        from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run
        from airflow_provider_tiktok_offline.liveramp.confirmation import confirmation

        ctx = self.delivery_context(context)
        if ctx.config.liveramp is None or not ctx.config.liveramp.confirm_to:
            return
        feed_state = open_feed_state(ctx)
        records = {
            record.file_name: record for one in deliveries_of_run(ctx) if (record := feed_state.of_delivery(one))
        }
        for record in records.values():
            if record.status == "delivered":
                mail = confirmation(record, feed=feed_name(ctx))
                SmtpNotifier(
                    to=list(ctx.config.liveramp.confirm_to),
                    subject=mail.subject,
                    html_content=mail.html,
                    smtp_conn_id=self.smtp_conn_id,
                ).notify(context)

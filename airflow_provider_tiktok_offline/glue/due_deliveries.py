"""Sending what has waited and is due (``send_after_days``) while the day's file is late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.glue.metrics import count_delivery
from airflow_provider_tiktok_offline.glue.unexpected_errors import unexpected
from airflow_provider_tiktok_offline.plain_text import plain_logger

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

log = plain_logger(__name__)


def send_overdue(ctx: DeliveryContext) -> datetime | None:
    """Send what is due, if any of it can't wait for the day's file any longer.

    The returns of a file that comes afterwards are too late for it. What can't be sent now is left to the run's next
    task: the wait for the file goes on.

    :returns: when to call again; None if nothing else waits.
    """
    from airflow_provider_tiktok_offline.delivery.sequences import deliver_due
    from airflow_provider_tiktok_offline.delivery.state.waiting import last_moments

    if not ctx.config.send_after_days:
        return None
    now = ctx.clock.now()
    moments = last_moments(ctx)
    if any(moment <= now for moment in moments):
        log.info("Deliveries are due today, and the day's file is not there: they are sent without it.")
        try:
            for summary in deliver_due(ctx):
                log.info("%s", log_sentences.summarized(summary))
                count_delivery(ctx.config, summary)
        except Exception as error:
            fault = error if isinstance(error, TikTokOfflineError) else unexpected(error)
            log.error("What is due could not be sent; the task behind the wait tries again. %s", fault)
    return min((moment for moment in moments if moment > now), default=None)

"""Links from a task in Airflow's UI: to the file's report, and to TikTok's Events Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from airflow.providers.common.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, TaskInstanceKey

    from airflow_provider_tiktok_offline.glue.delivery_task import DeliveryTask

__all__ = ["EventsManagerLink", "FileReportLink"]

#: Where a person looks at an advertiser's event sets.
EVENTS_MANAGER = "https://{host}/i18n/events_manager/home?aadvid={advertiser_id}"


class FileReportLink(BaseOperatorLink):
    """The HTML report of the (first) file that the task worked on.

    A signed URL where the state lies in a bucket, otherwise a page behind Airflow's login.

    Airflow asks for it where the task has just run, after a failure too.
    """

    name = "Conversion file report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's signature
        return getattr(operator, "report_link", None) or ""


class EventsManagerLink(BaseOperatorLink):
    """TikTok's Events Manager, opened for the advertiser."""

    name = "TikTok Events Manager"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's signature
        config = cast("DeliveryTask", operator).advertiser_config()
        return EVENTS_MANAGER.format(host=config.events_manager_host, advertiser_id=config.advertiser_id)

"""The liveramp route: the day's feed file, delivered, or written for a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.glue.delivery_task import skipped
from airflow_provider_tiktok_offline.glue.lineage import at
from airflow_provider_tiktok_offline.glue.retry_policy import use_retry_policy
from airflow_provider_tiktok_offline.operators.base import (
    DeliveriesOperator,
    DeliveryOperator,
    file_by_file,
    follow_file,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["LiveRampDeliveryOperator", "WriteLiveRampFileOperator"]


class LiveRampDeliveryOperator(DeliveriesOperator):
    """Deliver the day's feed file to LiveRamp: the rows that are new, in one stream from source to destination.

    Run again after any fault, it ends in one whole file; the same content is never delivered twice, and never more than
    one file a UTC day: what comes later waits for the next. If every row was delivered before, no file goes out and the
    task is skipped.

    Returns ``{"deliveries": [...]}``, one result a delivery with ``outcome``, ``file_name``, ``rows`` and ``sha256``.
    """

    def execute(self, context: Context) -> dict[str, object]:
        from airflow_provider_tiktok_offline.delivery.steps.deliver import deliver

        with self.step("deliver", context) as ctx:
            results = []
            with file_by_file(ctx, "deliver", context) as one_file:
                for given in self.delivery_ids():
                    uri = ctx.deliveries.get(given).uri
                    with one_file(uri):
                        delivery_id = follow_file(ctx, context, "deliver", given)
                        if delivery_id is None:
                            continue
                        watch = log_sentences.Stopwatch(ctx.clock)
                        result = deliver(ctx, delivery_id)
                        results.append(result)
                        self.log.info("%s", log_sentences.delivered(result, watch))
                        fed = [] if result.uri is None else [at(result.uri, result.rows)]
                        self.trace(read=[at(uri)], written=fed)
        if results and all(result.outcome == "nothing_new" for result in results):
            raise skipped("Nothing is new: every row was delivered before, so no file goes out.")
        return {"deliveries": [result.to_dict() for result in results]}


class WriteLiveRampFileOperator(DeliveryOperator):
    """Write the feed file that a delivery of one conversion file would make, plain, without delivering anything.

    The file holds customers' data in plain text; it is readable by the worker's user alone.

    Returns ``rows``, ``bytes``, ``sha256`` and ``left_out``.

    :param uri: the conversion file. (templated)
    :param to: a path on the worker. (templated)
    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    """

    template_fields: Sequence[str] = (*DeliveryOperator.template_fields, "uri", "to")

    def __init__(
        self,
        *,
        uri: str,
        to: str,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(**kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.uri = uri
        self.to = to

    def execute(self, context: Context) -> dict[str, int | str]:
        from airflow_provider_tiktok_offline.delivery.operations.feed_files import write_file

        with self.step("write_file", context) as ctx:
            return write_file(ctx, self.uri, Path(self.to)).to_dict()

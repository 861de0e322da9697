"""Spreading a large file over several tasks: cut it, and read a shard of it in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.glue.lineage import at
from airflow_provider_tiktok_offline.glue.retry_policy import use_retry_policy
from airflow_provider_tiktok_offline.operators.base import DeliveryOperator
from airflow_provider_tiktok_offline.operators.conversions import stamps

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_tiktok_offline.delivery.steps.shards import PlannedShard

__all__ = ["CutConversionFileOperator", "PrepareShardOperator"]


class CutConversionFileOperator(DeliveryOperator):
    """Cut large conversion files into shards, at ends of rows; ``shards:`` of the advertiser says what is large.

    Returns the shards, as ``[{"file": ..., "shard": 0, "name": ...}, ...]``: map :class:`PrepareShardOperator` over
    it, and let ``TikTokOfflinePrepareOperator`` follow both with ``trigger_rule="none_failed"``. A file that is not
    cut has none; ``prepare`` reads it as a whole.

    :param files: the sensor's result, its ``files``, or one stamp (``uri``, ``size``, ``mtime``). (templated)
    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    """

    template_fields: Sequence[str] = (*DeliveryOperator.template_fields, "files")

    def __init__(
        self,
        *,
        files: object,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(**kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.files = files

    def execute(self, context: Context) -> list[dict[str, object]]:
        from airflow_provider_tiktok_offline.delivery.source.source_file import stamp_of
        from airflow_provider_tiktok_offline.delivery.steps.shards import cut_file

        planned: list[PlannedShard] = []
        with self.step("cut_file", context) as ctx:
            for file in stamps(self.files):
                watch = log_sentences.Stopwatch(ctx.clock)
                stamp = stamp_of(ctx, file) if isinstance(file, str) else file
                shards = cut_file(ctx, stamp)
                self.log.info("%s", log_sentences.cut(str(stamp["uri"]), len(shards), watch))
                self.trace(read=[at(str(stamp["uri"]))], written=[])
                planned += shards
        return [cast("dict[str, object]", one) for one in planned]


class PrepareShardOperator(DeliveryOperator):
    """Check the rows of one shard of a conversion file and stage what is needed of them. Run again, it leaves the same.

    Map it over :class:`CutConversionFileOperator`'s result::

        PrepareShardOperator.partial(task_id="prepare_shard", settings=settings).expand(shard=cut.output)

    Returns ``{"shard": ..., "rows": ...}``.

    :param shard: what ``CutConversionFileOperator`` returned of it. (templated)
    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    """

    template_fields: Sequence[str] = (*DeliveryOperator.template_fields, "shard")

    def __init__(
        self,
        *,
        shard: Mapping[str, object],
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        map_index_template: str | None = "{{ task.shard['name'] }}",
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(map_index_template=map_index_template, **kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.shard = shard

    def execute(self, context: Context) -> dict[str, object]:
        from airflow_provider_tiktok_offline.delivery.steps.shards import read_shard

        with self.step("prepare_shard", context) as ctx:
            watch = log_sentences.Stopwatch(ctx.clock)
            planned = cast("PlannedShard", self.shard)
            done = read_shard(ctx, planned)
            self.log.info("%s", log_sentences.shard_read(planned.get("name") or "shard", done, watch))
        return {"shard": done.shard, "rows": done.rows}

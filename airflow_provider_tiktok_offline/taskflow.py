"""The functions of ``delivery`` in ``@task`` functions: the same ones that the operators call.

::

    @task
    def check(uri: str) -> int:
        from airflow_provider_tiktok_offline.delivery.source.source_file import stamp_of
        from airflow_provider_tiktok_offline.delivery.steps.validate import validate

        with delivery_step("validate", config=CONFIG, advertiser="acme_us") as ctx:
            return validate(ctx, stamp_of(ctx, uri)).rows_valid

Import them inside the function: they load Polars, which a DAG file must not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import get_current_context

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.glue.delivery_task import DeliveryTask

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

__all__ = ["delivery_step"]


class _Step(DeliveryTask):
    def __init__(
        self, config: str | None, advertiser: str | None, settings: AdvertiserConfig | Mapping[str, object] | None
    ) -> None:
        self.config = config
        self.advertiser = advertiser
        self.settings = settings


@contextmanager
def delivery_step(
    name: str,
    *,
    config: str | None = None,
    advertiser: str | None = None,
    settings: AdvertiserConfig | Mapping[str, object] | None = None,
) -> Iterator[DeliveryContext]:
    """What a step is given, with Airflow's connections and held by the run that is at work.

    An error that no retry can help fails the task at once, as in the operators; the time is reported as a metric.

    :param name: the step's, in the metrics.
    :param config: path of advertisers.yaml, as the worker sees it.
    :param advertiser: the entry's name.
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    """
    with _Step(config, advertiser, settings).step(name, get_current_context()) as ctx:
        yield ctx

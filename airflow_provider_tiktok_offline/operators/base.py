"""The base of the operators that run one step of a delivery."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.glue.delivery_task import DeliveryTask
from airflow_provider_tiktok_offline.glue.lineage import Traced
from airflow_provider_tiktok_offline.glue.retry_policy import with_retry_policy

_Result = TypeVar("_Result")


class DeliveryOperator(DeliveryTask, Traced, BaseOperator):
    """An operator that runs one step of a delivery.

    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    """

    template_fields: Sequence[str] = ("config", "advertiser")
    ui_color = "#e8f4f3"

    def __init__(
        self,
        *,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**with_retry_policy(kwargs))
        self.config = config
        self.advertiser = advertiser
        self.settings = settings


def delivery_ids(given: object) -> list[str]:
    """The delivery ids in what a step before handed over: an id, a step's result, or a list of either."""
    match given:
        case None:
            return []
        case str():
            return [given]
        case {"deliveries": inner}:
            return delivery_ids(inner)
        case {"delivery_id": str(one)}:
            return [one]
        case Mapping():
            raise ConfigError("the result of the step before names no delivery.", where="deliveries")
        case Sequence():
            return list(dict.fromkeys(one for item in given for one in delivery_ids(item)))
    raise ConfigError(f"a delivery is named by a string, not by {type(given).__name__}.", where="deliveries")


def each(ids: Sequence[str], step: Callable[[str], _Result]) -> list[_Result]:
    """Run a step for each delivery, in order; the first error ends it and a retry starts over, which costs nothing."""
    return [step(one) for one in ids]

"""The bases of the operators that run one step of a delivery.

Each operator has one ``__init__`` of its own and names the advertiser's arguments in it. Airflow applies its defaults
once more for every further ``__init__`` in the class hierarchy, which costs more than all the rest of an operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import ConfigError, SkippedFileError
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.glue.delivery_task import DeliveryTask
from airflow_provider_tiktok_offline.glue.file_day import file_day
from airflow_provider_tiktok_offline.glue.lineage import Traced
from airflow_provider_tiktok_offline.glue.retry_policy import use_retry_policy
from airflow_provider_tiktok_offline.glue.unexpected_errors import unexpected_errors
from airflow_provider_tiktok_offline.plain_text import plain_logger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

log = plain_logger(__name__)

OneFile = Callable[[str], AbstractContextManager[None]]

#: The name in the UI of a task that is mapped over advertisers.
BY_ADVERTISER = "{{ task.advertiser or task.advertiser_config().name }}"


class PlannedPart(TypedDict):
    """A part of a delivery's plan that holds something to send, or several that one task sends.

    Attributes:
        delivery_id: the delivery.
        part: the part's number, or the first of several.
        parts: the numbers, where they are several.
        name: the part in the UI, as ``sales_20261127.csv, part 2 of 5``.
    """

    delivery_id: str
    part: int
    parts: NotRequired[list[int]]
    name: NotRequired[str]


class DeliveryOperator(BaseOperator, DeliveryTask, Traced):
    """An operator that runs one step of a delivery."""

    template_fields: Sequence[str] = ("config", "advertiser")
    ui_color = "#e8f4f3"

    def say(self, ctx: DeliveryContext, delivery_id: str, sentence: str, *, closed: bool) -> None:
        """Log what a step gave.

        :param closed: the delivery was closed before; the log says when and by which run, instead of the sentence.
        """
        from airflow_provider_tiktok_offline.delivery.state.step_results import ClosedBy

        if closed:
            state = ctx.deliveries.get(delivery_id)
            sentence = log_sentences.delivered_already(state, ClosedBy.of(state))
        self.log.info("%s", sentence)


@contextmanager
def file_by_file(ctx: DeliveryContext, step: str, context: Context) -> Iterator[OneFile]:
    """Run a step for each file of the run; where several are left, a fault of one holds back that one alone.

    Yields what the step for one file runs in; it takes the file's URI.

    :param step: its name.
    """
    from airflow_provider_tiktok_offline.delivery.state.held_back import FileByFile

    ti = context.get("ti")
    files = FileByFile(ctx, step, last_try=ti is None or ti.try_number > ti.max_tries)

    @contextmanager
    def one_file(uri: str) -> Iterator[None]:
        with files.one(uri), unexpected_errors():
            yield

    yield one_file
    files.finish()


def follow_file(ctx: DeliveryContext, context: Context, step: str, delivery_id: str) -> str | None:
    """The delivery that a step goes on with; a task that was cleared takes the file that a corrected one has replaced.

    :param step: one of the route's.
    :param delivery_id: what the step before has named.
    :returns: None if the file now has no rows, and is passed over.
    """
    from airflow_provider_tiktok_offline.delivery import sequences

    ti = context.get("ti")
    again = ti is not None and ti.try_number > 1
    try:
        day = file_day(ctx.config, context) if again else None
    except ConfigError:
        day = None
    try:
        followed = sequences.follow_file(ctx, delivery_id, step, again=again, day=day)
    except SkippedFileError as error:
        log.warning("%s", error)
        return None
    if followed != delivery_id:
        log.info("The file was replaced: delivery %s takes the place of %s.", followed, delivery_id)
    return followed


class AdvertiserOperator(DeliveryOperator):
    """An operator that works on an advertiser as a whole; mapped over many, each task has the advertiser's name.

    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    """

    def __init__(
        self,
        *,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        map_index_template: str | None = BY_ADVERTISER,
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(map_index_template=map_index_template, **kwargs)
        self.name_advertiser(config, advertiser, settings)


class DeliveriesOperator(DeliveryOperator):
    """An operator that runs one step for each delivery that the step before returned.

    :param deliveries: a delivery id, the result of a step before, or a list of either. (templated)
    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    """

    template_fields: Sequence[str] = (*DeliveryOperator.template_fields, "deliveries")

    def __init__(
        self,
        *,
        deliveries: object,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(**kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.deliveries = deliveries

    def delivery_ids(self) -> list[str]:
        """The ids in ``deliveries``, each once, in order."""
        return delivery_ids(self.deliveries)


def delivery_ids(given: object) -> list[str]:
    """The delivery ids in what a step before returned: an id, a step's result, or a list of either.

    :raises ConfigError: if it is something else.
    """
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

"""Maintenance of the ledger and the state, and a daily look at everything a delivery needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.conversions.report.report import number_of
from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.glue.delivery_task import TaskFailedError
from airflow_provider_tiktok_offline.glue.retry_policy import use_retry_policy
from airflow_provider_tiktok_offline.glue.status_xcom import leave_findings
from airflow_provider_tiktok_offline.operators.base import BY_ADVERTISER, AdvertiserOperator, DeliveryOperator
from airflow_provider_tiktok_offline.plain_text import plain_logger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["DoctorOperator", "LedgerInitOperator", "LedgerMaintenanceOperator"]


log = plain_logger(__name__)

#: The name in the UI of a task that is mapped over groups of advertisers.
BY_GROUP = (
    "{{ (task.advertisers[0] ~ ' to ' ~ task.advertisers[-1]) if task.advertisers"
    " else (task.advertiser or task.advertiser_config().name) }}"
)


class LedgerMaintenanceOperator(DeliveryOperator):
    """Forget what is older than the retention, merge small files, and remove what abandoned runs left behind.

    Safe beside a delivery of the same advertiser. Returns what was removed, by name; of several advertisers the sums.

    For many advertisers, map it over groups of them::

        LedgerMaintenanceOperator.partial(task_id="maintenance", config=CONFIG).expand(advertisers=LOADED.groups())

    If one advertiser of a group fails, the task goes on with the others, and fails in the end with its name.

    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    :param advertisers: the names of several entries, instead of ``advertiser``: one after the other. (templated)
    """

    template_fields: Sequence[str] = (*DeliveryOperator.template_fields, "advertisers")

    def __init__(
        self,
        *,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        advertisers: Sequence[str] | None = None,
        map_index_template: str | None = BY_GROUP,
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(map_index_template=map_index_template, **kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.advertisers = advertisers

    def execute(self, context: Context) -> dict[str, int]:
        if self.advertisers is None:
            return self._maintain(context)
        done: Counter[str] = Counter()
        failed: dict[str, TikTokOfflineError | TaskFailedError] = {}
        for name in self.advertisers:
            self.advertiser = name
            try:
                done.update(self._maintain(context))
            except (TikTokOfflineError, TaskFailedError) as error:
                failed[name] = error
        if failed:
            log.error(
                "Maintenance of %d of %d advertisers failed: %s. The lines above say why, and what to do.",
                len(failed),
                len(self.advertisers),
                ", ".join(failed),
            )
            # One that a retry may mend is tried again, and the others with it.
            errors = sorted(failed.values(), key=lambda error: isinstance(error, TaskFailedError))
            raise errors[0]
        return dict(done)

    def _maintain(self, context: Context) -> dict[str, int]:
        from airflow_provider_tiktok_offline.delivery.operations.maintenance import maintain

        with self.step("maintenance", context) as ctx:
            done = maintain(ctx).to_dict()
        self.log.info("%s: %s", ctx.config.name, log_sentences.maintained(done))
        return done


class LedgerInitOperator(AdvertiserOperator):
    """Make the ledger of the advertiser's event set, once; one that is there stays as it is.

    For a deployment where nobody has a terminal: map it over the advertisers, and run it by hand after adding one.
    Returns the event set's id.

    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    """

    def execute(self, context: Context) -> str:
        from airflow_provider_tiktok_offline.delivery.operations.maintenance import make_ledger

        with self.step("ledger_init", context) as ctx:
            make_ledger(ctx)
        self.log.info("The ledger of event set %s is ready under %s", ctx.config.event_set_id, ctx.config.state_uri)
        return ctx.config.event_set_id


class DoctorOperator(DeliveryOperator):
    """Look at token, role, event set, source, host key, stores, ledger and clock; send nothing; fail on a fault.

    Each finding is a line in the log, with what to do. Returns the findings by status.

    :param prove_role: write the event set's own name back, which only the right role may.
    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    """

    def __init__(
        self,
        *,
        prove_role: bool = False,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        map_index_template: str | None = BY_ADVERTISER,
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(map_index_template=map_index_template, **kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.prove_role = prove_role

    def execute(self, context: Context) -> dict[str, int]:
        from airflow_provider_tiktok_offline.delivery.operations.doctor import doctor

        with self.step("doctor", context) as ctx:
            findings = doctor(ctx, prove_role=self.prove_role)
            leave_findings(ctx, context, findings)
        tell = {"ok": self.log.info, "warning": self.log.warning, "failed": self.log.error}
        for finding in findings:
            tell[finding.status]("%s", finding)
        counts = {status: sum(finding.status == status for finding in findings) for status in tell}
        if counts["failed"]:
            faults = [str(finding) for finding in findings if finding.status == "failed"]
            raise AirflowFailException(f"{ctx.config.name}: {number_of(len(faults), 'fault')}: {' | '.join(faults)}")
        self.log.info(
            "%s: no fault, %s, %d in order.", ctx.config.name, number_of(counts["warning"], "warning"), counts["ok"]
        )
        return counts

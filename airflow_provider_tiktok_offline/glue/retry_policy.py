"""The retry policy of every task of a delivery, on Airflow versions that have retry policies (3.3).

From Airflow 3.4 on, a wait for another run's lease or for a pause that a service asks for costs no retry.
On older versions the same errors fail the task or are retried after the task's own ``retry_delay``:
:func:`~airflow_provider_tiktok_offline.glue.delivery_task.task_errors` fails at once what no retry can mend.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.errors import (
    DeliveryHeldError,
    LedgerBusyError,
    ServiceUnavailableError,
    ThrottledError,
    TikTokOfflineError,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: Added to the moment that an error names: its clock and the scheduler's may differ a little.
_MARGIN = timedelta(seconds=1)
#: No error is waited for longer, whatever a server's ``Retry-After`` says.
_LONGEST_SECONDS = 3600.0
#: Waits that are nobody's fault, where the error names their end.
_NOBODYS_FAULT = (DeliveryHeldError, LedgerBusyError, ServiceUnavailableError, ThrottledError)
#: For so long a task comes back without spending a retry; then retries count.
_LONGEST_RESCHEDULING = timedelta(hours=6)

try:
    from airflow.providers.common.compat.sdk import RetryDecision, RetryPolicy
except (ImportError, AttributeError):  # Airflow before 3.3
    DELIVERY_RETRY_POLICY = None
else:

    class DeliveryRetryPolicy(RetryPolicy):
        """Waits as long as the error says, an hour at most: for a lease to expire, or as ``Retry-After`` asks.

        An error that no retry can mend fails the task at once; any other keeps the task's own delay.
        """

        def evaluate(
            self,
            exception: BaseException,
            try_number: int,  # noqa: ARG002 - Airflow's signature
            max_tries: int,  # noqa: ARG002
            context: Context | None = None,  # noqa: ARG002
        ) -> RetryDecision:
            if not isinstance(exception, TikTokOfflineError):
                return RetryDecision.default()
            kind = type(exception).__name__
            if not exception.retryable:
                return RetryDecision.fail(reason=f"{kind}: a retry meets the same error")
            if exception.retry_after is None:
                return RetryDecision.default()
            asked = timedelta(seconds=min(exception.retry_after, _LONGEST_SECONDS)) + _MARGIN
            reason = f"{kind}: the next try is due in {asked.total_seconds():.0f} s"
            reschedule = getattr(RetryDecision, "reschedule", None)  # Airflow 3.4
            if reschedule is not None and isinstance(exception, _NOBODYS_FAULT):
                again: RetryDecision = reschedule(asked, reschedule_timeout=_LONGEST_RESCHEDULING, reason=reason)
                return again
            return RetryDecision.retry(asked, reason=reason)

        def serialize(self) -> dict[str, str]:
            return {"__type": type(self).__name__}

    DELIVERY_RETRY_POLICY = DeliveryRetryPolicy()


def use_retry_policy(options: MutableMapping[str, object]) -> None:
    """Add the delivery's retry policy to an operator's arguments, unless they name one or Airflow has none."""
    if DELIVERY_RETRY_POLICY is not None and options.get("retry_policy") is None:
        options["retry_policy"] = DELIVERY_RETRY_POLICY

"""Which error is tried again when, on Airflow versions that have retry policies (3.3).

Elsewhere the same errors end the task or are tried again after the task's own ``retry_delay``:
:func:`~airflow_provider_tiktok_offline.delivery_task.task_errors` fails at once what no retry can help.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

from airflow_provider_tiktok_offline.errors import TikTokOfflineError

#: After the moment that an error names: its clock and the scheduler's may differ a little.
_MARGIN = timedelta(seconds=1)


@cache
def delivery_retry_policy() -> Any:
    """The policy of every task of a delivery; None where Airflow has no retry policies."""
    try:
        from airflow.providers.common.compat.sdk import RetryDecision, RetryPolicy
    except (ImportError, AttributeError):
        return None

    class DeliveryRetryPolicy(RetryPolicy):
        """Waits as long as the error says: for a lease to expire, or for what ``Retry-After`` asked.

        An error that no retry can help fails at once, and any other keeps the task's own delay.
        """

        def evaluate(
            self,
            exception: BaseException,
            try_number: int,  # noqa: ARG002 - Airflow's signature
            max_tries: int,  # noqa: ARG002
            context: Any = None,  # noqa: ARG002
        ) -> Any:
            if not isinstance(exception, TikTokOfflineError):
                return RetryDecision.default()
            kind = type(exception).__name__
            if not exception.retryable:
                return RetryDecision.fail(reason=f"{kind} stays as it is until somebody acts")
            if exception.retry_after is None:
                return RetryDecision.default()
            delay = timedelta(seconds=exception.retry_after) + _MARGIN
            return RetryDecision.retry(delay, reason=f"{kind} may be over in {exception.retry_after:.0f} s")

        def serialize(self) -> dict[str, Any]:
            return {"__type": type(self).__name__}

    return DeliveryRetryPolicy()


def with_retry_policy(options: dict[str, Any]) -> dict[str, Any]:
    """An operator's arguments with this policy, unless they name one or Airflow has none."""
    policy = delivery_retry_policy()
    if policy is None or options.get("retry_policy") is not None:
        return options
    return {**options, "retry_policy": policy}

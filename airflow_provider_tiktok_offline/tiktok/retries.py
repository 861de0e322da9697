"""When a call to TikTok is tried again, and how long to wait before that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, ParamSpec, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import ApiError, ThrottledError

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_FIRST_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How long a call is tried.

    Attributes:
        attempts: tries in all.
        longest_wait: seconds of the longest random pause.
        longest_retry_after: seconds; an error with a longer ``Retry-After`` is not retried here.
        throttled_waits: seconds to wait at least before each retry of a throttled call without ``Retry-After``.
    """

    attempts: int
    longest_wait: float
    longest_retry_after: float
    throttled_waits: tuple[float, ...] = ()


#: For calls but ``event/track``. TikTok's limit of a second is over in a second; an app that exceeds the limit of a
#: minute is suspended for five minutes.
MANAGEMENT: Final = RetryLimits(
    attempts=4, longest_wait=30.0, longest_retry_after=30.0, throttled_waits=(1.0, 2.0, 300.0)
)


def with_retries(
    clock: Clock, call: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Result:
    """The result of an idempotent management call, retried on retryable errors.

    :raises ApiError: the last one.
    """
    return retrying(MANAGEMENT, clock.sleep)(call, *args, **kwargs)


def retrying(
    limits: RetryLimits,
    sleep: Callable[[float], None],
    before_sleep: Callable[[RetryCallState], None] | None = None,
) -> Retrying:
    """A caller that repeats a call while its error is retryable, and raises the last error.

    :param sleep: waits so many seconds.
    :param before_sleep: called before each wait.
    """
    return Retrying(
        stop=stop_after_attempt(limits.attempts),
        wait=lambda state: _pause(state, limits),
        retry=retry_if_exception(lambda failure: _is_retryable(failure, limits)),
        sleep=sleep,
        before_sleep=before_sleep,
        reraise=True,
    )


def _is_retryable(failure: BaseException, limits: RetryLimits) -> bool:
    if not isinstance(failure, ApiError) or not failure.retryable:
        return False
    return failure.retry_after is None or failure.retry_after <= limits.longest_retry_after


def _pause(state: RetryCallState, limits: RetryLimits) -> float:
    """Full jitter, on top of what the service asked for."""
    failure = state.outcome.exception() if state.outcome is not None else None
    asked = 0.0
    if isinstance(failure, ApiError) and failure.retry_after is not None:
        asked = failure.retry_after
    elif isinstance(failure, ThrottledError) and state.attempt_number <= len(limits.throttled_waits):
        asked = limits.throttled_waits[state.attempt_number - 1]
    return asked + wait_random_exponential(multiplier=_FIRST_WAIT_SECONDS, max=limits.longest_wait)(state)

"""Trying a management call again while that can help."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import ApiError

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_ATTEMPTS = 4
_LONGEST_WAIT_SECONDS = 30.0


def patiently(
    clock: Clock, call: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Result:
    """The result of a call that changes nothing when it is made twice, tried again on retryable errors.

    :raises ApiError: the last one.
    """
    retrying = Retrying(
        stop=stop_after_attempt(_ATTEMPTS),
        wait=_pause,
        retry=retry_if_exception(_worth_another_try),
        sleep=clock.sleep,
        reraise=True,
    )
    return retrying(call, *args, **kwargs)


def _worth_another_try(failure: BaseException) -> bool:
    return (
        isinstance(failure, ApiError)
        and failure.retryable
        and (failure.retry_after is None or failure.retry_after <= _LONGEST_WAIT_SECONDS)
    )


def _pause(state: RetryCallState) -> float:
    failure = state.outcome.exception() if state.outcome is not None else None
    asked = failure.retry_after if isinstance(failure, ApiError) and failure.retry_after is not None else 0.0
    return asked + wait_random_exponential(multiplier=1, max=_LONGEST_WAIT_SECONDS)(state)

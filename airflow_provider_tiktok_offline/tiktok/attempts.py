"""One batch on its way: tried again while trying can help, with full jitter. Runs in the worker threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import (
    ApiError,
    OutcomeUnknownError,
    ServiceUnavailableError,
    ThrottledError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.tiktok.client import Answer, TikTokClient
from airflow_provider_tiktok_offline.tiktok.pacing import CircuitBreaker, RateLimit, Stopping, UploadLimits

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.tiktok.send_buffer import Batch

_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60.0
#: A longer ``Retry-After`` is not waited for inside the task.
_LONGEST_RETRY_AFTER_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one batch after all its tries.

    Attributes:
        error: None if it was taken; no :class:`ApiError` if it was not allowed to leave.
        request_id: TikTok's id of the request that was taken.
        requests: how many requests left.
        in_doubt: whether one of them got no definite answer.
    """

    error: TikTokOfflineError | None
    request_id: str | None
    requests: int
    in_doubt: bool


class Attempts:
    """Delivers batches under one rate limit and one circuit breaker, from as many threads as call it.

    :param may_leave: asked just before each request leaves; what it raises stops the upload.
    """

    def __init__(
        self,
        client: TikTokClient,
        limits: UploadLimits,
        clock: Clock,
        may_leave: Callable[[], None] | None = None,
    ) -> None:
        self._client = client
        self._max_attempts = limits.max_attempts
        self._may_leave = may_leave
        self._stopping = threading.Event()
        self._rate = RateLimit(limits.requests_per_second, clock, self._stopping)
        # Open when everything in flight has used up its tries and nothing was answered between.
        self._breaker = CircuitBreaker(limits.in_flight * limits.max_attempts)

    @property
    def circuit_open(self) -> bool:
        return self._breaker.is_open

    def stop(self) -> None:
        """Let no further request leave; waits end at once."""
        self._stopping.set()

    def deliver(self, batch: Batch) -> Outcome:
        """Send one batch until it has a definite answer, its tries are used up or the upload stops."""
        requests = 0
        in_doubt = False
        error: ApiError | None = None
        body = batch.window.bodies.build(batch.first, batch.count)

        def once() -> Answer:
            nonlocal requests, in_doubt, error
            self._rate.wait_for_turn()
            if self._may_leave is not None:
                self._may_leave()
            requests += 1
            try:
                answer = self._client.track(body)
            except ApiError as failure:
                failure.batch = batch.place
                in_doubt |= isinstance(failure, OutcomeUnknownError)
                error = failure
                self._note(failure)
                raise
            self._answered()
            return answer

        retrying = Retrying(
            stop=stop_after_attempt(self._max_attempts),
            wait=self._pause,
            retry=retry_if_exception(self._worth_another_try),
            sleep=self._rate.sleep,
            reraise=True,
        )
        try:
            answer = retrying(once)
        except Stopping:
            stopped = error or ServiceUnavailableError("the upload stopped before this batch left.")
            return Outcome(stopped, None, requests, in_doubt)
        except TikTokOfflineError as failure:
            return Outcome(failure, None, requests, in_doubt)
        return Outcome(None, answer.request_id, requests, in_doubt)

    def _note(self, failure: ApiError) -> None:
        if failure.retryable:
            self._breaker.failed()
            if self._breaker.is_open:
                self.stop()
        else:
            self._answered()

    def _answered(self) -> None:
        self._breaker.answered()
        self._rate.answered()

    def _worth_another_try(self, failure: BaseException) -> bool:
        if not isinstance(failure, ApiError) or not failure.retryable:
            return False
        return failure.retry_after is None or failure.retry_after <= _LONGEST_RETRY_AFTER_SECONDS

    def _pause(self, state: RetryCallState) -> float:
        """Full jitter, but never less than the service asked for; throttling holds back every thread."""
        seconds = wait_random_exponential(multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS)(state)
        failure = state.outcome.exception() if state.outcome is not None else None
        if isinstance(failure, ApiError) and failure.retry_after is not None:
            seconds += failure.retry_after
        if isinstance(failure, ThrottledError):
            self._rate.throttled(seconds)
        return seconds

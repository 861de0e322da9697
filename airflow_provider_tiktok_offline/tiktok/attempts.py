"""Sends one batch, with retries. Runs in the worker threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenacity import RetryCallState

from airflow_provider_tiktok_offline.errors import (
    ApiError,
    OutcomeUnknownError,
    ServiceUnavailableError,
    ThrottledError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.tiktok.client import Answer, TikTokClient
from airflow_provider_tiktok_offline.tiktok.pacing import CircuitBreaker, RateLimit, Stopping, UploadLimits
from airflow_provider_tiktok_offline.tiktok.retries import RetryLimits, retrying

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.tiktok.send_buffer import Batch
    from airflow_provider_tiktok_offline.tiktok.shared_rate import SharedRate

_LONGEST_WAIT_SECONDS = 60.0
#: A longer ``Retry-After`` is not waited for inside the task.
_LONGEST_RETRY_AFTER_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The answer to one batch after all its tries.

    Attributes:
        error: None if TikTok accepted the batch; no :class:`ApiError` if the batch was not allowed to leave.
        request_id: TikTok's id of the request that was accepted.
        requests: how many requests left.
        in_doubt: whether one of the requests got no definite answer.
    """

    error: TikTokOfflineError | None
    request_id: str | None
    requests: int
    in_doubt: bool


class Attempts:
    """Sends batches under one rate limit and one circuit breaker, from as many threads as call it.

    :param may_leave: called just before each request leaves; an error that it raises stops the upload.
    :param shared: the rate of the advertiser, where other tasks send, too.
    """

    def __init__(
        self,
        client: TikTokClient,
        limits: UploadLimits,
        may_leave: Callable[[], None] | None = None,
        shared: SharedRate | None = None,
    ) -> None:
        self._client = client
        self._retry_limits = RetryLimits(limits.max_attempts, _LONGEST_WAIT_SECONDS, _LONGEST_RETRY_AFTER_SECONDS)
        self._may_leave = may_leave
        self._shared = shared
        self._stopping = threading.Event()
        self._rate = RateLimit(limits.requests_per_second, client.clock, self._stopping)
        # Open when everything in flight has used up its tries and nothing was answered between.
        self._breaker = CircuitBreaker(limits.in_flight * limits.max_attempts)

    @property
    def circuit_open(self) -> bool:
        return self._breaker.is_open

    def stop(self) -> None:
        """Let no further request leave, and end every wait."""
        self._stopping.set()

    def send(self, batch: Batch) -> BatchAnswer:
        """Send one batch until it has a definite answer, its tries are used up or the upload stops."""
        requests = 0
        in_doubt = False
        error: ApiError | None = None
        body = batch.buffer.bodies.build(batch.first, batch.count)

        def once() -> Answer:
            nonlocal requests, in_doubt, error
            self._rate.wait_for_turn()
            if self._shared is not None:
                self._shared.wait_for_turn(self._rate.sleep)
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

        try:
            answer = retrying(self._retry_limits, self._rate.sleep, self._slow_down)(once)
        except Stopping:
            stopped = error or ServiceUnavailableError("the upload stopped before this batch left.")
            return BatchAnswer(stopped, None, requests, in_doubt)
        except TikTokOfflineError as failure:
            return BatchAnswer(failure, None, requests, in_doubt)
        return BatchAnswer(None, answer.request_id, requests, in_doubt)

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

    def _slow_down(self, state: RetryCallState) -> None:
        """Throttling of one batch holds back every thread."""
        failure = state.outcome.exception() if state.outcome is not None else None
        if isinstance(failure, ThrottledError):
            self._rate.throttled(state.upcoming_sleep)

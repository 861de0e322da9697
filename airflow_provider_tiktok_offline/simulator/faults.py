"""Scripted faults: which request they hit, and what happens to it."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec import Struct

from airflow_provider_tiktok_offline.simulator.answers import Code, Refusal
from airflow_provider_tiktok_offline.simulator.events import Event

TRACK = "/open_api/v1.3/event/track/"


class Fault(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One scripted fault. The first that matches a request is the one that happens.

    Attributes:
        kind: ``answer``: a return code, an HTTP status or a body of one's own instead of the true answer;
            ``drop``: the connection is cut without an answer; ``delay``: nothing but ``delay_seconds``;
            ``partial``: some of the events are silently lost and 20001 is answered; ``revoke``: the caller's token is
            revoked first; ``refuse``: a batch with one of ``event_ids`` is refused as a whole; ``limit``: requests
            beyond ``per_second`` are throttled (40100 unless ``code`` or ``status`` say otherwise).
        path: requests to this path; ``*`` for all.
        count: how often it happens; None for always.
        skip: matching requests that pass first.
        after_events: it waits until so many events have been received.
        probability: share of the matching requests that it happens to, by a generator seeded with ``seed``.
        delay_seconds: real seconds to wait before anything else.
        taken: (answer, drop) the request is carried out first, and only its answer lost or replaced.
        code, message: (answer, refuse) return code and text; ``{index}`` in a refusal's text is the position.
        status: (answer) HTTP status; with ``code`` None the body is a gateway's HTML page.
        retry_after: (answer) the ``Retry-After`` header.
        body: (answer) the body to the letter, sent as JSON.
        share: (partial) the share of the batch that is taken.
        event_ids: (refuse) the ids.
        per_second: (limit) how many requests may come within a second.
    """

    kind: Literal["answer", "drop", "delay", "partial", "revoke", "refuse", "limit"]
    path: str = TRACK
    count: int | None = 1
    skip: int = 0
    after_events: int = 0
    probability: float = 1.0
    seed: int = 0
    delay_seconds: float = 0.0
    taken: bool = False
    code: int | None = None
    message: str = "Scripted fault."
    status: int = 200
    retry_after: str | None = None
    body: str | None = None
    share: float = 0.5
    event_ids: list[str] = []
    per_second: int = 1

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise ValueError("count must be at least 1, or null for always")
        if not 100 <= self.status <= 599:
            raise ValueError("status must be an HTTP status")
        if not (0 <= self.probability <= 1 and 0 <= self.share <= 1):
            raise ValueError("probability and share lie between 0 and 1")
        if min(self.skip, self.after_events, self.delay_seconds) < 0:
            raise ValueError("skip, after_events and delay_seconds must not be negative")


class Faults:
    """The faults in force, in the order they were asked for."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self.happened = 0

    def add(self, faults: Iterable[Fault]) -> None:
        self._armed += [_Armed(fault) for fault in faults]

    def clear(self) -> None:
        self._armed = []

    def waiting(self) -> list[Fault]:
        """Those that can still happen, with what is left of their count."""
        return [armed.left() for armed in self._armed]

    def match(self, path: str, events_received: int, seconds: float) -> Fault | None:
        """The fault that this request meets.

        :param events_received: by all requests before.
        :param seconds: a stop watch.
        """
        for armed in self._armed:
            if armed.fault.kind != "refuse" and armed.meets(path, events_received, seconds):
                self._spend(armed)
                return armed.fault
        return None

    def must_not_refuse(self, events: list[Event]) -> None:
        """:raises Refusal: if one of the events is to be refused."""
        for armed in self._armed:
            if armed.fault.kind == "refuse":
                for index, event in enumerate(events):
                    if event.event_id in armed.event_ids:
                        self._spend(armed)
                        code = Code.PARAM_ERROR if armed.fault.code is None else armed.fault.code
                        raise Refusal(code, armed.fault.message.replace("{index}", str(index)))

    def _spend(self, armed: _Armed) -> None:
        self.happened += 1
        if armed.remaining is not None:
            armed.remaining -= 1
            if armed.remaining == 0:
                self._armed.remove(armed)


class _Armed:
    """A fault with what it remembers."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.remaining = fault.count
        self.event_ids = frozenset(fault.event_ids)
        self._to_skip = fault.skip
        self._random = random.Random(fault.seed)  # noqa: S311
        self._passed: deque[float] = deque()

    def left(self) -> Fault:
        return msgspec.structs.replace(self.fault, count=self.remaining, skip=self._to_skip)

    def meets(self, path: str, events_received: int, seconds: float) -> bool:
        if self.fault.path not in ("*", path) or events_received < self.fault.after_events:
            return False
        if self._to_skip:
            self._to_skip -= 1
            return False
        if self.fault.kind == "limit" and self._may_pass(seconds):
            return False
        return self._random.random() < self.fault.probability

    def _may_pass(self, seconds: float) -> bool:
        while self._passed and seconds - self._passed[0] >= 1:
            self._passed.popleft()
        if len(self._passed) >= self.fault.per_second:
            return False
        self._passed.append(seconds)
        return True


def survivors(events: list[Event], fault: Fault) -> list[Event]:
    """The events of a batch that a ``partial`` fault lets through, the same for the same seed."""
    lottery = random.Random(f"{fault.seed}:{events[0].event_id}:{len(events)}")  # noqa: S311
    return [event for event in events if lottery.random() < fault.share]

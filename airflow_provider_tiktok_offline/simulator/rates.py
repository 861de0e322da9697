"""The rate of all calls but ``event/track``: limited for each developer app, answered without ``Retry-After``."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from msgspec import Struct

from airflow_provider_tiktok_offline.simulator.answers import Code, Refusal

#: Seconds that an app is suspended when it exceeds the limit of a minute.
SUSPENSION_SECONDS = 300


class Rates(Struct, kw_only=True, forbid_unknown_fields=True):
    """The limits of TikTok's basic tier; None for no limit."""

    per_second: int | None = 10
    per_minute: int | None = 600


@dataclass(slots=True)
class _Usage:
    second: int = 0
    in_second: int = 0
    minute: int = 0
    in_minute: int = 0
    suspended_until: float = 0.0


class ManagementRate:
    """Counts the management calls of each app."""

    def __init__(self) -> None:
        self.limits = Rates()
        self._usage: dict[str, _Usage] = defaultdict(_Usage)

    def reset(self) -> None:
        """Forget all calls and changed limits."""
        self.limits = Rates()
        self._usage.clear()

    def must_pass(self, app_id: str, now: float) -> None:
        """Count one call.

        :param now: seconds since 1970.
        :raises Refusal: if it exceeds a limit, or the app is suspended.
        """
        usage = self._usage[app_id]
        if now < usage.suspended_until:
            raise _too_frequent()
        if usage.second != int(now):
            usage.second, usage.in_second = int(now), 0
        if usage.minute != int(now // 60):
            usage.minute, usage.in_minute = int(now // 60), 0
        usage.in_second += 1
        usage.in_minute += 1
        if self.limits.per_minute is not None and usage.in_minute > self.limits.per_minute:
            usage.suspended_until = now + SUSPENSION_SECONDS
            raise _too_frequent()
        if self.limits.per_second is not None and usage.in_second > self.limits.per_second:
            raise _too_frequent()


def _too_frequent() -> Refusal:
    return Refusal(Code.TOO_FREQUENT, "Too many requests. Please retry in some time.")

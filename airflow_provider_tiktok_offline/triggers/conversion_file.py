"""Waiting for a conversion file in the triggerer: for a deferred sensor, or for an asset watcher."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.triggers.listings import shared_listing

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.delivery.source.find_file import FoundFiles

__all__ = ["ConversionFileTrigger"]

#: Files remembered as handed over by a watcher; older ones are known to be closed through the ledger.
_REMEMBERED = 500
_STORE_KEY = "handed_over"
_LEAST_INTERVAL = 0.05
#: Seconds from deferring to the first look: a trigger that fires before the scheduler has noted that its task is
#: deferred fails it (apache/airflow#66374).
_HEAD_START = 10.0


def until_shared_look(now: float, interval: float, *, least: float) -> float:
    """Seconds to the next moment, at least so many away, at which every trigger of that interval looks.

    :param now: by the event loop's clock.
    """
    soonest = now + least
    return least + interval - soonest % interval


class ConversionFileTrigger(BaseEventTrigger):
    """Look for complete conversion files every ``poke_interval`` seconds.

    All triggers of an interval look at the same moments, so that they share one login; the first look comes at the next
    such moment that is ten seconds (or one interval) away.

    Without a ``day`` it watches for ever, as ``AssetWatcher(name=..., trigger=ConversionFileTrigger(settings=...))``:
    each complete file is handed over once, in the event's payload, which
    :class:`~airflow_provider_tiktok_offline.sensors.conversion_file.ConversionFileSensor` understands. What was handed
    over survives a restart of the triggerer where Airflow has asset state (3.3), and a file whose delivery is closed
    is never handed over again.

    :param settings: the advertiser's settings as JSON-able values; credentials stay in connections.
    :param day: the file's day, as 2026-11-21; None watches for any day's file.
    :param pending: stamps of files that the look before found incomplete.
    :param poke_interval: seconds between two looks.
    :param stale_at: ISO 8601; if no file has appeared by then, the trigger says so (``stale``) and ends.
    """

    def __init__(
        self,
        *,
        settings: Mapping[str, object],
        day: str | None = None,
        pending: Sequence[Mapping[str, object]] = (),
        poke_interval: float = 60,
        stale_at: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.settings = dict(settings)
        self.day = day
        self.pending: list[dict[str, object]] = [dict(stamp) for stamp in pending]
        self.poke_interval = max(poke_interval, _LEAST_INTERVAL)
        self.stale_at = stale_at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "airflow_provider_tiktok_offline.triggers.conversion_file.ConversionFileTrigger",
            {
                "settings": self.settings,
                "day": self.day,
                "pending": self.pending,
                "poke_interval": self.poke_interval,
                "stale_at": self.stale_at,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        handed_over = await self._recall()
        head_start = min(_HEAD_START, self.poke_interval)
        while True:
            now = asyncio.get_running_loop().time()
            await asyncio.sleep(until_shared_look(now, self.poke_interval, least=head_start))
            head_start = 0.0
            try:
                found = await self._look()
            except TikTokOfflineError as error:
                if error.retryable:
                    self.log.warning("%s Asking again in %.0f s.", error, self.poke_interval)
                    continue
                yield TriggerEvent({"status": "error", "error": type(error).__name__, "message": str(error)})
                return
            self.pending = [dict(stamp) for stamp in found.pending]
            if self.day is not None:
                if found.ready:
                    yield TriggerEvent({"status": "found", **found.to_dict()})
                    return
                if self.stale_at is not None and system_clock().now() >= datetime.fromisoformat(self.stale_at):
                    yield TriggerEvent({"status": "stale", "day": self.day, "pending": self.pending})
                    return
                continue
            for stamp in found.files:
                mark = "|".join(str(stamp[key]) for key in ("uri", "size", "mtime"))
                if mark not in handed_over:
                    yield TriggerEvent(
                        {
                            "status": "found",
                            "advertiser": self.settings["name"],
                            "day": found.day,
                            "files": [dict(stamp)],
                            "already_delivered": False,
                        }
                    )
                    handed_over = [*handed_over, mark][-_REMEMBERED:]
                    await self._remember(handed_over)

    async def _look(self) -> FoundFiles:
        from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
        from airflow_provider_tiktok_offline.delivery.source.find_file import day_of_file, find, folder_uri
        from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
        from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections

        logging.getLogger("asyncssh").setLevel(logging.WARNING)
        config = AdvertiserConfig.model_validate(self.settings)
        ctx = DeliveryContext(config=config, connections=AirflowConnections(), holder="triggerer")
        if self.day is not None:
            day = date.fromisoformat(self.day)
        else:
            day = day_of_file(config.source, interval_start=None, run_day=ctx.clock.now().astimezone(config.zone))
        listed = await shared_listing(folder_uri(config.source, day))
        return await sync_to_async(find, thread_sensitive=False)(ctx, day, previous=self.pending, listed=listed)

    async def _recall(self) -> list[str]:
        store = getattr(self, "asset_state_store", None)
        return list(await store.aget(_STORE_KEY, []) or []) if store is not None else []

    async def _remember(self, handed_over: list[str]) -> None:
        store = getattr(self, "asset_state_store", None)
        if store is not None:
            await store.aset(_STORE_KEY, handed_over)

"""Waiting for a conversion file in the triggerer: for a deferred sensor, or for an asset watcher."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.errors import ConfigError, TikTokOfflineError
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.glue.unexpected_errors import unexpected_errors
from airflow_provider_tiktok_offline.triggers.listings import shared_listing

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
    from airflow_provider_tiktok_offline.delivery.source.find_file import FoundFiles

__all__ = ["ConversionFileTrigger"]

#: Files remembered as handed over by a watcher; older ones are known to be closed through the ledger.
_REMEMBERED = 500
_STORE_KEY = "handed_over"
_LEAST_INTERVAL = 0.05
#: Seconds to the first look, until the settings are read.
_FIRST_INTERVAL = 60.0
#: Seconds between two lines in the log that say the same.
_SAY_EVERY = 3600.0
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

    With ``config`` and ``advertiser`` the settings are read where the triggerer runs, and read again when the file has
    changed: a corrected path is looked at within one interval. While the changed file is broken, the settings before
    hold. If the triggerer does not see the file at all, a look is handed back to the task (``look_again``); a watcher,
    which has no task, waits until it sees it.

    :param config: path of advertisers.yaml, as the triggerer sees it.
    :param advertiser: the entry's name.
    :param settings: the advertiser's settings as JSON-able values, instead of ``config`` and ``advertiser``.
    :param day: the file's day, as 2026-11-21; None watches for any day's file.
    :param pending: stamps of files that the look before found incomplete.
    :param poke_interval: seconds between two looks; else the advertiser's ``poke_seconds``.
    :param stale_at: ISO 8601; if no file has appeared by then, the trigger says so (``stale``) and ends.
    :param send_due_at: ISO 8601; the same with ``due``: what has waited (``send_after_days``) is to be sent without it.
    :param since: ISO 8601; when the wait began, for the log.
    """

    def __init__(
        self,
        *,
        config: str | None = None,
        advertiser: str | None = None,
        settings: Mapping[str, object] | None = None,
        day: str | None = None,
        pending: Sequence[Mapping[str, object]] = (),
        poke_interval: float | None = None,
        stale_at: str | None = None,
        send_due_at: str | None = None,
        since: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.config = config
        self.advertiser = advertiser
        self.settings = None if settings is None else dict(settings)
        self.day = day
        self.pending: list[dict[str, object]] = [dict(stamp) for stamp in pending]
        self.poke_interval = poke_interval
        self.stale_at = stale_at
        self.send_due_at = send_due_at
        self.since = since
        self._current: AdvertiserConfig | None = None
        self._say_next = 0.0

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "airflow_provider_tiktok_offline.triggers.conversion_file.ConversionFileTrigger",
            {
                "config": self.config,
                "advertiser": self.advertiser,
                "settings": self.settings,
                "day": self.day,
                "pending": self.pending,
                "poke_interval": self.poke_interval,
                "stale_at": self.stale_at,
                "send_due_at": self.send_due_at,
                "since": self.since,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        handed_over = await self._recall()
        least = min(_HEAD_START, self._interval())
        while True:
            interval = self._interval()
            await asyncio.sleep(until_shared_look(asyncio.get_running_loop().time(), interval, least=least))
            least = 0.0
            try:
                config = await self._settings()
            except ConfigError as error:
                self.log.warning("%s Waiting until it is mended; looking again in %.0f s.", error, interval)
                continue
            if config is None and self.day is None:
                continue
            if config is None:
                yield TriggerEvent({"status": "look_again", "day": self.day, "pending": self.pending})
                return
            try:
                with unexpected_errors():
                    found = await self._look(config)
            except TikTokOfflineError as error:
                if error.retryable:
                    self.log.warning("%s Asking again in %.0f s.", error, interval)
                    continue
                yield TriggerEvent({"status": "error", "error": type(error).__name__, "message": str(error)})
                return
            self._say(config, found)
            self.pending = [dict(stamp) for stamp in found.pending]
            if self.day is not None:
                if found.ready:
                    yield TriggerEvent({"status": "found", **found.to_dict()})
                    return
                for status, moment in (("stale", self.stale_at), ("due", self.send_due_at)):
                    if moment is not None and system_clock().now() >= datetime.fromisoformat(moment):
                        yield TriggerEvent({"status": status, "day": self.day, "pending": self.pending})
                        return
                continue
            for stamp in found.files:
                mark = "|".join(str(stamp[key]) for key in ("uri", "size", "mtime"))
                if mark not in handed_over:
                    yield TriggerEvent(
                        {
                            "status": "found",
                            "advertiser": config.name,
                            "day": found.day,
                            "files": [dict(stamp)],
                            "already_delivered": False,
                        }
                    )
                    handed_over = [*handed_over, mark][-_REMEMBERED:]
                    await self._remember(handed_over)

    async def _settings(self) -> AdvertiserConfig | None:
        """The settings as they stand now; None if their file can't be seen from here.

        :raises ConfigError: if they are broken, and no whole ones are known.
        """
        if self.config is not None and self.advertiser is not None:
            return await sync_to_async(self._read_settings, thread_sensitive=False)(self.config, self.advertiser)
        if self._current is None:
            from airflow_provider_tiktok_offline.config.models import AdvertiserConfig

            self._current = AdvertiserConfig.model_validate(self.settings)
        return self._current

    def _read_settings(self, path: str, advertiser: str) -> AdvertiserConfig | None:
        """The settings of the configuration, read again if it has changed."""
        from airflow_provider_tiktok_offline.config.current import current_settings

        try:
            current = current_settings(path, advertiser)
        except ConfigError as error:
            if self._current is None and not Path(path).exists():
                self.log.warning("The triggerer does not see %s, so it can't look for files.", path)
                return None
            if self._current is None:
                raise
            self.log.warning("%s The wait goes on with the settings before.", error)
            return self._current
        if self._current not in (None, current):
            self.log.info("The settings of %s have changed. This look uses the new ones.", advertiser)
        self._current = current
        return current

    def _interval(self) -> float:
        """Seconds between two looks."""
        if self.poke_interval is not None:
            return max(self.poke_interval, _LEAST_INTERVAL)
        return float(self._current.source.poke_seconds) if self._current else _FIRST_INTERVAL

    def _say(self, config: AdvertiserConfig, found: FoundFiles) -> None:
        """What is waited for: at the first look, when it changes, and every hour."""
        now = system_clock().monotonic()
        changed = [dict(stamp) for stamp in found.pending] != self.pending
        if self.day is None or found.ready or not (changed or now >= self._say_next):
            return
        from airflow_provider_tiktok_offline.delivery.source.find_file import source_uri

        self._say_next = now + _SAY_EVERY
        uri = source_uri(config.source, date.fromisoformat(self.day))
        since = None if self.since is None else datetime.fromisoformat(self.since)
        self.log.info("%s", log_sentences.waiting(uri, self.day, found.pending, self._interval(), since))

    async def _look(self, config: AdvertiserConfig) -> FoundFiles:
        from airflow_provider_tiktok_offline.delivery.source.find_file import day_of_file, find, folder_uri
        from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
        from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections

        logging.getLogger("asyncssh").setLevel(logging.WARNING)
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

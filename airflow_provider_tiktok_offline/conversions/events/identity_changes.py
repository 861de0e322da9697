"""Which changes of identity settings leave the ids of known transactions as they were.

Harmless are: words added to ``event_map``, added stores, a renamed header with the same target, appended formats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.columns import PROGRAMME_COLUMNS, STANDARD_EVENTS
from airflow_provider_tiktok_offline.conversions.events.identity_settings import (
    OF_FILE,
    IdentitySettings,
    Kept,
    KeptValue,
    canonical_event_name,
)
from airflow_provider_tiktok_offline.conversions.rules.timestamps import read_timestamps


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """How settings differ from those that a ledger keeps.

    Attributes:
        changed: keys whose change gives known transactions another id.
        added: keys that are not kept yet.
        kept: what to keep from now on, if nothing is ``changed``.
    """

    changed: tuple[str, ...]
    added: tuple[str, ...]
    kept: Kept


def compare_event_set(kept: Mapping[str, KeptValue], now: IdentitySettings) -> IdentityChange:
    """Compare an advertiser's settings with those that a ledger keeps for the event set.

    Of words and stores only those that both know are compared: advertisers have their own beside them.
    """
    return _compare(kept, now.event_set, _EVENT_SET_RULES)


def compare_source(kept: Mapping[str, KeptValue], now: IdentitySettings) -> IdentityChange:
    """Compare an advertiser's settings with those that a ledger keeps for it."""
    return _compare(kept, now.source, _SOURCE_RULES)


#: One time in each of the programme's own forms; its numbers may be month or day, hour of a half or of a whole day.
_OWN_FORMS = (
    "2026-01-02", "2026-01-02 03:04:05", "2026-01-02T03:04:05", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z-0000",
    "2026-01-02 03:04:05Z", "2026-01-02 03:04:05-0100", "2026-01-02 03:04:05 +01:00", "2026-01-02 03:04",
    "01/02/2026 03:04:05", "1/2/2026 3:04:05 PM", "1/2/2026 3:04 PM", "Jan 2, 2026 3:04:05",
)  # fmt: skip

_Rule = Callable[[KeptValue, KeptValue], KeptValue | None]


def _compare(kept: Mapping[str, KeptValue], now: Kept, rules: Mapping[str, _Rule]) -> IdentityChange:
    changed, added = [], []
    # A file without rows of a kind says nothing of them: what earlier files showed stays.
    merged: Kept = {key: value for key, value in kept.items() if key.startswith(OF_FILE)}
    for key, value in now.items():
        before = kept.get(key)
        if before is None:
            added.append(key)
            merged[key] = value
            continue
        after = rules.get(key, _same)(before, value)
        if after is None:
            changed.append(key)
        merged[key] = before if after is None else after
    return IdentityChange(tuple(changed), tuple(added), merged)


def _own_meaning(word: str) -> str | None:
    """The event that a word stands for where no setting says so."""
    return canonical_event_name(word) if word in STANDARD_EVENTS else None


def _same(before: KeptValue, now: KeptValue) -> KeptValue | None:
    return now if before == now else None


def _words_agree(before: KeptValue, now: KeptValue) -> KeptValue | None:
    if not isinstance(before, dict) or not isinstance(now, dict):
        return _same(before, now)
    # The first release kept the names as they are sent.
    before = {word: canonical_event_name(event) for word, event in before.items()}
    agree = all(before.get(word, _own_meaning(word)) in (None, event) for word, event in now.items())
    return before | now if agree else None


def _words_added(before: KeptValue, now: KeptValue) -> KeptValue | None:
    if not isinstance(before, dict) or not isinstance(now, dict):
        return _same(before, now)
    for word in before.keys() | now.keys():
        meant, means = (words.get(word, _own_meaning(word)) for words in (before, now))
        if meant not in (None, means):
            return None
    return now


def _stores_agree(before: KeptValue, now: KeptValue) -> KeptValue | None:
    if not isinstance(before, dict) or not isinstance(now, dict):
        return _same(before, now)
    agree = all(before[code] == now[code] for code in before.keys() & now.keys())
    return before | now if agree else None


def _stores_added(before: KeptValue, now: KeptValue) -> KeptValue | None:
    if not isinstance(before, dict) or not isinstance(now, dict):
        return _same(before, now)
    return now if all(value == now.get(code, "") for code, value in before.items()) else None


def _headers_renamed(before: KeptValue, now: KeptValue) -> KeptValue | None:
    if not isinstance(before, dict) or not isinstance(now, dict):
        return _same(before, now)
    for header in before.keys() | now.keys():
        # A column of the programme that is not mapped stands for itself.
        own = header if header in PROGRAMME_COLUMNS else None
        meant, means = before.get(header, own), now.get(header, own)
        if None not in (meant, means) and meant != means:
            return None
    return now


def _formats_appended(before: KeptValue, now: KeptValue) -> KeptValue | None:
    if before == now or not isinstance(before, list) or not isinstance(now, list):
        return _same(before, now)
    appended = now[: len(before)] == before
    return now if appended and np.array_equal(_times_of_own_forms(before), _times_of_own_forms(now)) else None


def _times_of_own_forms(formats: list[str]) -> npt.NDArray[np.int64]:
    """How the programme's own forms are read behind these formats: an appended one may take them over."""
    cells = pl.Series(_OWN_FORMS, dtype=pl.String)
    return read_timestamps(cells, "UTC", offset="ignore", date_only_time=time(0, 0), formats=formats).epoch


def _mark_added(before: KeptValue, now: KeptValue) -> KeptValue | None:
    return now if before in ("", now) else None


#: Key -> how it is compared where a change of it may be harmless. Each rule gives what to keep from then on, or None
#: where known transactions get another id.
_EVENT_SET_RULES: Mapping[str, _Rule] = {"event_map": _words_agree, "stores.time_zone": _stores_agree}
_SOURCE_RULES: Mapping[str, _Rule] = {
    "columns": _headers_renamed,
    "event_map": _words_added,
    "format.strip_symbols": _mark_added,
    "format.thousands": _mark_added,
    "format.timestamp_formats": _formats_appended,
    "stores.decimals": _stores_added,
    "stores.phone_region": _stores_added,
    "stores.time_zone": _stores_added,
}

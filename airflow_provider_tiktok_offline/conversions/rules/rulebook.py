"""The rules under one advertiser's settings, for files with one header."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES, severity_of
from airflow_provider_tiktok_offline.conversions.contract.columns import (
    CANONICAL_EVENT,
    COLUMNS,
    LIVERAMP_CATEGORIES,
    PROGRAMME_COLUMNS,
    STANDARD_EVENTS,
)
from airflow_provider_tiktok_offline.conversions.contract.lookback import oldest_event_time
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings, Severity
from airflow_provider_tiktok_offline.conversions.file.header import Header
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Suppression

#: Columns that no event carries.
NOT_SENT = frozenset(column.name for column in COLUMNS if not column.sent)
_WEAKER: Mapping[Severity, Severity] = {"error": "note", "warning": "note", "note": "note", "off": "off"}


class Rulebook:
    """The rules under one advertiser's settings, for files with one header.

    :param as_of: the moment against which ages are checked; aware.
    :param suppression: people who opted out.
    """

    def __init__(
        self,
        settings: ConversionSettings,
        header: Header,
        as_of: datetime,
        suppression: Suppression | None,
    ) -> None:
        self.settings = settings
        self.header = header
        self.as_of = int(as_of.timestamp())
        days = settings.lookback_days
        lookback = None if days is None else timedelta(days=days)
        self.oldest = oldest_event_time(as_of, lookback)
        #: The same on the day on which the file's events are sent.
        self.oldest_due = oldest_event_time(as_of + timedelta(days=settings.send_after_days), lookback)
        self.suppression = suppression
        self._severities = {rule: severity_of(rule, settings) for rule in RULES}
        self.columns = [
            name for name in PROGRAMME_COLUMNS if name in {*header.places, *settings.constants, *settings.format.joined}
        ]
        self.events = _events(settings)
        self.canonical_events = {name: CANONICAL_EVENT.get(event, event) for name, event in self.events.items()}

    def severity(self, rule: str, column: str | None = None) -> Severity:
        """What breaking a rule costs; in columns that are never sent to TikTok a note at most."""
        severity = self._severities[rule]
        if column in NOT_SENT and self.settings.profile == "tiktok" and rule not in self.settings.severities:
            return _WEAKER[severity]
        return severity

    def label(self, column: str) -> str:
        """The file's own name of a programme column."""
        return self.header.labels.get(column, column)


def _events(settings: ConversionSettings) -> dict[str, str]:
    """The file's category -> the event's name, for every category that may stand in a row."""
    known = LIVERAMP_CATEGORIES if settings.profile == "liveramp" else STANDARD_EVENTS
    events = {name: name for name in known} | dict(settings.event_map)
    if settings.categories is None:
        return events
    allowed = {name: events.get(name, name) for name in settings.categories}
    return {name: event for name, event in allowed.items() if event in STANDARD_EVENTS}

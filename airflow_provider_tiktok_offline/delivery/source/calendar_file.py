"""A calendar in ICS (RFC 5545) as a set of closed days: events that last whole days, once or again and again.

The rules of recurrence are python-dateutil's, which Airflow brings. Names and notes of events are never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from time import monotonic as time_now
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from dateutil.rrule import rrule

_DAY = timedelta(days=1)
_NAME = re.compile(r"[A-Za-z0-9-]+")
_DURATION = re.compile(
    r"\+?P(?:(?P<weeks>\d{1,3})W)?(?:(?P<days>\d{1,4})D)?"
    r"(?:T(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,9})S)?)?"
)
#: How often a closed day may come back. An event of every second or hour is none.
_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
#: What may limit a rule of each frequency (RFC 5545, 3.3.10), in whole days.
_LIMITS = {
    "DAILY": {"BYMONTH", "BYMONTHDAY", "BYDAY"},
    "WEEKLY": {"BYMONTH", "BYDAY"},
    "MONTHLY": {"BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS"},
    "YEARLY": {"BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS", "BYYEARDAY", "BYWEEKNO", "BYEASTER"},
}  # fmt: skip
_LISTED = re.compile(r"[-+]?\d{0,3}[A-Z]{0,2}(?:,[-+]?\d{0,3}[A-Z]{0,2}){0,400}")
_COUNT = re.compile(r"[1-9]\d{0,3}")
#: Years that a calendar of closed days is about, and how long one event lasts at most.
_FIRST_YEAR, _END_YEAR, _LONGEST = 1900, 2200, timedelta(days=3660)
#: A calendar that takes so many seconds to look a day up was made to take long.
_MOST_SECONDS = 20.0
#: The parts of an event that are read.
_READ = frozenset(
    {"DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "UID", "STATUS"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Property:
    """One line of an event: ``DTSTART;TZID=Europe/Berlin:20261225T000000``."""

    line: int
    name: str
    parameters: Mapping[str, str]
    value: str

    def fault(self, what: str) -> ConfigError:
        return ConfigError(f"line {self.line}, {self.name}: {what}.")


@dataclass(frozen=True, slots=True)
class _Moment:
    """A date or time as the calendar writes it.

    Attributes:
        local: its clock; midnight for a date.
        zone: its time zone; None for a date, for a time that floats, and for a zone that has no IANA name.
    """

    local: datetime
    zone: ZoneInfo | None

    def on_clock_of(self, zone: ZoneInfo) -> datetime:
        """The same moment on another zone's clock."""
        return (
            self.local
            if self.zone is None
            else self.local.replace(tzinfo=self.zone).astimezone(zone).replace(tzinfo=None)
        )


@dataclass(slots=True)
class _Event:
    """One event, as often as it comes.

    Attributes:
        start: of the first time.
        length: how long each lasts.
        rules: by which it comes again.
        more, never: starts on which it comes besides, and does not come.
    """

    start: _Moment
    length: timedelta
    rules: list[rrule] = field(default_factory=list)
    more: set[datetime] = field(default_factory=set)
    never: set[datetime] = field(default_factory=set)
    uid: str = ""
    replaces: datetime | None = None
    cancelled: bool = False

    def covers(self, day: date, zone: ZoneInfo) -> bool:
        """Whether it lasts the whole of a day."""
        morning = datetime.combine(day, time())
        # An event of whole days on its own clock means the dates that it names, wherever its reader is.
        as_written = self.start.local.time() == time() and not self.length % _DAY and self.start.zone != _UTC
        for start in self._starts(morning - self.length - 2 * _DAY, morning + 2 * _DAY):
            begin, end = start, start + self.length
            if not as_written:
                begin, end = (_Moment(moment, self.start.zone).on_clock_of(zone) for moment in (begin, end))
            if begin <= morning and morning + _DAY <= end:
                return True
        return False

    def _starts(self, first: datetime, last: datetime) -> Iterator[datetime]:
        found = {self.start.local, *self.more}
        for rule in self.rules:
            found.update(rule.between(first, last, inc=True))
        return (start for start in found if first <= start <= last and start not in self.never)


_UTC = ZoneInfo("UTC")


class Calendar:
    """The closed days of a calendar: ``date(2026, 12, 25) in calendar``.

    A day is closed if an event lasts the whole of it: an event of whole days closes the dates that it names, another
    one those days of the retailer's time zone that it covers from midnight to midnight.

    :param content: the file, UTF-8.
    :param zone: the retailer's time zone.
    :raises ConfigError: if it is no calendar, or an event can't be understood; the error names its line.
    """

    def __init__(self, content: bytes, zone: ZoneInfo) -> None:
        self._zone = zone
        events = [_event(properties) for properties in _events(content)]
        recurring: dict[str, list[_Event]] = {}
        for event in events:
            if event.replaces is None:
                recurring.setdefault(event.uid, []).append(event)
        for changed in events:
            if changed.replaces is not None:
                for event in recurring.get(changed.uid, ()):
                    event.never.add(changed.replaces)
        self._events = [event for event in events if not event.cancelled]

    def __len__(self) -> int:
        return len(self._events)

    def __contains__(self, day: object) -> bool:
        if not isinstance(day, date):
            return False
        started = time_now()
        for event in self._events:
            if event.covers(day, self._zone):
                return True
            if time_now() - started > _MOST_SECONDS:
                raise ConfigError("the calendar takes too long to read.", todo="Export closed days alone.")
        return False


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    """The lines with their numbers; folded ones are put together."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError("the text is not UTF-8.") from None
    number, held = 0, ""
    for place, line in enumerate(text.splitlines(), 1):
        if line[:1] in (" ", "\t") and held:
            held += line[1:]
            continue
        if held.strip():
            yield number, held
        number, held = place, line
    if held.strip():
        yield number, held


def _events(content: bytes) -> Iterator[list[_Property]]:
    """What is read of each event; events are not inside of other parts, and alarms not part of them."""
    inside: list[str] = []
    begun = False
    event: list[_Property] = []
    for number, line in _lines(content):
        one = _property(number, line)
        if not begun and (one.name, one.value.upper()) != ("BEGIN", "VCALENDAR"):
            raise ConfigError(f"line {number}: a calendar begins with BEGIN:VCALENDAR.")
        begun = True
        if one.name == "BEGIN":
            inside.append(one.value.upper())
            if inside == ["VCALENDAR", "VEVENT"]:
                event = [one]
        elif one.name == "END":
            if not inside or inside.pop() != one.value.upper():
                raise one.fault("it ends what has not begun")
            if one.value.upper() == "VEVENT" and inside == ["VCALENDAR"]:
                yield event
        elif inside == ["VCALENDAR", "VEVENT"] and one.name in _READ:
            event.append(one)
    if inside or not begun:
        raise ConfigError("the calendar is cut off: END:VCALENDAR is missing." if begun else "the file is empty.")


def _property(number: int, line: str) -> _Property:
    """Take a line apart; a colon or semicolon inside quotes belongs to a parameter."""
    parts: list[str] = []
    start, quoted = 0, False
    for place, mark in enumerate(line):
        if mark == '"':
            quoted = not quoted
        elif mark in ";:" and not quoted:
            parts.append(line[start:place])
            start = place + 1
            if mark == ":":
                break
    else:
        parts = []
    if not parts or not _NAME.fullmatch(parts[0]):
        raise ConfigError(f"line {number}: it is no line of a calendar, as NAME:value.")
    parameters = dict(part.partition("=")[::2] for part in parts[1:])
    return _Property(
        number,
        parts[0].upper(),
        {name.upper(): text.strip('"') for name, text in parameters.items()},
        line[start:].strip(),
    )


def _moment(one: _Property, text: str) -> _Moment:
    is_date = one.parameters.get("VALUE", "").upper() == "DATE" or len(text) == 8
    zone = _UTC if text.endswith("Z") and not is_date else None
    try:
        form = "%Y%m%d" if is_date else "%Y%m%dT%H%M%SZ" if zone else "%Y%m%dT%H%M%S"
        local = datetime.strptime(text, form)  # noqa: DTZ007 - the zone stands beside it
    except ValueError:
        raise one.fault("it is no date, as 20261225, and no time, as 20261225T000000Z") from None
    if not _FIRST_YEAR <= local.year < _END_YEAR:
        raise one.fault(f"it is not between {_FIRST_YEAR} and {_END_YEAR}")
    if zone is not None or is_date:
        return _Moment(local, zone)
    name = one.parameters.get("TZID")
    if name is None:
        return _Moment(local, None)
    try:
        return _Moment(local, ZoneInfo(name.removeprefix("/")))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # Its own clock is enough for whole days.
        if local.time() == time():
            return _Moment(local, None)
        raise one.fault("its time zone has no IANA name, as Europe/Berlin") from None


def _event(properties: list[_Property]) -> _Event:
    known: dict[str, _Property] = {one.name: one for one in properties}
    if "DTSTART" not in known:
        raise ConfigError(f"line {properties[0].line}: the event has no DTSTART.")
    begin = known["DTSTART"]
    start = _moment(begin, begin.value)
    event = _Event(start, _length(known, start))
    if event.length < timedelta(0):
        raise begin.fault("the event ends before it begins")
    if event.length > _LONGEST:
        raise begin.fault("the event lasts longer than ten years")
    for one in properties:
        if one.name == "RRULE":
            event.rules.append(_rule(one, start))
        elif one.name in ("RDATE", "EXDATE"):
            target = event.more if one.name == "RDATE" else event.never
            target.update(_same_clock(_moment(one, text), start) for text in one.value.split(","))
    if "RECURRENCE-ID" in known:
        replaced = known["RECURRENCE-ID"]
        event.replaces = _same_clock(_moment(replaced, replaced.value), start)
    event.uid = known["UID"].value if "UID" in known else ""
    event.cancelled = "STATUS" in known and known["STATUS"].value.upper() == "CANCELLED"
    return event


def _length(known: Mapping[str, _Property], start: _Moment) -> timedelta:
    if "DTEND" in known:
        end = known["DTEND"]
        return _same_clock(_moment(end, end.value), start) - start.local
    if "DURATION" in known:
        one = known["DURATION"]
        found = _DURATION.fullmatch(one.value)
        if found is None or not any(found.groups()):
            raise one.fault("it is no duration, as P1D")
        return timedelta(**{unit: int(number) for unit, number in found.groupdict(default="0").items()})
    is_date = known["DTSTART"].parameters.get("VALUE", "").upper() == "DATE" or len(known["DTSTART"].value) == 8
    return _DAY if is_date else timedelta(0)


def _same_clock(moment: _Moment, start: _Moment) -> datetime:
    """A moment on the clock of the event's start."""
    return moment.local if start.zone is None else moment.on_clock_of(start.zone)


def _rule(one: _Property, start: _Moment) -> rrule:
    """A rule of recurrence on the event's own clock."""
    from dateutil.rrule import rrule, rrulestr

    parts = dict(part.partition("=")[::2] for part in one.value.upper().rstrip(";").split(";"))
    if parts.get("FREQ") not in _FREQUENCIES:
        raise one.fault("FREQ is none of DAILY, WEEKLY, MONTHLY and YEARLY")
    until = parts.pop("UNTIL", None)
    _check_rule(one, parts)
    try:
        rule = rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=start.local)
    except (ValueError, TypeError, KeyError, OverflowError, IndexError):
        raise one.fault("it is no rule of recurrence") from None
    if not isinstance(rule, rrule):
        raise one.fault("it is no rule of recurrence")
    if until is None or until[:4] >= str(_END_YEAR):
        return rule
    last = _moment(one, until)
    end = last.local + _DAY - timedelta(seconds=1) if len(until) == 8 else _same_clock(last, start)
    limited: rrule = rule.replace(until=end)
    return limited


def _check_rule(one: _Property, parts: dict[str, str]) -> None:
    """Refuse what dateutil would look for without end, or for minutes: it goes through every period up to 9999.

    Only days of the month, as 30 February, can never come; every day so limited is the same as every year.
    """
    limits = _LIMITS[parts["FREQ"]]
    limited = {name for name in parts if name.startswith("BY")}
    if unknown := sorted(parts.keys() - limits - {"FREQ", "INTERVAL", "COUNT", "WKST"}):
        raise one.fault(f"with FREQ={parts['FREQ']} a closed day has no {', '.join(unknown)[:100]}")
    for name in ("INTERVAL", "COUNT"):
        if name in parts and not _COUNT.fullmatch(parts[name]):
            raise one.fault(f"{name} is no number from 1 to 9999")
    if not all(_LISTED.fullmatch(parts[name]) for name in limited):
        raise one.fault("it is no rule of recurrence")
    if parts["FREQ"] == "DAILY" and limited:
        if parts.get("INTERVAL", "1") != "1":
            raise one.fault("every few days and limited besides is not understood")
        if "BYMONTHDAY" in limited:
            parts["FREQ"] = "YEARLY"


__all__ = ["Calendar"]

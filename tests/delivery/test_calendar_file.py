"""Closed days from a calendar in ICS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.config.connection_ids import connection_ids
from airflow_provider_tiktok_offline.config.loading import parse_advertiser
from airflow_provider_tiktok_offline.delivery.operations.doctor import doctor
from airflow_provider_tiktok_offline.delivery.source.calendar_file import Calendar
from airflow_provider_tiktok_offline.delivery.source.closed_days import closed_days
from airflow_provider_tiktok_offline.delivery.source.find_file import expected
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import ConfigError, SkippedFileError
from tests.delivery.world import World

BERLIN = ZoneInfo("Europe/Berlin")


def calendar(*events: str, end: str = "\r\n") -> bytes:
    """A calendar of events, each given by its lines parted by blanks."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//shop//closed days//EN"]
    lines += [line for event in events for line in ["BEGIN:VEVENT", *event.split(" "), "END:VEVENT"]]
    return end.join([*lines, "END:VCALENDAR", ""]).encode()


def closed(content: bytes, first: str = "2026-01-01", days: int = 800, zone: ZoneInfo = BERLIN) -> list[str]:
    """The closed days from a day on."""
    found = Calendar(content, zone)
    every = (date.fromisoformat(first) + timedelta(days=ahead) for ahead in range(days))
    return [day.isoformat() for day in every if day in found]


@pytest.mark.parametrize(
    ("event", "days"),
    [
        ("DTSTART;VALUE=DATE:20261225 DTEND;VALUE=DATE:20261227", ["2026-12-25", "2026-12-26"]),
        ("DTSTART;VALUE=DATE:20261225", ["2026-12-25"]),
        ("DTSTART:20261225", ["2026-12-25"]),
        ("DTSTART;VALUE=DATE:20261231 DURATION:P2D", ["2026-12-31", "2027-01-01"]),
        ("DTSTART;VALUE=DATE:20201003 RRULE:FREQ=YEARLY", ["2026-10-03", "2027-10-03"]),
        ("DTSTART;VALUE=DATE:20201224 DURATION:P1W RRULE:FREQ=YEARLY;UNTIL=20261231",
         [f"2026-12-{day}" for day in range(24, 31)]),
        ("DTSTART;VALUE=DATE:20261126 RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", ["2026-11-26", "2027-11-25"]),
        ("DTSTART;VALUE=DATE:20260105 RRULE:FREQ=WEEKLY;COUNT=3 EXDATE;VALUE=DATE:20260112 RDATE;VALUE=DATE:20260114",
         ["2026-01-05", "2026-01-14", "2026-01-19"]),
        ("DTSTART;TZID=Europe/Berlin:20261225T000000 DTEND;TZID=Europe/Berlin:20261226T000000", ["2026-12-25"]),
        ('DTSTART;TZID="America/New_York":20261225T000000 DTEND;TZID="America/New_York":20261226T000000',
         ["2026-12-25"]),
        ("DTSTART;TZID=W-Europe-Standard-Time:20261225T000000 DURATION:P1D", ["2026-12-25"]),
        ("DTSTART:20261224T230000Z DTEND:20261225T230000Z", ["2026-12-25"]),
        ("DTSTART:20260331T220000Z DTEND:20260401T220000Z RRULE:FREQ=YEARLY", ["2026-04-01", "2027-04-01"]),
        ("DTSTART:20261225T000000Z DTEND:20261226T000000Z", []),
        ("DTSTART:20261224T120000 DTEND:20261226T120000", ["2026-12-25"]),
        ("DTSTART:20261225T090000 DTEND:20261225T170000 RRULE:FREQ=DAILY", []),
        ("DTSTART;VALUE=DATE:20261225 STATUS:CANCELLED", []),
        ("DTSTART:20261225T000000", []),
    ],
    ids=str,
)  # fmt: skip
def test_which_days_an_event_closes(event: str, days: list[str]) -> None:
    """Those that it covers whole."""
    assert closed(calendar(event)) == days


def test_one_time_of_an_event_can_be_moved_or_cancelled() -> None:
    """By an event of the same UID, as calendars write it when a person changes one of a series."""
    series = "UID:a DTSTART;VALUE=DATE:20260601 RRULE:FREQ=YEARLY"
    moved = "UID:a RECURRENCE-ID;VALUE=DATE:20260601 DTSTART;VALUE=DATE:20260603"
    cancelled = "UID:a RECURRENCE-ID;VALUE=DATE:20270601 DTSTART;VALUE=DATE:20270601 STATUS:CANCELLED"
    assert closed(calendar(series, moved, cancelled)) == ["2026-06-03"]
    assert closed(calendar(moved, cancelled, series)) == ["2026-06-03"]


def test_folded_lines_alarms_time_zones_and_unknown_parts_are_understood() -> None:
    """As Outlook and Google write them."""
    content = b"\xef\xbb\xbf" + calendar("DTSTART;VALUE=DATE:20261225").replace(
        b"DTSTART;VALUE=DATE:20261225",
        b"BEGIN:VALARM\r\nTRIGGER:-P1D\r\nDURATION:P9D\r\nEND:VALARM\r\nDTSTART;VA\r\n LUE=DATE:2026\r\n\t1225\r\n"
        b'SUMMARY;ALTREP="cid:a:b;c":Weihnachten\\, geschlossen\r\nX-A:1',
    ).replace(
        b"BEGIN:VEVENT",
        b"BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19961027T030000\r\n"
        b"RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT",
    )
    assert closed(content) == ["2026-12-25"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "the file is empty"),
        (b"2026-12-25\n", "line 1: it is no line of a calendar"),
        (b"DATE:2026-12-25\n", "line 1: a calendar begins with BEGIN:VCALENDAR"),
        (b"\xff\xfeB\x00", "not UTF-8"),
        (calendar("DTSTART:20261225")[:-15], "cut off"),
        (calendar("UID:a"), "line 4: the event has no DTSTART"),
        (calendar("DTSTART:25.12.2026"), "line 5, DTSTART: it is no date"),
        (calendar("DTSTART:20261225 DTEND:20261224"), "line 5, DTSTART: the event ends before it begins"),
        (calendar("DTSTART:20261225 DURATION:P"), "line 6, DURATION: it is no duration"),
        (calendar("DTSTART:20261225 RRULE:FREQ=SECONDLY"), "line 6, RRULE: FREQ is none of"),
        (calendar("DTSTART:20261225 RRULE:FREQ=YEARLY;BYDAY=Xmas"), "line 6, RRULE: it is no rule"),
        (calendar("DTSTART;TZID=Mars/North:20261225T090000"), "line 5, DTSTART: its time zone has no IANA name"),
        (calendar("DTSTART:20261225").replace(b"END:VEVENT", b"END:VTODO"), "line 6, END: it ends what has not begun"),
    ],
    ids=str,
)
def test_a_calendar_that_is_not_understood_is_no_empty_one(content: bytes, fault: str) -> None:
    """The error names line and part, and nothing of what the event says."""
    with pytest.raises(ConfigError, match=fault) as caught:
        Calendar(content, BERLIN)
    assert "Xmas" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(
    start=st.dates(min_value=date(2024, 1, 1), max_value=date(2026, 12, 31)),
    length=st.integers(min_value=1, max_value=9),
    every=st.integers(min_value=1, max_value=40),
    times=st.integers(min_value=1, max_value=12),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Pacific/Apia"]),
    end=st.sampled_from(["\r\n", "\n"]),
)
def test_an_event_every_few_days_closes_the_days_that_counting_gives(
    start: date, length: int, every: int, times: int, zone: str, end: str
) -> None:
    """Whatever the retailer's time zone, and with a summer time between."""
    event = f"DTSTART;VALUE=DATE:{start:%Y%m%d} DURATION:P{length}D RRULE:FREQ=DAILY;INTERVAL={every};COUNT={times}"

    def days() -> Iterator[str]:
        for number in range(times):
            for ahead in range(length):
                yield (start + timedelta(days=number * every + ahead)).isoformat()

    window = times * every + length + 5
    assert closed(calendar(event, end=end), start.isoformat(), window, ZoneInfo(zone)) == sorted(set(days()))


#: What dateutil would look for without end or for minutes, and dates that leave the calendar.
HOSTILE = (
    "DTSTART;VALUE=DATE:20260101 RRULE:FREQ=DAILY;INTERVAL=0",
    "DTSTART;VALUE=DATE:20260101 RRULE:FREQ=DAILY;INTERVAL=-1",
    "DTSTART;VALUE=DATE:00010101 RRULE:FREQ=DAILY;COUNT=1000000000",
    "DTSTART;VALUE=DATE:20260101 RRULE:FREQ=DAILY;COUNT=1000000000",
    "DTSTART;VALUE=DATE:20260101 RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;INTERVAL=2",
    "DTSTART;VALUE=DATE:20260101 RRULE:FREQ=WEEKLY;BYMONTHDAY=32",
    "DTSTART;VALUE=DATE:20200101 RRULE:FREQ=DAILY;BYHOUR=0,1;BYMINUTE=0,1;BYSECOND=0,1",
    "DTSTART;VALUE=DATE:20260101 RRULE:FREQ=YEARLY;BYEASTER=99999999999999999999",
    "DTSTART;VALUE=DATE:00010101 DTEND;VALUE=DATE:99991231",
    "DTSTART;VALUE=DATE:19000101 DTEND;VALUE=DATE:21991231",
)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("event", HOSTILE)
def test_an_event_without_end_is_refused(event: str) -> None:
    """A sensor does not wait for a calendar for ever, nor end in a library's error."""
    with pytest.raises(ConfigError, match=r"line \d+, (DTSTART|RRULE): "):
        closed(calendar(event), days=1)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("event", "days"),
    [
        ("DTSTART;VALUE=DATE:20260101 RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", ["2026-01-01"]),
        ("DTSTART;VALUE=DATE:20260802 RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=3,4",
         ["2026-08-02", "2027-02-03", "2027-02-04"]),
        ("DTSTART;VALUE=DATE:20260730 RRULE:FREQ=DAILY;BYMONTH=8;UNTIL=20260802",
         ["2026-07-30", "2026-08-01", "2026-08-02"]),
        ("DTSTART;VALUE=DATE:20261231 RRULE:FREQ=YEARLY;UNTIL=99991231", ["2026-12-31", "2027-12-31"]),
    ],
)  # fmt: skip
def test_a_rule_that_may_never_come_is_looked_for_quickly(event: str, days: list[str]) -> None:
    """Every day of a month is looked for by years; an end beyond the calendar is none."""
    found = Calendar(calendar(event), BERLIN)
    assert [day for day in days if date.fromisoformat(day) not in found] == []
    near = {date.fromisoformat(day) + timedelta(days=ahead) for day in days for ahead in (-1, 1)}
    assert {day.isoformat() for day in near if day in found} <= set(days)


def with_calendar(world: World, path: Path, **changes: Any) -> dict[str, Any]:
    """The world's source, closed on the days of a calendar."""
    source = {**world.config().source.model_dump(mode="json"), "closed_dates": str(path), **changes}
    return {"source": source, "time_zone": "Europe/Berlin"}


def test_a_file_without_rows_is_a_quiet_day_on_a_day_of_the_calendar(world: World, tmp_path: Path) -> None:
    """2026-11-21 is closed; so the calendar decides in the steps."""
    path = tmp_path / "closed.ics"
    path.write_bytes(calendar("DTSTART;VALUE=DATE:20261121"))
    ctx = world.context(**with_calendar(world, path))
    assert not expected(ctx.config, date(2026, 11, 21), ctx.connections)
    assert expected(ctx.config, date(2026, 11, 20), ctx.connections)
    with pytest.raises(SkippedFileError, match="quiet day"):
        validate(ctx, world.drop([]))


@pytest.mark.parametrize(
    ("content", "fault"), [(None, "there is no such file"), (b"25.12.\n", "line 1: it is no line")]
)
def test_a_broken_calendar_is_an_error_with_file_entry_and_key(
    world: World, tmp_path: Path, content: bytes | None, fault: str
) -> None:
    """In a run and in the daily look. The settings themselves are whole: a DAG is parsed without the file."""
    path = tmp_path / "closed.ics"
    if content is not None:
        path.write_bytes(content)
    ctx = world.context(**with_calendar(world, path))
    with pytest.raises(ConfigError, match=fault) as caught:
        closed_days(ctx.config, ctx.connections)
    assert f"{path} (entry corner_shop, key source.closed_dates)" in str(caught.value)
    assert [one.status for one in doctor(ctx) if one.subject == "closed days"] == ["failed"]


def test_doctor_says_when_a_calendar_has_run_out(world: World, tmp_path: Path) -> None:
    """And which day is the next where it has not."""
    path = tmp_path / "closed.ics"
    ctx = world.context(**with_calendar(world, path))
    for event, status, said in (
        ("DTSTART;VALUE=DATE:20251225", "warning", "has none in the next 366 days"),
        ("DTSTART;VALUE=DATE:20251225 RRULE:FREQ=YEARLY", "ok", "the next one is 2026-12-25"),
    ):
        path.write_bytes(calendar(event))
        [finding] = [one for one in doctor(ctx) if one.subject == "closed days"]
        assert (finding.status, said in finding.text) == (status, True)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("holidays", "must be a list of days, as .* or the absolute path or the URI of an .ics file"),
        (20261225, "must be a list of days"),
        (["2026-12-25", "Xmas"], "day 2 of the list must be a date, as 2026-12-25"),
    ],
)
def test_neither_days_nor_a_calendar_is_an_error(world: World, value: object, fault: str) -> None:
    """With one sentence that says what is wanted."""
    entry = world.config().model_dump(mode="json")
    with pytest.raises(ConfigError, match=f"key source.closed_dates: {fault}"):
        parse_advertiser({**entry, "source": {**entry["source"], "closed_dates": value}}, where="shops.yaml")


def test_days_and_calendars_name_their_connection(world: World) -> None:
    """A calendar on a server needs its connection, which `config check --connections` looks up."""
    for value, key in ((["2026-12-25"], None), ("sftp://files@/closed.ics", "source.closed_dates")):
        config = world.config(source={"path": "/in/sales.csv", "closed_dates": value})
        assert connection_ids(config).get("files") == key

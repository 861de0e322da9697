"""Timestamps in an export's own notation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.rules.timestamp_formats import MONTHS, ClockFields, read_formats
from airflow_provider_tiktok_offline.conversions.rules.timestamp_notation import parse_format


def read(cell: str, *notations: str) -> datetime | None:
    """One cell; None if no notation fits. Local times are given as UTC."""
    fields = ClockFields(1)
    read_formats(pl.Series([cell]), [parse_format(notation) for notation in notations], fields)
    if not fields.read[0] or fields.wrong[0]:
        return None
    clock = (fields.year, fields.month, fields.day, fields.hour, fields.minute, fields.second)
    year, month, day, hour, minute, second = (int(field[0]) for field in clock)
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    return moment + timedelta(seconds=int(fields.shift[0]))


def utc(*fields: int) -> datetime:
    """A moment."""
    return datetime(*fields, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("cell", "notation", "moment"),
    [
        ("24.12.2026 18:30", "dd.MM.yyyy HH:mm", utc(2026, 12, 24, 18, 30)),
        ("24.12.26 18:30:05", "dd.MM.yy HH:mm:ss", utc(2026, 12, 24, 18, 30, 5)),
        ("4/3/2026 1:05 PM", "d/M/yyyy h:mm a", utc(2026, 3, 4, 13, 5)),
        ("4/3/2026 12:05 a.m.", "d/M/yyyy h:mm a", utc(2026, 3, 4, 0, 5)),
        ("4/3/2026 1:05\u202fPM", "d/M/yyyy h:mm a", utc(2026, 3, 4, 13, 5)),
        ("2026-11-20T10:01:00.123+01:00", "yyyy-MM-dd'T'HH:mm:ss.SSSX", utc(2026, 11, 20, 9, 1)),
        ("2026-11-20 10:01 UTC", "yyyy-MM-dd HH:mm X", utc(2026, 11, 20, 10, 1)),
        ("2026-11-20 10:01:00 -0500", "yyyy-MM-dd HH:mm:ss X", utc(2026, 11, 20, 15, 1)),
        ("2026-11-20 10:01:00 +00", "yyyy-MM-dd HH:mm:ss X", utc(2026, 11, 20, 10, 1)),
        ("3. März 2026", "d. MMMM yyyy", utc(2026, 3, 3)),
        ("03-Nov-2026 08:00", "dd-MMM-yyyy HH:mm", utc(2026, 11, 3, 8)),
        ("3 févr. 2026 08:00", "d MMM yyyy HH:mm", utc(2026, 2, 3, 8)),
        ("20261124183005", "yyyyMMddHHmmss", utc(2026, 11, 24, 18, 30, 5)),
        ("1795132800", "epoch", utc(2026, 11, 20)),
        ("1795132800123", "epoch_ms", utc(2026, 11, 20)),
        ("24.12.2026 um 18 Uhr", "dd.MM.yyyy 'um' HH 'Uhr'", utc(2026, 12, 24, 18)),
    ],
)
def test_what_exports_write_is_understood(cell: str, notation: str, moment: datetime) -> None:
    """Each cell is the moment that the export means."""
    assert read(cell, notation) == moment


@pytest.mark.parametrize(
    ("cell", "notation"),
    [
        ("24.12.2026", "dd.MM.yyyy HH:mm"),
        ("4.12.2026 18:30", "dd.MM.yyyy HH:mm"),
        ("13/13/2026 13:05 PM", "d/M/yyyy h:mm a"),
        ("3. Foo 2026", "d. MMMM yyyy 'x'"),
        ("2026-11-20 10:01:00 +25:00", "yyyy-MM-dd HH:mm:ss X"),
        ("x24.12.2026 18:30", "dd.MM.yyyy HH:mm"),
    ],
)
def test_what_does_not_fit_is_not_read(cell: str, notation: str) -> None:
    """No cell is read by half."""
    assert read(cell, notation) is None


def test_the_first_notation_that_fits_decides() -> None:
    """Day first or month first is the configuration's to say."""
    assert read("04/03/2026", "dd/MM/yyyy", "MM/dd/yyyy") == utc(2026, 3, 4)
    assert read("04/03/2026", "MM/dd/yyyy", "dd/MM/yyyy") == utc(2026, 4, 3)


@pytest.mark.parametrize(
    ("notation", "fault"),
    [
        ("HH:mm", "no year"),
        ("dd.MM.yyyy dd", "day twice"),
        ("yyyy-MM-dd yy", "year twice"),
        ("dd.MM.yyyy a", "no hour"),
        ("DD.MM.YYYY", "DD is no symbol"),
        ("%d.%m.%Y", "m is no symbol"),
    ],
)
def test_a_notation_that_can_not_work_is_refused(notation: str, fault: str) -> None:
    """The message says what is wrong with it."""
    with pytest.raises(ValueError, match=fault):
        parse_format(notation)


@settings(deadline=None)
@given(
    moment=st.datetimes(
        min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
        max_value=datetime(2099, 12, 31),  # noqa: DTZ001
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-3))]),
    )
)
def test_any_moment_survives_its_notation(moment: datetime) -> None:
    """What ``strftime`` writes is read back."""
    moment = moment.replace(microsecond=0)
    written = moment.strftime("%d/%m/%Y %H:%M:%S %z")
    assert read(written, "dd/MM/yyyy HH:mm:ss X") == moment.astimezone(UTC)


def test_month_words_name_one_month_each() -> None:
    """No word stands for two months in two languages."""
    assert set(MONTHS.values()) == set(range(1, 13))

"""transaction_timestamp: eight written formats, offsets, local times and the lookback."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.contract.settings import FileFormat
from airflow_provider_tiktok_offline.conversions.rules.timestamps import read_timestamps
from tests.conversions.files import LIVERAMP, SETTINGS, check, found


def read(*cells: str, zone: str = "UTC", offset: str = "ignore", at: time = time(0)) -> list[str | None]:
    times = read_timestamps(pl.Series(cells, dtype=pl.String), zone, offset=offset, date_only_time=at)  # type: ignore[arg-type]
    return [
        datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S") if known else None
        for epoch, known in zip(times.epoch.tolist(), times.known.tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2026-11-20", "2026-11-20 00:00:00"),
        ("2026-11-20T10:01:02Z-0000", "2026-11-20 10:01:02"),
        ("2017-02-07T13:25:00Z-0800", "2017-02-07 13:25:00"),
        ("11/20/2026 3:15:00 PM", "2026-11-20 15:15:00"),
        ("11/20/2026 12:15:00 am", "2026-11-20 00:15:00"),
        ("1/2/2026 12:15:00 PM", "2026-01-02 12:15:00"),
        ("Nov 20, 2026 3:15:00", "2026-11-20 03:15:00"),
        ("november 2, 2026 12:15:00", "2026-11-02 12:15:00"),
        ("SEPT 02, 2026 1:15:00", "2026-09-02 01:15:00"),
        ("11/20/2026 15:15:00", "2026-11-20 15:15:00"),
        ("1/2/2026 5:15:00", "2026-01-02 05:15:00"),
        ("2026-11-20 10:01:02", "2026-11-20 10:01:02"),
        ("2026-11-20T10:01:02", "2026-11-20 10:01:02"),
        ("2026-11-20 10:01:02Z", "2026-11-20 10:01:02"),
        ("2026-11-20 10:01:02-0800", "2026-11-20 18:01:02"),
        ("2026-11-20 10:01:02+0530", "2026-11-20 04:31:02"),
        ("2026-11-20T10:01:02Z", "2026-11-20 10:01:02"),
        ("2026-11-20T10:01:02+01:00", "2026-11-20 09:01:02"),
        ("2026-11-20T10:01:02.987Z", "2026-11-20 10:01:02"),
        ("2024-02-29", "2024-02-29 00:00:00"),
        ("2000-02-29 23:59:59", "2000-02-29 23:59:59"),
        ("1969-12-31 23:59:59", "1969-12-31 23:59:59"),
    ],
)
def test_each_written_format_is_understood(cell: str, moment: str) -> None:
    """Alone and among others, so by the quick way and by the patterns."""
    assert read(cell) == [moment]
    assert read("x", cell, "2026-11-20", "11/20/2026 3:15:00 PM")[1] == moment


@pytest.mark.parametrize(
    "cell",
    [
        "2026-02-30",
        "2025-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-11-00", "2026-11-31", "2026-11-20 24:00:00",
        "2026-11-20 10:60:00", "2026-11-20T10:00:60", "13/01/2026 10:00:00", "11/20/2026 13:15:00 PM",
        "11/20/2026 0:15:00 am", "Nov 20, 2026 13:15:00",
        "Nov 20, 2026 0:15:00", "Nix 20, 2026 3:15:00", "2026-11-20 10:00:00+9900",
    ],
)  # fmt: skip
def test_moments_that_do_not_exist_are_refused(cell: str) -> None:
    """The format is right, the date or the hour is none."""
    times = read_timestamps(pl.Series([cell]), "UTC", offset="ignore", date_only_time=time(0))
    assert not times.known[0]
    assert times.findings["timestamp_impossible"][0]


@pytest.mark.parametrize(
    "cell",
    [
        "", "x", "31.12.2026", "2026/11/20", "20261120", "1795132800", "11/20/26 10:00:00",
        "2026-11-20T",
        "2026-11-20 10:00:00 PM", "２０２６-11-20", "2026-11-20T10:00:00Z-000", "Nov 20 2026 3:15:00", " 2026-11-20",
    ],
)  # fmt: skip
def test_other_formats_are_refused(cell: str) -> None:
    """Nothing is guessed."""
    assert read(cell) == [None]


@settings(deadline=None)
@given(st.integers(-2_208_988_800, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_days_and_seconds_are_those_of_the_calendar(moment: datetime) -> None:
    """The same as the standard library's, for any moment."""
    expected = moment.strftime("%Y-%m-%d %H:%M:%S")
    assert read(moment.strftime("%Y-%m-%dT%H:%M:%SZ-0000")) == [expected]
    assert read(moment.strftime("%m/%d/%Y %I:%M:%S %p"), "x") == [expected, None]


def test_an_offset_behind_z_is_applied_only_if_asked() -> None:
    """By default the clock part is UTC, as the seed says."""
    assert read("2017-02-07T13:25:00Z-0800", offset="apply") == ["2017-02-07 21:25:00"]
    assert ("timestamp_offset", "warning") in found(check([{"transaction_timestamp": "2026-11-20T10:00:00Z-0800"}]))


def test_local_times_and_the_days_on_which_clocks_change() -> None:
    """A time that does not exist is an hour later, of two the earlier is taken."""
    cells = pl.Series(["2026-07-01 12:00:00", "2026-03-29 02:30:00", "2026-10-25 02:30:00", "2026-11-01T12:00:00Z"])
    times = read_timestamps(cells, "Europe/Berlin", offset="ignore", date_only_time=time(0))
    moments = [datetime.fromtimestamp(epoch, UTC).strftime("%d %H:%M") for epoch in times.epoch.tolist()]
    assert moments == ["01 10:00", "29 01:30", "25 00:30", "01 12:00"]
    assert times.findings["timestamp_gap"].tolist() == [False, True, False, False]
    assert times.findings["timestamp_overlap"].tolist() == [False, False, True, False]


def test_time_zones_by_row() -> None:
    """Each row's own zone is used."""
    cells = pl.Series(["2026-07-01 12:00:00"] * 3)
    zones = pl.Series(["Europe/Berlin", "America/New_York", "UTC"])
    times = read_timestamps(cells, zones, offset="ignore", date_only_time=time(0))
    assert (times.epoch - times.epoch[2]).tolist() == [-7200, 14400, 0]


def test_a_date_alone_stands_for_a_time_of_day_but_not_for_the_future() -> None:
    """Today's date with a later time of day is now; tomorrow's is in the future."""
    settings = replace(SETTINGS, date_only_time=time(18))
    report = check([{"transaction_timestamp": "2026-11-22"}], settings)
    assert report.rows_valid == 1
    assert report.first_time == int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp())
    assert ("timestamp_date_only", "note") in found(report)
    assert ("timestamp_future", "error") in found(check([{"transaction_timestamp": "2026-11-23"}], settings))


@pytest.mark.parametrize(
    ("moment", "rule"),
    [
        ("2026-10-25T00:00:00Z-0000", None),
        ("2026-10-24T23:59:59Z-0000", "timestamp_old"),
        ("2026-11-22T12:05:00Z-0000", None),
        ("2026-11-22T12:05:01Z-0000", "timestamp_future"),
    ],
)
def test_the_window_is_by_utc_dates_and_a_small_skew(moment: str, rule: str | None) -> None:
    """28 days back by date, five minutes ahead."""
    report = check([{"transaction_timestamp": moment}])
    assert found(report) == ({(rule, "error")} if rule else set())


def test_any_age_and_skew_can_be_allowed() -> None:
    """lookback_days None, another future_skew."""
    settings = replace(SETTINGS, lookback_days=None, future_skew=timedelta(days=3))
    rows = [{"transaction_timestamp": "2014-03-31"}, {"transaction_timestamp": "2026-11-24T00:00:00Z-0000"}]
    assert check(rows, settings).rows_valid == 2


@pytest.mark.parametrize(
    ("cell", "rule", "tiktok", "liveramp"),
    [
        ("2026-11-20T10:01:02Z", "timestamp_iso", "warning", "error"),
        ("Nov 20, 2026 3:15:00", "timestamp_hour12", "warning", "note"),
        ("2026-11-20", "timestamp_date_only", "note", "note"),
    ],
)
def test_what_a_format_costs_by_profile(cell: str, rule: str, tiktok: str, liveramp: str) -> None:
    """As the rule table says."""
    quoted = f'"{cell}"' if "," in cell else cell
    assert (rule, tiktok) in found(check([{"transaction_timestamp": quoted}]))
    assert (rule, liveramp) in found(check([{"transaction_timestamp": quoted}], LIVERAMP))


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2026-11-20 10:01", "2026-11-20T10:01:00"),
        ("2026-11-20 10:01:00 -0500", "2026-11-20T15:01:00"),
        ("2026-11-20 10:01:00 +01:00", "2026-11-20T09:01:00"),
        ("2026-11-20 10:01:00 UTC", "2026-11-20T10:01:00"),
        ("2026-11-20 10:01:00+00", "2026-11-20T10:01:00"),
        ("2026-11-20T10:01:00.123", "2026-11-20T10:01:00"),
        ("11/20/2026 3:15 PM", "2026-11-20T15:15:00"),
        ("11/20/2026 3:15:00\u202fPM", "2026-11-20T15:15:00"),
        ("11/20/2026, 3:15:00 p.m.", "2026-11-20T15:15:00"),
    ],
)
def test_a_format_that_is_near_a_known_one_is_read_with_a_note(cell: str, moment: str) -> None:
    """Nothing in it is ambiguous; LiveRamp's file needs the programme's form."""
    times = read_timestamps(pl.Series([cell]), "UTC", offset="ignore", date_only_time=time(0))
    assert times.known[0]
    assert datetime.fromtimestamp(int(times.epoch[0]), UTC).isoformat() == f"{moment}+00:00"
    assert ("timestamp_near", "note") in found(check([{"transaction_timestamp": f'"{cell}"'}]))
    assert ("timestamp_near", "error") in found(check([{"transaction_timestamp": f'"{cell}"'}], LIVERAMP))


def test_a_configured_notation_comes_before_the_programme_s_forms() -> None:
    """Day first where the configuration says so; what no notation fits is read as the programme writes it."""
    written = replace(SETTINGS, format=FileFormat(timestamp_formats=("dd/MM/yyyy HH:mm:ss", "dd.MM.yyyy HH:mm")))
    cells = ["09/11/2026 10:00:00", "19.11.2026 10:00", "2026-11-19 10:00:00"]
    report = check([{"transaction_timestamp": cell} for cell in cells], written)
    assert (report.rows_valid, report.issues) == (3, ())
    assert report.first_time == int(datetime(2026, 11, 9, 10, tzinfo=UTC).timestamp())
    assert check([{"transaction_timestamp": "13/31/2026 10:00:00"}], written).rows_rejected == 1


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("cell", ["0000-01-01 00:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59"])
def test_a_year_at_the_edge_of_time_is_an_error_of_its_row(zone: str, cell: str) -> None:
    """An offset or a zone would lead out of what a calendar holds; other rows are read."""
    shapes = [cell, f"{cell}-1400", f"{cell}+1400", cell.replace(" ", "T") + "Z-1400", cell[:10]]
    for offset in ("ignore", "apply"):
        assert read(*shapes, "2026-11-20 10:01:02Z", zone=zone, offset=offset)[-1] == "2026-11-20 10:01:02"
        assert read(*shapes, zone=zone, offset=offset) == [None] * len(shapes)

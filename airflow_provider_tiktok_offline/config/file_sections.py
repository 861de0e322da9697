"""The sections of an advertiser's entry about its files; docs/configuration.md is made of *Attributes*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from airflow_provider_tiktok_offline.config.airflow_values import Wait
from airflow_provider_tiktok_offline.config.fields import (
    ClosedDates,
    Currency,
    Delimiter,
    Encoding,
    PathTemplate,
    PresetName,
    Region,
    Strict,
    TimestampNotation,
    TimeZone,
    misfit,
)
from airflow_provider_tiktok_offline.config.presets import optional_columns
from airflow_provider_tiktok_offline.conversions.contract.settings import FileFormat

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class SourceConfig(Strict):
    """Where the conversion files appear and how a complete one is known.

    Attributes:
        conn_id: Airflow connection of the SFTP server; without one, ``path`` is on the worker's own disk, or a URI
            such as ``s3://conn_id@bucket/sales_{{ ds }}.csv``.
        path: directory and file name. The name may hold the file's day, as ``sales_{{ ds_nodash }}.csv`` (``{{ ds }}``
            is 2026-11-22, ``{{ ds_nodash }}`` 20261122, ``{{ day }}`` a date), or be a glob, as ``sales_*.csv.gz``.
        file_day: the day a run asks for: the start of its data interval, or the day it runs.
        day_offset: days added to that day.
        files: which files belong to a day: ``one``, ``all`` (every complete file that was not delivered yet, oldest
            first; a file that is not complete is waited for an hour from its last change), a number of files, or a
            list of names.
        missing_file: whether a run without a file fails, or is skipped; in a backfill at once, if the day is past.
        expected_days: days of the week on which a file is due. On another day the sensor looks once: a file that is
            there is taken, a missing one is skipped.
        closed_dates: days without a file although their weekday is in ``expected_days``: a list, as 2026-12-25, or the
            path or URI of a calendar in ICS (RFC 5545), which tasks read when they run. An event of whole days closes
            its dates; another one closes the days of ``time_zone`` that it covers from midnight to midnight.
        header_only: what a file with a header and no rows does to the run: it fails on a day on which a file is due
            and is skipped on another, unless this says one of them for both.
        repeated_file: what a file with the rows of another day's delivery does to the run on a day on which a file is
            due: it fails, or is skipped. On another day it is skipped. Only the data rows are compared.
        settle_seconds: a file is complete when it has not changed for so many seconds.
        done_marker: ending, as ``.done``, or name of an empty file that says the file is complete.
        checksum_file: ending, as ``.sha256``, or name of a file in the same folder with the checksum, as sha256sum,
            sha512sum or md5sum write it. The file is complete once its checksum is there, and its bytes are compared
            with the checksum.
        poke_seconds: seconds between two checks for the file.
        timeout_seconds: how long a run waits for its file; keep it below one interval.
        after_delivery: what happens to a file once it is delivered.
        archive_path: directory for ``after_delivery: archive``.
        quarantine_path: directory to which a file that can't be used is moved; without one it stays.
    """

    conn_id: str | None = None
    path: PathTemplate
    file_day: Literal["interval_start", "run_day"] = "interval_start"
    day_offset: Annotated[int, Field(ge=-366, le=366)] = 0
    files: Literal["one", "all"] | Annotated[int, Field(ge=1, le=10_000)] | list[PathTemplate] = "one"
    missing_file: Literal["fail", "skip"] = "fail"
    expected_days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    closed_dates: ClosedDates = ()
    header_only: Literal["fail", "skip"] | None = None
    repeated_file: Literal["fail", "skip"] = "fail"
    settle_seconds: Annotated[int, Field(ge=0, le=604_800)] = 60
    done_marker: str | None = None
    checksum_file: str | None = None
    poke_seconds: Wait = 60
    timeout_seconds: Wait = 20 * 3600
    after_delivery: Literal["keep", "archive", "delete"] = "keep"
    archive_path: str | None = None
    quarantine_path: str | None = None

    @model_validator(mode="after")
    def _paths_fit(self) -> SourceConfig:
        if self.path.endswith("/") and not isinstance(self.files, list):
            raise misfit("path", "must end with a file name, as /outgoing/sales_{{ ds_nodash }}.csv")
        if self.after_delivery == "archive" and self.archive_path is None:
            raise misfit("archive_path", "is missing: after_delivery is archive")
        return self


class FormatConfig(Strict):
    """How the export is written, where it differs from the programme's own form.

    Attributes:
        preset: name of a documented export. Its settings (columns, formats, which rows are sales) apply unless this
            entry sets them. The page *Your own export* lists the presets.
        delimiter: the character between two fields: ``comma``, ``tab``, ``pipe``, ``semicolon``, or another ASCII
            character. Without it, the delimiter is read from the header.
        encoding: the text's encoding, by its name in Python: ``cp1252``, ``iso-8859-15``, ``utf-16``. UTF-8 may have a
            byte order mark.
        skip_lines: how many lines above the header are skipped. A ``sep=`` line is always skipped.
        footer_lines: how many lines at the end are not rows, such as a total. Blank lines don't count.
        decimal: the decimal mark of amounts, prices and quantities.
        thousands: the mark between groups of digits. ``" "`` means every kind of blank, ``"'"`` every kind of
            apostrophe.
        currency_symbols: whether a currency's sign or letters next to an amount are removed. Without it such an amount
            is an error.
        timestamp_formats: how the file writes times, tried in order before the programme's own forms:
            ``dd.MM.yyyy HH:mm``. Symbols are ``yyyy yy MM M MMM dd d HH H hh h mm ss S a X``, other text stands in
            quotes: ``yyyy-MM-dd'T'HH:mm``. ``S`` is a fraction, ``a`` is am or pm, ``X`` an offset. ``epoch``
            and ``epoch_ms`` are seconds and milliseconds since 1970.
    """

    preset: PresetName | None = None
    delimiter: Delimiter | None = None
    encoding: Encoding = "utf-8"
    skip_lines: Annotated[int, Field(ge=0, le=100)] = 0
    footer_lines: Annotated[int, Field(ge=0, le=100)] = 0
    decimal: Literal[".", ","] | None = None
    thousands: Literal[".", ",", " ", "'"] | None = None
    currency_symbols: Literal["strip"] | None = None
    timestamp_formats: tuple[TimestampNotation, ...] = ()

    @model_validator(mode="after")
    def _marks_differ(self) -> FormatConfig:
        if self.thousands is not None and self.thousands == (self.decimal or "."):
            raise misfit("thousands", f"is the decimal mark too ({self.thousands}): set `decimal`")
        return self

    def file_format(self, joined: Mapping[str, tuple[str, ...]]) -> FileFormat:
        """The part of it that decides how the file is read.

        :param joined: programme column -> the file's columns that it is made of.
        """
        return FileFormat(
            delimiter=self.delimiter,
            encoding=self.encoding,
            skip_lines=self.skip_lines,
            footer_lines=self.footer_lines,
            decimal=self.decimal,
            thousands=self.thousands,
            strip_symbols=self.currency_symbols == "strip",
            timestamp_formats=self.timestamp_formats,
            optional=frozenset() if self.preset is None else optional_columns(self.preset),
            joined=joined,
        )


class StoreConfig(Strict):
    """Settings of one shop's rows; the key is its store_code.

    Attributes:
        currency: ISO 4217 code of its amounts.
        phone_region: ISO 3166 alpha-2 code of its customers' phones.
        time_zone: IANA name for its local times.
    """

    currency: Currency | None = None
    phone_region: Region | None = None
    time_zone: TimeZone | None = None


class SuppressionConfig(Strict):
    """People who opted out: a list of e-mails and phones, written out or as SHA-256.

    Attributes:
        uri: the list, as ``/lists/opt-outs.txt``, ``sftp://conn_id@/lists/opt-outs.csv`` or
            ``s3://conn_id@bucket/opt-outs.csv``: one entry a line, or a table (comma, semicolon, tab, pipe) with or
            without a header. Encoding, delimiter and the columns that hold identifiers are recognised.
        columns: the columns that hold identifiers, by name or by number from 1, where they are not recognised. Other
            columns are then ignored.
        match: column of the conversion file -> column of the list. For people who opted out by their customer number.
        max_unreadable: how many lines may hold text that could identify a person and can't be understood. More of them
            stop the run.
        allow_empty: whether a list may have no entries. Otherwise an empty list stops the run.
        max_shrink: the share of its entries that a list may lose from one run to the next. A larger loss stops the run.
        max_age_hours: a list that is older stops the run.
    """

    uri: str
    columns: tuple[str | Annotated[int, Field(ge=1, le=100_000)], ...] = ()
    match: dict[str, str] = Field(default_factory=dict)
    max_unreadable: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    allow_empty: bool = False
    max_shrink: Annotated[float, Field(ge=0, le=1)] = 0.1
    max_age_hours: Annotated[float, Field(gt=0, le=87_840)] = 48


class ConsentConfig(Strict):
    """The column of the file with the customer's consent.

    Attributes:
        column: its name.
        yes: the values that mean yes, in upper or lower case. Any other value, and a blank cell, means no.
    """

    column: str
    yes: tuple[str, ...] = ("yes", "true", "1", "y")


class ExtensionConfig(Strict):
    """Columns of the file, outside the programme's own, that hold a setting for their row.

    Attributes:
        currency: the column with the ISO 4217 code.
        phone_region: the column with the ISO 3166 alpha-2 code.
        time_zone: the column with the IANA name.
    """

    currency: str | None = None
    phone_region: str | None = None
    time_zone: str | None = None


class LimitsConfig(Strict):
    """The largest file that is read.

    Attributes:
        rows: data rows.
        bytes: uncompressed bytes.
        row_characters: characters in one row.
    """

    rows: Annotated[int, Field(ge=1, le=1_000_000_000_000)] = 500_000_000
    bytes: Annotated[int, Field(ge=1, le=1_000_000_000_000_000)] = 50_000_000_000
    row_characters: Annotated[int, Field(ge=1, le=100_000_000)] = 10_000


__all__ = [
    "ConsentConfig",
    "ExtensionConfig",
    "FormatConfig",
    "LimitsConfig",
    "SourceConfig",
    "StoreConfig",
    "SuppressionConfig",
]

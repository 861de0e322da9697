"""The sections of an advertiser's entry, one model each; ``docs/configuration.md`` is made from *Attributes*."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal

from pydantic import Field, model_validator

from airflow_provider_tiktok_offline.config.airflow_values import Schedule, Wait
from airflow_provider_tiktok_offline.config.fields import (
    Currency,
    Delimiter,
    Encoding,
    EventName,
    Name,
    PathTemplate,
    PresetName,
    Region,
    Strict,
    TimestampNotation,
    TimeZone,
    misfit,
)

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
        files: how many files make a day: ``one``, ``all`` (every complete, unhandled one, oldest first), a number,
            or a list of names.
        missing_file: what a day without a file does to the run.
        expected_days: days of the week on which a file is due; on others a missing one is skipped.
        settle_seconds: a file is complete once it has not changed for so long.
        done_marker: ending, as ``.done``, or name of an empty file that says the file is complete.
        manifest: ending, as ``.sha256``, or name of a file beside it with its checksum, as sha256sum, sha512sum or
            md5sum write it. The file is complete once the manifest names it, and its bytes are held against the sum.
        poke_seconds: seconds between two looks.
        timeout_seconds: how long a run waits for its file; keep it below one interval.
        after_delivery: what happens to a file once it is delivered.
        archive_path: directory for ``after_delivery: archive``.
        quarantine_path: directory to which a file that can't be used is moved; without one it stays.
    """

    conn_id: str | None = None
    path: PathTemplate
    file_day: Literal["interval_start", "run_day"] = "interval_start"
    day_offset: int = 0
    files: Literal["one", "all"] | Annotated[int, Field(ge=1)] | list[PathTemplate] = "one"
    missing_file: Literal["fail", "skip"] = "fail"
    expected_days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    settle_seconds: Annotated[int, Field(ge=0)] = 60
    done_marker: str | None = None
    manifest: str | None = None
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
    """How the export is written, where it is not in the programme's own form.

    Attributes:
        preset: a documented export, whose settings hold where this entry says nothing else: columns, formats, the rows
            that are sales. The page *Your own export* lists them.
        delimiter: between two fields: ``comma``, ``tab``, ``pipe``, ``semicolon``, or one other ASCII character;
            without it, what the header shows.
        encoding: of the text, as Python names it: ``cp1252``, ``iso-8859-15``, ``utf-16``. UTF-8 may have a byte order
            mark.
        skip_lines: lines above the header that are left out. A ``sep=`` line is left out by itself.
        footer_lines: lines at the end that are no rows, such as a total; blank lines don't count.
        decimal: the decimal mark of amounts, prices and quantities.
        thousands: the mark between groups of digits; ``" "`` stands for every kind of blank, ``"'"`` for every kind of
            apostrophe.
        currency_symbols: whether a currency's sign or letters beside an amount are dropped; without it such an amount
            is a fault.
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


class StoreConfig(Strict):
    """What one shop's rows have in common; the key is its store_code.

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
        columns: the columns that hold identifiers, by name or by number from 1, where they are not recognised; no other
            column is looked at then.
        match: column of the conversion file -> column of the list, for people who opted out under a customer number.
        max_unreadable: how many lines may hold text that could identify a person and is not understood; more stop the
            run.
        allow_empty: whether a list without entries is one; else it stops the run.
        max_shrink: the share of its entries that a list may have lost since it was last accepted; more stops the run.
        max_age_hours: an older list stops the run.
    """

    uri: str
    columns: tuple[str | Annotated[int, Field(ge=1)], ...] = ()
    match: dict[str, str] = Field(default_factory=dict)
    max_unreadable: Annotated[int, Field(ge=0)] = 0
    allow_empty: bool = False
    max_shrink: Annotated[float, Field(ge=0, le=1)] = 0.1
    max_age_hours: Annotated[float, Field(gt=0)] = 48


class ConsentConfig(Strict):
    """The column of the file that says that a customer agreed.

    Attributes:
        column: its name.
        yes: the values that mean yes, in any case; anything else, and a blank, is no.
    """

    column: str
    yes: tuple[str, ...] = ("yes", "true", "1", "y")


class ExtensionConfig(Strict):
    """Columns of the file, outside the programme, that hold a setting for their row.

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

    rows: Annotated[int, Field(ge=1)] = 500_000_000
    bytes: Annotated[int, Field(ge=1)] = 50_000_000_000
    row_characters: Annotated[int, Field(ge=1)] = 10_000


class GuardConfig(Strict):
    """Limits that are looked at before anything is sent; without a value, one is off.

    Attributes:
        max_events: most events a delivery may send.
        max_value: largest sum of amounts a delivery may send.
        max_amount: largest single amount.
        stores: the store_codes that may occur.
        size_factor: how many times larger or smaller than the 28 days before a file may be.
        on_breach: stop the run, or wait for a person's approval in Airflow.
    """

    max_events: Annotated[int, Field(ge=1)] | None = None
    max_value: Annotated[float, Field(gt=0)] | None = None
    max_amount: Annotated[float, Field(gt=0)] | None = None
    stores: list[str] | None = None
    size_factor: Annotated[float, Field(gt=1)] | None = None
    on_breach: Literal["stop", "approve"] = "stop"


class UploadConfig(Strict):
    """How prepared events are sent.

    Attributes:
        batch_events: events in a request.
        batch_bytes: bytes in a request, at most.
        requests_per_second: requests of one task, shared by all it has in flight.
        in_flight: requests under way at once.
        timeout_seconds: how long an answer is waited for.
        max_attempts: tries of one batch within one task.
        part_events: events in a part of prepared events: what one mapped task sends.
        retry_hours: how long an event without an answer is sent again by itself; TikTok's own dedupe ends at 48.
    """

    batch_events: Annotated[int, Field(ge=1, le=1000)] = 1000
    batch_bytes: Annotated[int, Field(ge=10_000)] = 4_000_000
    requests_per_second: Annotated[float, Field(gt=0)] = 20
    in_flight: Annotated[int, Field(ge=1, le=64)] = 4
    timeout_seconds: Annotated[float, Field(gt=0)] = 30
    max_attempts: Annotated[int, Field(ge=1)] = 6
    part_events: Annotated[int, Field(ge=1000)] = 200_000
    retry_hours: Annotated[float, Field(gt=0, le=44)] = 44


class LedgerConfig(Strict):
    """How long what was sent is remembered.

    Attributes:
        retention_days: days that event keys are kept; at least lookback_days + 2.
        record_months: months that the record of a delivery is kept.
        secret_conn_id: connection whose password is the ledger's secret (64 hex digits); without one it lies beside
            the ledger.
        heartbeat_seconds: how often a run says that it still works on its delivery.
        lease_seconds: a run that has not said so for this long has lost its delivery.
        staging_hours: staged parts of a run that never ended are deleted after this.
    """

    retention_days: Annotated[int, Field(ge=3)] = 90
    record_months: Annotated[int, Field(ge=1)] = 25
    secret_conn_id: str | None = None
    heartbeat_seconds: Annotated[int, Field(ge=1)] = 30
    lease_seconds: Annotated[int, Field(ge=2)] = 300
    staging_hours: Annotated[int, Field(ge=1)] = 72

    @model_validator(mode="after")
    def _lease_outlives_heartbeats(self) -> LedgerConfig:
        if self.lease_seconds < 2 * self.heartbeat_seconds:
            raise misfit("lease_seconds", "must be at least twice heartbeat_seconds")
        return self


class LiveRampConfig(Strict):
    """The feed that LiveRamp takes the file from.

    Attributes:
        conn_id: Airflow connection of the server or bucket that the file is delivered to.
        destination: directory there; with a bucket, ``s3://bucket/prefix`` or ``gs://bucket/prefix``.
        feed: the feed's name; without one, the advertiser's.
        file_name: name of the delivered file, with ``{{ feed }}`` and ``{{ day }}``.
        delimiter: what parts the fields; without one, as the feed's sample file has it.
        on_rejected: leave rejected rows out, or refuse the whole file.
        below_minimum: what to do with a file of fewer than 25 rows.
        gzip: compress the file.
        pgp_key: LiveRamp's public key, a path or the armoured text.
        pgp_fingerprint: the fingerprint the key must have.
        staged: keep the feed file in staging until it is delivered, so that an interrupted upload can be resumed.
        temporary_name: upload under another name, then rename; only where the far side allows it.
        confirm_to: who gets a mail after each delivery.
    """

    conn_id: str | None = None
    destination: str
    feed: Name | None = None
    file_name: str = "{{ feed }}_{{ day }}.csv"
    delimiter: Literal["comma", "tab", "pipe"] | None = None
    on_rejected: Literal["leave_out", "refuse"] = "leave_out"
    below_minimum: Literal["send", "carry_over", "fail"] = "send"
    gzip: bool = False
    pgp_key: str | None = None
    pgp_fingerprint: str | None = None
    staged: bool = False
    temporary_name: bool = False
    confirm_to: tuple[str, ...] = ()


class ReportsConfig(Strict):
    """What TikTok attributed, read every day into the table ``attribution`` under ``state_uri``.

    Attributes:
        schedule: cron expression or preset of the report's DAG, in the advertiser's time zone.
        days: how many days are read again, today included: figures grow for some days.
        level: beside the advertiser's totals, one line a campaign, ad group or ad; ``advertiser`` for totals alone.
        events: the standard events whose metrics are read.
    """

    schedule: Schedule = "30 9 * * *"
    days: Annotated[int, Field(ge=1, le=90)] = 30
    level: Literal["advertiser", "campaign", "adgroup", "ad"] = "campaign"
    events: Annotated[tuple[EventName, ...], Field(min_length=1)] = ("Purchase",)


class NotificationsConfig(Strict):
    """Who is told what became of a run, through Airflow's own notifiers; no message holds a customer's data.

    Attributes:
        events: what is told: ``success``; ``failure``; ``gate``, too many rows rejected or a guard breached; ``stale``,
            no file by ``no_file_by`` or when ``source.timeout_seconds`` are over.
        email: addresses (apache-airflow-providers-smtp).
        smtp_conn_id: the connection they are reached by; its extra names ``from_email``.
        slack_conn_id: connection of a Slack incoming webhook (apache-airflow-providers-slack).
        webhook_conn_id: connection of type http that takes a POST of JSON (apache-airflow-providers-http).
        webhook_endpoint: path below the connection's base URL.
        no_file_by: time of day, in the advertiser's time zone, by which a run must have found its file.
    """

    events: tuple[Literal["success", "failure", "gate", "stale"], ...] = ("failure", "gate", "stale")
    email: tuple[str, ...] = ()
    smtp_conn_id: str = "smtp_default"
    slack_conn_id: str | None = None
    webhook_conn_id: str | None = None
    webhook_endpoint: str | None = None
    no_file_by: time | None = None

    @model_validator(mode="after")
    def _somebody_is_told(self) -> NotificationsConfig:
        if not (self.email or self.slack_conn_id or self.webhook_conn_id):
            raise misfit("email", "is missing: name email, slack_conn_id or webhook_conn_id")
        return self


__all__ = [
    "ConsentConfig",
    "ExtensionConfig",
    "GuardConfig",
    "LedgerConfig",
    "LimitsConfig",
    "LiveRampConfig",
    "NotificationsConfig",
    "ReportsConfig",
    "SourceConfig",
    "StoreConfig",
    "SuppressionConfig",
    "UploadConfig",
]

"""One advertiser's settings. Importing this loads neither Polars nor Airflow, so a DAG file may."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from airflow_provider_tiktok_offline.conversions.catalogue import RULES
from airflow_provider_tiktok_offline.conversions.columns import CURRENCIES, PROGRAMME_COLUMNS, REGIONS, STANDARD_EVENTS
from airflow_provider_tiktok_offline.conversions.settings import (
    DEFAULT_SEND_FIELDS,
    OPTIONAL_SEND_FIELDS,
    Consent,
    ConversionSettings,
    Limits,
    Severity,
    Store,
)


def _id_of_digits(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f'must be a string of digits: write it in quotes, as "{value}"')
    if not re.fullmatch(r"[0-9]{1,32}", value):
        raise ValueError("must be a string of digits only")
    return value


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError(f"{value!r} is no currency that TikTok supports (ISO 4217, three capitals)")
    return value


def _region(value: str) -> str:
    if value not in REGIONS:
        raise ValueError(f"{value!r} is no region with phone numbers (ISO 3166 alpha-2, two capitals)")
    return value


def _time_zone(value: str) -> str:
    if value != "UTC" and value not in available_timezones():
        raise ValueError(f"{value!r} is no IANA time zone")
    return value


def _event_name(value: str) -> str:
    if value not in STANDARD_EVENTS:
        raise ValueError(f"{value!r} is no standard event of TikTok; the names are {', '.join(sorted(STANDARD_EVENTS))}")
    return value


def _column(value: str) -> str:
    if value not in PROGRAMME_COLUMNS:
        raise ValueError(f"{value!r} is no column of the programme; the columns are {', '.join(PROGRAMME_COLUMNS)}")
    return value


def _rule(value: str) -> str:
    if value not in RULES:
        raise ValueError(f"{value!r} is no rule; docs/file-format.md lists them")
    return value


DigitId = Annotated[str, BeforeValidator(_id_of_digits)]
Currency = Annotated[str, AfterValidator(_currency)]
Region = Annotated[str, AfterValidator(_region)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
EventName = Annotated[str, AfterValidator(_event_name)]
Column = Annotated[str, AfterValidator(_column)]
RuleName = Annotated[str, AfterValidator(_rule)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceConfig(_Strict):
    """Where the conversion files appear and how a complete one is known.

    ``path`` is a directory plus a file name; the name may hold a Jinja template of the file's day, as
    ``conversions_{{ file_day | ds_nodash }}.csv``, or a glob.
    """

    conn_id: str | None = None
    path: str
    file_day: Literal["interval_start", "run_day"] = "interval_start"
    day_offset: int = 0
    files: Literal["one", "all"] | int | list[str] = "one"
    missing_file: Literal["fail", "skip"] = "fail"
    expected_days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = [
        "mon", "tue", "wed", "thu", "fri", "sat", "sun",
    ]  # fmt: skip
    settle_seconds: Annotated[int, Field(ge=0)] = 60
    done_marker: str | None = None
    manifest: str | None = None
    poke_seconds: Annotated[int, Field(ge=1)] = 60
    timeout_seconds: Annotated[int, Field(ge=1)] = 20 * 3600
    after_delivery: Literal["keep", "archive", "delete"] = "keep"
    archive_path: str | None = None
    quarantine_path: str | None = None


class StoreConfig(_Strict):
    currency: Currency | None = None
    phone_region: Region | None = None
    time_zone: TimeZone | None = None


class SuppressionConfig(_Strict):
    """People who opted out: a list of plain or SHA-256 e-mails and phones."""

    uri: str
    column: str | None = None
    max_age_hours: Annotated[float, Field(gt=0)] = 48


class ConsentConfig(_Strict):
    column: str
    yes: list[str] = ["yes", "true", "1", "y"]


class ExtensionConfig(_Strict):
    """Columns of the file, outside the programme, that hold a setting for their row."""

    currency: str | None = None
    phone_region: str | None = None
    time_zone: str | None = None


class LimitsConfig(_Strict):
    rows: Annotated[int, Field(ge=1)] = 500_000_000
    bytes: Annotated[int, Field(ge=1)] = 50_000_000_000
    row_characters: Annotated[int, Field(ge=1)] = 10_000


class GuardConfig(_Strict):
    """Limits that are looked at before anything is sent; None switches one off."""

    max_events: Annotated[int, Field(ge=1)] | None = None
    max_value: Annotated[float, Field(gt=0)] | None = None
    max_amount: Annotated[float, Field(gt=0)] | None = None
    stores: list[str] | None = None
    size_factor: Annotated[float, Field(gt=1)] | None = None
    on_breach: Literal["stop", "approve"] = "stop"


class UploadConfig(_Strict):
    """How prepared events are sent."""

    batch_events: Annotated[int, Field(ge=1, le=1000)] = 1000
    batch_bytes: Annotated[int, Field(ge=10_000)] = 4_000_000
    requests_per_second: Annotated[float, Field(gt=0)] = 20
    in_flight: Annotated[int, Field(ge=1, le=64)] = 4
    timeout_seconds: Annotated[float, Field(gt=0)] = 30
    max_attempts: Annotated[int, Field(ge=1)] = 6
    part_events: Annotated[int, Field(ge=1000)] = 200_000
    retry_hours: Annotated[float, Field(gt=0, le=44)] = 44


class LedgerConfig(_Strict):
    """How long what was sent is remembered."""

    retention_days: Annotated[int, Field(ge=3)] = 90
    record_months: Annotated[int, Field(ge=1)] = 25
    secret_conn_id: str | None = None
    heartbeat_seconds: Annotated[int, Field(ge=1)] = 30
    lease_seconds: Annotated[int, Field(ge=2)] = 300
    staging_hours: Annotated[int, Field(ge=1)] = 72


class LiveRampConfig(_Strict):
    """The feed that LiveRamp takes the file from."""

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
    confirm_to: list[str] = []


class AdvertiserConfig(_Strict):
    """One TikTok ad account with its offline event set, its source of files, its route and its settings."""

    name: Name
    advertiser_id: DigitId
    event_set_id: DigitId
    route: Literal["tiktok", "liveramp"] = "tiktok"
    mode: Literal["dry_run", "test", "live"] = "dry_run"
    test_event_code: str | None = None
    test_events: Annotated[int, Field(ge=1, le=1000)] = 10
    tiktok_conn_id: str = "tiktok_default"
    source: SourceConfig
    state_uri: str
    state_shared: bool = False
    staging_uri: str | None = None

    schedule: str | None = "@daily"
    start_date: date = date(2026, 1, 1)
    cadence: Literal["daily", "weekly", "monthly"] = "daily"
    owner: str = "airflow"
    tags: list[str] = []
    pool: str | None = None
    retries: Annotated[int, Field(ge=0)] = 3
    retry_delay_seconds: Annotated[float, Field(ge=0)] = 60

    profile: Literal["tiktok", "liveramp"] | None = None
    currency: Currency | None = None
    phone_region: Region | None = None
    time_zone: TimeZone = "UTC"
    stores: dict[str, StoreConfig] = {}
    extensions: ExtensionConfig = ExtensionConfig()
    columns: dict[str, Column] = {}
    constants: dict[Column, str] = {}
    decimal: Literal["point", "comma"] = "point"
    offset: Literal["ignore", "apply"] = "ignore"
    date_only_time: time = time(0, 0)
    event_map: dict[str, EventName] = {}
    categories: list[str] | None = None
    lookback_days: Annotated[int, Field(ge=1)] | None = 28
    future_skew_seconds: Annotated[int, Field(ge=0)] = 300
    amount: Literal["line", "order"] = "line"
    basket: Literal["row", "order"] = "row"
    event_identity: list[Column] = ["store_code", "order_id", "product_id"]
    send_fields: list[str] = sorted(DEFAULT_SEND_FIELDS)
    where: dict[str, list[str]] = {}
    suppression: SuppressionConfig | None = None
    consent: ConsentConfig | None = None
    send_from: datetime | None = None
    severities: dict[RuleName, Severity] = {}
    allow_extra_columns: bool = False
    trim_white_space: bool = False
    limits: LimitsConfig = LimitsConfig()
    max_rejected_ratio: Annotated[float, Field(ge=0, le=1)] = 0.05

    guards: GuardConfig = GuardConfig()
    upload: UploadConfig = UploadConfig()
    ledger: LedgerConfig = LedgerConfig()
    liveramp: LiveRampConfig | None = None

    @model_validator(mode="after")
    def _settings_fit_together(self) -> AdvertiserConfig:
        if self.mode == "live" and self.test_event_code is not None:
            raise ValueError("test_event_code is set in live mode: events would not count; remove it or use mode: test")
        if self.mode == "test" and self.test_event_code is None:
            raise ValueError("mode: test needs test_event_code (Events Manager, Test Events)")
        if self.route == "liveramp" and self.liveramp is None:
            raise ValueError("route: liveramp needs a liveramp: section with a destination")
        unknown = set(self.send_fields) - DEFAULT_SEND_FIELDS - OPTIONAL_SEND_FIELDS
        if unknown:
            raise ValueError(f"send_fields: unknown {', '.join(sorted(unknown))}")
        if self.send_from is not None and self.send_from.tzinfo is None:
            raise ValueError("send_from needs an offset, as 2026-11-22T00:00:00Z")
        floor = (self.lookback_days or 0) + 2
        if self.ledger.retention_days < floor:
            raise ValueError(f"ledger.retention_days must be at least lookback_days + 2 = {floor}")
        if self.cadence == "monthly" and self.lookback_days is not None and self.lookback_days < 31:
            # A warning, not an error: ``config check`` shows it.
            pass
        return self

    @property
    def staging(self) -> str:
        """Where prepared events are staged: ``staging_uri``, or a folder beside the state."""
        return self.staging_uri or f"{self.state_uri.rstrip('/')}/staging"

    def warnings(self) -> list[str]:
        """What is allowed but seldom meant."""
        found = []
        if self.cadence == "monthly" and self.lookback_days is not None and self.lookback_days < 31:
            found.append(
                f"cadence: monthly can't fit a lookback of {self.lookback_days} days: the oldest rows of each file will be rejected"
            )
        return found

    def conversion_settings(self) -> ConversionSettings:
        """The part that decides what a row becomes."""
        extensions: dict[str, str] = {
            key: column for key, column in self.extensions.model_dump().items() if column is not None
        }
        return ConversionSettings(
            profile=self.profile or self.route,
            columns=self.columns,
            constants=self.constants,
            extensions=extensions,
            stores={
                code: Store(currency=s.currency, phone_region=s.phone_region, time_zone=s.time_zone)
                for code, s in self.stores.items()
            },
            decimal=self.decimal,
            currency=self.currency,
            phone_region=self.phone_region,
            time_zone=self.time_zone,
            offset=self.offset,
            date_only_time=self.date_only_time,
            event_map=self.event_map,
            categories=None if self.categories is None else frozenset(self.categories),
            lookback_days=self.lookback_days,
            future_skew=timedelta(seconds=self.future_skew_seconds),
            amount=self.amount,
            basket=self.basket,
            event_identity=tuple(self.event_identity),
            send_fields=frozenset(self.send_fields) | {"event", "event_time", "event_id"},
            where={column: frozenset(values) for column, values in self.where.items()},
            consent=None
            if self.consent is None
            else Consent(column=self.consent.column, yes=frozenset(v.strip().lower() for v in self.consent.yes)),
            send_from=None if self.send_from is None else self.send_from.astimezone(UTC),
            severities=self.severities,
            allow_extra_columns=self.allow_extra_columns,
            trim_white_space=self.trim_white_space,
            limits=Limits(rows=self.limits.rows, bytes=self.limits.bytes, row_characters=self.limits.row_characters),
            max_rejected_ratio=self.max_rejected_ratio,
        )

    def identity_settings(self) -> dict[str, Any]:
        """The settings that enter an event id; the ledger keeps a fingerprint of them (semantics: "Event id")."""
        return {
            "recipe": "v1",
            "event_identity": list(self.event_identity),
            "basket": self.basket,
            "amount": self.amount,
            "time_zone": self.time_zone,
            "event_map": dict(sorted(self.event_map.items())),
        }

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

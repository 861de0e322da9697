"""One advertiser's settings. Importing this loads neither Polars nor Airflow, so a DAG file may."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from airflow_provider_tiktok_offline.config.airflow_values import (
    ActiveRuns,
    DisplayName,
    Owner,
    OwnerLink,
    PoolName,
    Retries,
    RetryDelay,
    Schedule,
    Tag,
)
from airflow_provider_tiktok_offline.config.fields import (
    Column,
    Currency,
    DigitId,
    EventName,
    Name,
    Region,
    RuleName,
    StoreUri,
    Strict,
    TimeZone,
    misfit,
)
from airflow_provider_tiktok_offline.config.file_sections import (
    ConsentConfig,
    ExtensionConfig,
    FormatConfig,
    LimitsConfig,
    SourceConfig,
    StoreConfig,
    SuppressionConfig,
)
from airflow_provider_tiktok_offline.config.presets import with_preset
from airflow_provider_tiktok_offline.config.privacy_warnings import privacy_warnings
from airflow_provider_tiktok_offline.config.secret_values import secret_keys
from airflow_provider_tiktok_offline.config.sections import (
    GuardConfig,
    LedgerConfig,
    LiveRampConfig,
    NotificationsConfig,
    ReportsConfig,
    ShardsConfig,
    UploadConfig,
)
from airflow_provider_tiktok_offline.config.task_placement import PlacedTask, TaskConfig
from airflow_provider_tiktok_offline.config.task_timeouts import DEFAULT_HOURS, TaskHours, TaskKind
from airflow_provider_tiktok_offline.config.waiting import check_waiting
from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES
from airflow_provider_tiktok_offline.conversions.contract.columns import PROGRAMME_COLUMNS
from airflow_provider_tiktok_offline.conversions.contract.settings import (
    DEFAULT_SEND_FIELDS,
    OPTIONAL_SEND_FIELDS,
    Consent,
    ConversionSettings,
    Limits,
    Severity,
    Store,
)
from airflow_provider_tiktok_offline.conversions.events.identity_settings import IdentitySettings, identity_settings

__all__ = [
    "AdvertiserConfig",
    "ConsentConfig",
    "ExtensionConfig",
    "FormatConfig",
    "GuardConfig",
    "LedgerConfig",
    "LimitsConfig",
    "LiveRampConfig",
    "NotificationsConfig",
    "ReportsConfig",
    "ShardsConfig",
    "SourceConfig",
    "StoreConfig",
    "SuppressionConfig",
    "UploadConfig",
]


class AdvertiserConfig(Strict):
    """One TikTok ad account with its offline event set, its source of files, its route and its settings.

    Attributes:
        name: of the entry, its DAG and the folder of its state; unique over all files.
        advertiser_id: id of the ad account, in quotes (Ads Manager shows it after ``aadvid=``).
        event_set_id: id of its offline event set, in quotes.
        route: whether hashed events are sent to TikTok, or a plaintext file is delivered to LiveRamp.
        mode: whether a run only reports what it would send, sends a few test events, or sends everything.
        test_event_code: the code that Events Manager shows under Test Events; for ``mode: test`` only.
        test_events: how many events a run with ``mode: test`` sends.
        tiktok_conn_id: Airflow connection with the access token.
        source: where the conversion files appear.
        format: how the export is written, where it differs from the programme's own form.
        state_uri: where ledger, deliveries and reports are kept: an absolute path, ``s3://conn_id@bucket/prefix`` or
            ``gs://conn_id@bucket/prefix``. All entries of one event set need the same.
        state_shared: set it if a local ``state_uri`` is the same directory on every worker.
        staging_uri: where prepared events are kept until they are sent. Without it, ``staging`` below ``state_uri``.
        schedule: cron expression or preset of the DAG; null for none.
        start_date: the DAG's start date.
        cadence: how often a file is due.
        display_name: the DAG's name in Airflow's UI; without it, made of the entry's name.
        owner: the DAG's owner.
        owner_link: where the owner's name leads in Airflow's UI: an address of a page, or ``mailto:``.
        tags: further tags of the DAG, in addition to the factory's own.
        pool: Airflow pool of the upload tasks, so that several DAGs share one limit.
        partitioned_asset: whether the asset's events have the file's day as partition key, as 2026-11-21 (Airflow 3.3).
            They then start only DAGs with a partitioned schedule, and no other DAG that waits for the asset.
        max_active_runs: how many runs of the DAG may go on at once, as in a backfill of several days; no order is sent
            twice by it. Runs beyond it wait.
        retries: how often a failed task is retried.
        tasks: task, or ``all`` -> where it runs: executor, queue, resources.
        execution_timeout_hours: task -> hours after which it is ended and tried again: ``prepare``, ``dedupe`` (behind
            an approval), ``summary`` (6 by default), ``cut_file``, ``prepare_shard`` (with ``shards``, 6), ``upload``,
            ``deliver`` (12), ``report`` (3). The wait for the file has ``source.timeout_seconds``.
        retry_delay_seconds: seconds before the first retry; each later wait is twice as long, half an hour at most.
        profile: whose severities apply. Without it, those of the route.
        currency: ISO 4217 code of the amounts.
        phone_region: ISO 3166 alpha-2 code of phones without a country code.
        phone_digits: how phones without ``+`` are written: with their country code, as dialled in ``phone_region``, or
            either, whichever is valid (docs/phones.md).
        time_zone: IANA name of the time zone of times without an offset.
        stores: settings of individual shops, by store_code.
        extensions: columns of the file that hold a setting for their row.
        columns: the file's column name -> the programme's, for a retailer's own export. Several columns can be joined
            into one: ``transaction_timestamp: [Date, Time]``.
        constants: programme column -> its value in every row.
        offset: whether digits other than 0000 after ``Z-`` are applied as an offset from UTC.
        date_only_time: the time of day for a date without a time.
        event_map: the file's transaction_category -> TikTok's event name.
        categories: the categories that a row may have. Without a list, all that the profile allows.
        lookback_days: how many days old a transaction may be; null for any age.
        future_skew_seconds: how far in the future a transaction may lie.
        amount: whether transaction_amount is the amount of the line or of the whole order.
        basket: whether each row is an event, or each order is one event with several contents.
        returns: what a line with a negative amount does under ``basket: order``: it is left out, so that the value of
            its order is gross and the report says so, or it is taken off that value (``net``). An order of which
            nothing is left is not sent. Only the lines of one file are looked at.
        send_after_days: for how many days a file's events wait before they are sent, on the route ``tiktok`` in live
            mode. Returns of the same orders that come in files meanwhile, and those of the file itself, are taken off
            them; an event of which nothing is left is not sent. At most ``lookback_days`` less 3.
        event_identity: the columns that identify a transaction with an order_id. A change on a live event set would
            send every transaction again, and is therefore refused.
        send_fields: the fields that an event may hold.
        where: column of the file -> the values of this advertiser's rows.
        suppression: people who opted out.
        consent: the column with the customer's consent.
        legal_basis: why customers' data may be sent where neither consent nor suppression says so, in your words; the
            record of each delivery keeps it.
        send_from: transactions before this moment are not sent; with an offset, as 2026-11-22T00:00:00+01:00.
        severities: rule -> severity, in place of the profile's.
        allow_extra_columns: whether columns outside the programme are dropped on the route liveramp; otherwise the file
            is refused.
        trim_white_space: whether white space around values is removed on the route liveramp; otherwise the row is
            rejected.
        repair: whether values that are understood for certain (an offset behind a blank, fractions of a second, no
            seconds, `.99`, invisible characters, a spreadsheet's marks, line breaks) are written in the programme's
            form on the route liveramp; otherwise the row is rejected.
        limits: the largest file that is read.
        max_rejected_ratio: the gate. A larger share of rejected rows stops the delivery.
        max_anonymous_ratio: the largest share of rows without any identifier. ``auto`` stops a file of at least 200
            rows if the share with one is below half of the usual one, and only warns above 0.95 until ten deliveries
            of the last 28 days are known. ``guards.on_breach`` says whether it stops or asks.
        report_by_store: whether the report of a file also counts rows and sums by store.
        guards: limits that are checked before anything is sent.
        drift: what happens if a file has much less than the files of the days before it, in rows, value, coverage by
            identifiers, categories or stores: nothing (``off``), a warning, a stopped run, or a run that waits for a
            person's approval in Airflow (docs/operations.md).
        shards: spreads a large file over several tasks; without it, one task reads it.
        upload: how events are sent.
        ledger: what the ledger keeps, and how long a run holds its delivery.
        liveramp: the feed, for ``route: liveramp``.
        notifications: who is notified of a run's result.
        reports: reads every day what TikTok attributed, in a DAG of its own.
        events_manager_host: host of the links to Events Manager; ``ads.us.tiktok.com`` for accounts of the US.
    """

    name: Name
    advertiser_id: DigitId
    event_set_id: DigitId
    route: Literal["tiktok", "liveramp"] = "tiktok"
    mode: Literal["dry_run", "test", "live"] = "dry_run"
    test_event_code: str | None = None
    test_events: Annotated[int, Field(ge=1, le=1000)] = 10
    tiktok_conn_id: str = "tiktok_default"
    source: SourceConfig
    format: FormatConfig = FormatConfig()
    state_uri: StoreUri
    state_shared: bool = False
    staging_uri: StoreUri | None = None

    schedule: Schedule | None = "@daily"
    start_date: date = date(2026, 1, 1)
    cadence: Literal["daily", "weekly", "monthly"] = "daily"
    display_name: DisplayName | None = None
    owner: Owner = "airflow"
    owner_link: OwnerLink | None = None
    tags: tuple[Tag, ...] = ()
    pool: PoolName | None = None
    partitioned_asset: bool = False
    max_active_runs: ActiveRuns = 1
    retries: Retries = 3
    tasks: dict[PlacedTask, TaskConfig] = Field(default_factory=dict)
    execution_timeout_hours: dict[TaskKind, TaskHours] = Field(default_factory=dict)
    retry_delay_seconds: RetryDelay = 60

    profile: Literal["tiktok", "liveramp"] | None = None
    currency: Currency | None = None
    phone_region: Region | None = None
    phone_digits: Literal["auto", "international", "national"] = "auto"
    time_zone: TimeZone = "UTC"
    stores: dict[str, StoreConfig] = Field(default_factory=dict)
    extensions: ExtensionConfig = ExtensionConfig()
    columns: dict[str, Column | list[str]] = Field(default_factory=dict)
    constants: dict[Column, str] = Field(default_factory=dict)
    offset: Literal["ignore", "apply"] = "ignore"
    date_only_time: time = time(0, 0)
    event_map: dict[str, EventName] = Field(default_factory=dict)
    categories: list[str] | None = None
    lookback_days: Annotated[int, Field(ge=1, le=36_500)] | None = 28
    future_skew_seconds: Annotated[int, Field(ge=0, le=31_622_400)] = 300
    amount: Literal["line", "order"] = "line"
    basket: Literal["row", "order"] = "row"
    returns: Literal["leave_out", "net"] = "leave_out"
    send_after_days: Annotated[int, Field(ge=0, le=365)] = 0
    event_identity: tuple[Column, ...] = ("store_code", "order_id", "product_id")
    send_fields: tuple[str, ...] = tuple(sorted(DEFAULT_SEND_FIELDS))
    where: dict[str, list[str]] = Field(default_factory=dict)
    suppression: SuppressionConfig | None = None
    consent: ConsentConfig | None = None
    legal_basis: Annotated[str, Field(min_length=3, max_length=500)] | None = None
    send_from: datetime | None = None
    severities: dict[RuleName, Severity] = Field(default_factory=dict)
    allow_extra_columns: bool = False
    trim_white_space: bool = False
    repair: bool = False
    limits: LimitsConfig = LimitsConfig()
    max_rejected_ratio: Annotated[float, Field(ge=0, le=1)] = 0.05
    max_anonymous_ratio: Literal["auto"] | Annotated[float, Field(ge=0, le=1)] = "auto"
    report_by_store: bool = False

    guards: GuardConfig = GuardConfig()
    drift: Literal["off", "warn", "stop", "approve"] = "warn"
    shards: ShardsConfig | None = None
    upload: UploadConfig = UploadConfig()
    ledger: LedgerConfig = LedgerConfig()
    liveramp: LiveRampConfig | None = None
    notifications: NotificationsConfig | None = None
    reports: ReportsConfig | None = None
    events_manager_host: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)*\.tiktok\.com$")] = "ads.tiktok.com"

    @model_validator(mode="before")
    @classmethod
    def _on_its_preset(cls, entry: object) -> object:
        for key in secret_keys(entry):
            raise misfit(key, "holds a password, token or signature: put it into a connection, and name that")
        return with_preset(entry) if isinstance(entry, Mapping) else entry

    @model_validator(mode="after")
    def _settings_fit_together(self) -> AdvertiserConfig:
        if self.mode == "live" and self.test_event_code is not None:
            raise misfit("test_event_code", "is set in live mode: events would not count; remove it or use mode: test")
        if self.mode == "test" and self.test_event_code is None:
            raise misfit("test_event_code", "is missing: mode is test (Events Manager shows it under Test Events)")
        if self.route == "liveramp" and self.liveramp is None:
            raise misfit("liveramp", "is missing: route is liveramp and needs a section with a destination")
        if self.route == "liveramp" and self.profile == "tiktok":
            raise misfit("profile", "must be liveramp: route is liveramp")
        if self.returns == "net" and (self.basket, self.amount) != ("order", "line"):
            raise misfit(
                "returns", "is net, which needs basket: order and amount: line: returns are taken off an order"
            )
        check_waiting(
            self.send_after_days, route=self.route, lookback_days=self.lookback_days, basket=self.basket,
            amount=self.amount,
        )  # fmt: skip
        unknown = set(self.send_fields) - DEFAULT_SEND_FIELDS - OPTIONAL_SEND_FIELDS
        if unknown:
            known = ", ".join(sorted(DEFAULT_SEND_FIELDS | OPTIONAL_SEND_FIELDS))
            raise misfit("send_fields", f"has the unknown {', '.join(sorted(unknown))}; there are {known}")
        for name, parts in self.columns.items():
            if not isinstance(parts, str) and name not in PROGRAMME_COLUMNS:
                raise misfit(f"columns.{name}", "is none of the programme's columns, which a list of columns can make")
        if self.send_from is not None and self.send_from.tzinfo is None:
            raise misfit("send_from", "needs an offset, as 2026-11-22T00:00:00Z")
        locked = [rule for rule, severity in self.severities.items() if RULES[rule].locked and severity != "error"]
        if locked:
            raise misfit(f"severities.{locked[0]}", "must stay error: without it nothing can be sent")
        floor = (self.lookback_days or 0) + 2
        if self.ledger.retention_days < floor:
            raise misfit("ledger.retention_days", f"must be at least lookback_days + 2 = {floor}")
        return self

    @property
    def staging(self) -> str:
        """Where prepared events are staged: ``staging_uri``, or a folder beside the state."""
        return self.staging_uri or f"{self.state_uri.rstrip('/')}/staging"

    def warnings(self) -> list[str]:
        """What is allowed but seldom meant."""
        remarks = []
        if self.cadence == "monthly" and self.lookback_days is not None and self.lookback_days < 31:
            remarks.append(
                f"cadence: monthly can't fit a lookback of {self.lookback_days} days: the oldest rows of each file "
                "will be rejected"
            )
        remarks += privacy_warnings(
            live=self.mode == "live",
            basis=self.consent or self.suppression or self.legal_basis,
            send_fields=self.send_fields if self.route == "tiktok" else (),
        )
        currencies = self.currency or self.extensions.currency or any(store.currency for store in self.stores.values())
        waited = sum(self.retry_delay_seconds * 2**retry for retry in range(self.retries))
        if waited <= self.ledger.lease_seconds:
            remarks.append(
                f"retries: the last one comes {waited:g} seconds after a failure, and another run's delivery can be "
                f"taken over only {self.ledger.lease_seconds} seconds after it died (ledger.lease_seconds)"
            )
        if self.route == "tiktok" and not currencies:
            remarks.append(
                "currency: none is set, so events carry a value without one and count for no return on spend"
            )
        if self.route == "tiktok" and not (self.phone_region or self.extensions.phone_region or self.stores):
            remarks.append("phone_region: none is set, so only phones written with their country code are understood")
        return remarks

    def conversion_settings(self) -> ConversionSettings:
        """The part that decides what a row becomes."""
        extensions: dict[str, str] = {
            key: column for key, column in self.extensions.model_dump().items() if column is not None
        }
        return ConversionSettings(
            profile=self.profile or self.route,
            columns={name: target for name, target in self.columns.items() if isinstance(target, str)},
            constants=self.constants,
            extensions=extensions,
            stores={
                code: Store(currency=s.currency, phone_region=s.phone_region, time_zone=s.time_zone)
                for code, s in self.stores.items()
            },
            format=self.format.file_format(
                {name: tuple(parts) for name, parts in self.columns.items() if not isinstance(parts, str)}
            ),
            currency=self.currency,
            phone_region=self.phone_region,
            phone_digits=self.phone_digits,
            time_zone=self.time_zone,
            offset=self.offset,
            date_only_time=self.date_only_time,
            event_map=self.event_map,
            categories=None if self.categories is None else frozenset(self.categories),
            lookback_days=self.lookback_days,
            future_skew=timedelta(seconds=self.future_skew_seconds),
            amount=self.amount,
            basket=self.basket,
            returns=self.returns,
            send_after_days=self.send_after_days,
            event_identity=self.event_identity,
            send_fields=frozenset(self.send_fields) | {"event", "event_time", "event_id"},
            where={column: frozenset(values) for column, values in self.where.items()},
            consent=None
            if self.consent is None
            else Consent(column=self.consent.column, yes=frozenset(v.strip().lower() for v in self.consent.yes)),
            customer_columns=() if self.suppression is None else tuple(self.suppression.match),
            send_from=None if self.send_from is None else self.send_from.astimezone(UTC),
            severities=self.severities,
            allow_extra_columns=self.allow_extra_columns,
            trim_white_space=self.trim_white_space or self.repair,
            repair=self.repair,
            limits=Limits(rows=self.limits.rows, bytes=self.limits.bytes, row_characters=self.limits.row_characters),
            max_rejected_ratio=self.max_rejected_ratio,
            report_by_store=self.report_by_store,
        )

    def identity_settings(self) -> IdentitySettings:
        """The settings that enter an event id; the ledger keeps them."""
        return identity_settings(self.conversion_settings(), self.name)

    def execution_timeout(self, task: TaskKind) -> timedelta:
        """After how long such a task is ended."""
        return timedelta(hours=self.execution_timeout_hours.get(task, DEFAULT_HOURS[task]))

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

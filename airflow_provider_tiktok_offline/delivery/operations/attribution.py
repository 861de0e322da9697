"""Reads what TikTok attributed to an advertiser's ads, day by day, and keeps each reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from airflow_provider_tiktok_offline.config.sections import ReportsConfig
from airflow_provider_tiktok_offline.delivery.operations.alerts import attribution_fallen, note_alerts
from airflow_provider_tiktok_offline.delivery.operations.incidents import open_incidents
from airflow_provider_tiktok_offline.delivery.operations.status import note_attribution
from airflow_provider_tiktok_offline.delivery.state.advertiser_status import AttributionDay
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import ApiError, ConfigError

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
    from airflow_provider_tiktok_offline.tiktok.reports import Account, Level, OfflineReport

_ALWAYS = ("spend", "impressions", "clicks")
#: Numbers of single objects that add up to their advertiser's; rates and costs do not.
_ADDABLE_ENDINGS = ("_events", "_events_value")
#: Two sums of amounts with two decimals may differ by so much.
_ROUNDING = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributionReading:
    """One reading, without any amount of money: those are in the table.

    Attributes:
        advertiser, advertiser_id: whose.
        read_at: when, ISO 8601 in UTC.
        start, end: its first and last day, in the account's time zone.
        level: the level below the advertiser that was read too.
        numbers: how many numbers were kept.
        attributed: event -> how many TikTok attributed in these days.
        return_on_spend: offline return on ad spend in these days; None without spend.
        unreconciled: metrics of which the level's objects do not add up to the advertiser's.
        currency, timezone: of the account.
        active_ads, tracking_ads: its active ads, and those that track the event set; None if they can't be read.
        incidents: what TikTok lists as open, where its feed is read.
        table: where the readings lie.
    """

    advertiser: str
    advertiser_id: str
    read_at: str
    start: str
    end: str
    level: str
    numbers: int
    attributed: Mapping[str, int] = field(default_factory=dict)
    return_on_spend: float | None = None
    unreconciled: tuple[str, ...] = ()
    currency: str = ""
    timezone: str = ""
    active_ads: int | None = None
    tracking_ads: int | None = None
    incidents: tuple[str, ...] = ()
    table: str = ""

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {
            **asdict(self),
            "attributed": dict(self.attributed),
            "unreconciled": list(self.unreconciled),
            "incidents": list(self.incidents),
        }

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {event}" for event, count in sorted(self.attributed.items()))
        return f"{self.start} to {self.end} ({self.timezone}): {counts} attributed, {self.numbers:,} numbers kept"


def metrics_of(events: tuple[str, ...]) -> tuple[str, ...]:
    """The metrics to read for some standard events.

    :raises ConfigError: if TikTok has no offline metric for one.
    """
    from airflow_provider_tiktok_offline.tiktok.reports import OFFLINE_METRIC_NAMES, offline_metrics

    unknown = [event for event in events if event not in OFFLINE_METRIC_NAMES]
    if unknown:
        raise ConfigError(
            f"TikTok reports no offline metric of {', '.join(unknown)}.",
            where="reports.events",
            todo=f"It has metrics of {', '.join(sorted(OFFLINE_METRIC_NAMES))}.",
        )
    return tuple(dict.fromkeys((*_ALWAYS, *(metric for event in events for metric in offline_metrics(event)))))


def read_attribution(ctx: DeliveryContext, settings: ReportsConfig | None = None) -> AttributionReading:
    """Read the last days again and keep what TikTok says now.

    :param settings: what to read; None for the advertiser's ``reports:``, or its defaults.
    :raises ApiError: if TikTok answers with an error.
    :raises ConfigError: if TikTok has no metric for an event.
    """
    import polars as pl

    from airflow_provider_tiktok_offline.delivery.steps.upload import open_client
    from airflow_provider_tiktok_offline.ledger.attribution import Attribution
    from airflow_provider_tiktok_offline.tiktok.reports import account

    wanted = settings or ctx.config.reports or ReportsConfig()
    metrics = metrics_of(wanted.events)
    now = ctx.clock.now()
    with open_client(ctx) as client:
        whose = account(client, ctx.config.advertiser_id)
        end = _today(now, whose)
        start = end - timedelta(days=wanted.days - 1)
        levels: tuple[Level, ...] = ("advertiser",)
        if wanted.level != "advertiser":
            levels = ("advertiser", wanted.level)
        frames = {level: _rows(_report(client, whose, level, (start, end), metrics), level, now) for level in levels}
        active, tracking = _ads(client, ctx)
    table = Attribution(ctx.objects, ctx.config.name, ctx.clock)
    reading = pl.concat(frames.values())
    if not reading.is_empty():
        table.append(reading)
    incidents = open_incidents(ctx)
    titles = None if incidents is None else [one.title for one in incidents]
    status = note_attribution(ctx, _by_day(frames["advertiser"], wanted.events, now, whose), incidents=titles)
    note_alerts(
        ctx,
        {
            "grant": "",
            "ads": unused(active, tracking, ctx.config.event_set_id),
            "attribution": attribution_fallen(status, end),
            "incident": f"TikTok lists as an open incident: {'; '.join(titles)}." if titles else "",
        },
    )
    return AttributionReading(
        advertiser=ctx.config.name,
        advertiser_id=ctx.config.advertiser_id,
        read_at=now.isoformat(timespec="seconds"),
        start=start.isoformat(),
        end=end.isoformat(),
        level=wanted.level,
        numbers=reading.height,
        attributed=_attributed(frames["advertiser"], wanted.events),
        return_on_spend=_return_on_spend(frames["advertiser"]),
        unreconciled=_unreconciled(frames["advertiser"], frames[wanted.level]),
        currency=whose.currency,
        timezone=whose.timezone,
        active_ads=active,
        tracking_ads=tracking,
        incidents=() if incidents is None else tuple(map(str, incidents)),
        table=table.uri,
    )


def unused(active: int | None, tracking: int | None, event_set_id: str) -> str:
    """That no active ad tracks the event set, and what to do; empty if one does, none is active, or it is unknown."""
    if not active or tracking:
        return ""
    return (
        f"0 of {active} active ads track event set {event_set_id}: TikTok attributes nothing to them. Add the event set"
        " to the ads in Ads Manager, under Tracking. Auto-tracking reaches only ads that are made after it was switched"
        " on."
    )


def _today(now: datetime, whose: Account) -> date:
    return now.astimezone(ZoneInfo(whose.timezone or "UTC")).date()


def _report(
    client: TikTokClient, whose: Account, level: Level, days: tuple[date, date], metrics: tuple[str, ...]
) -> OfflineReport:
    from airflow_provider_tiktok_offline.tiktok.reports import OfflineReport, ReportQuery, offline_report

    query = ReportQuery(start=days[0], end=days[1], level=level, by_day=True, metrics=metrics)
    return OfflineReport(whose, tuple(offline_report(client, whose.advertiser_id, query)))


def _rows(report: OfflineReport, level: Level, read_at: datetime) -> pl.DataFrame:
    """A report as rows of the table: one number a row."""
    import polars as pl

    from airflow_provider_tiktok_offline.ledger.attribution import SCHEMA
    from airflow_provider_tiktok_offline.tiktok.reports import dimension_of, number

    columns = [name for name in SCHEMA if name != "day"]
    whose, identity = report.account, dimension_of(level)
    rows = [
        (read_at, whose.advertiser_id, level, row.dimensions.get(identity), date.fromisoformat(stat_day[:10]), metric,
         value, whose.currency, whose.timezone)
        for row in report.rows
        if (stat_day := row.dimensions.get("stat_time_day"))
        for metric, text in row.metrics.items()
        if (value := number(text)) is not None
    ]  # fmt: skip
    return pl.DataFrame(rows, schema={name: SCHEMA[name] for name in columns}, orient="row")


def _sums(frame: pl.DataFrame) -> dict[str, float]:
    import polars as pl

    return dict(frame.group_by("metric").agg(pl.col("value").sum()).iter_rows())


def _attributed(frame: pl.DataFrame, events: tuple[str, ...]) -> dict[str, int]:
    from airflow_provider_tiktok_offline.tiktok.reports import offline_metrics

    sums = _sums(frame)
    return {event: round(sums.get(offline_metrics(event)[0], 0.0)) for event in events}


def _by_day(frame: pl.DataFrame, events: tuple[str, ...], read_at: datetime, whose: Account) -> list[AttributionDay]:
    """The advertiser's totals of each day, as its status keeps them."""
    from airflow_provider_tiktok_offline.tiktok.reports import offline_metrics

    days: list[AttributionDay] = []
    for stat_day in frame["stat_day"].unique().sort():
        sums = _sums(frame.filter(stat_day=stat_day))
        by_event = {event: round(sums.get(offline_metrics(event)[0], 0.0)) for event in events}
        value = sum(sums.get(name, 0.0) for name in dict.fromkeys(f"{offline_metrics(one)[0]}_value" for one in events))
        days.append(
            AttributionDay(
                day=stat_day.isoformat(),
                events=sum(by_event.values()),
                value=f"{value:.2f}",
                spend=f"{sums.get('spend', 0.0):.2f}",
                currency=whose.currency,
                time_zone=whose.timezone,
                read_at=read_at.isoformat(timespec="seconds"),
                by_event=by_event,
            )
        )
    return days


def _return_on_spend(frame: pl.DataFrame) -> float | None:
    sums = _sums(frame)
    spend, value = sums.get("spend"), sums.get("offline_shopping_events_value")
    return round(value / spend, 2) if spend and value is not None else None


def _unreconciled(advertiser: pl.DataFrame, objects: pl.DataFrame) -> tuple[str, ...]:
    """The metrics of which the objects' numbers do not add up to the advertiser's."""
    whole, parts = _sums(advertiser), _sums(objects)
    return tuple(
        metric
        for metric, total in sorted(whole.items())
        if (metric in _ALWAYS or metric.endswith(_ADDABLE_ENDINGS) or metric.startswith("offline_total_"))
        and not metric.startswith(("cost_per_", "value_per_"))
        and abs(total - parts.get(metric, 0.0)) > _ROUNDING * (1 + objects.height)
    )


def _ads(client: TikTokClient, ctx: DeliveryContext) -> tuple[int | None, int | None]:
    """How many ads are active, and how many of them track the event set; unknown where the grant may not read ads."""
    from airflow_provider_tiktok_offline.tiktok.ads import event_set_use

    try:
        use = event_set_use(client, ctx.config.advertiser_id, ctx.config.event_set_id)
    except ApiError as error:
        if error.retryable:
            raise
        return None, None
    return use.active, use.tracking

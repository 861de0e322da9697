"""``report``: what TikTok attributed to an ad account's ads."""

from __future__ import annotations

import json
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from airflow_provider_tiktok_offline.cli.accounts import AdvertiserId, open_account
from airflow_provider_tiktok_offline.cli.options import (
    Advertiser,
    ApiUrl,
    Json,
    OptionalConfigPath,
    advertiser_config,
    examples,
)
from airflow_provider_tiktok_offline.cli.running import messages, output
from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.tiktok.reports import Account, OfflineReport

_DAYS = 30
_SHOWN = ("spend", "clicks")


class ReportLevel(StrEnum):
    """What a line of the report is about."""

    ADVERTISER = "advertiser"
    CAMPAIGN = "campaign"
    ADGROUP = "adgroup"
    AD = "ad"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "tiktok-offline report --config advertisers.yaml --advertiser my_shop",
            "tiktok-offline report --advertiser-id 7000000000000000001 --start 2026-11-01 --level campaign --total",
            "tiktok-offline report --config advertisers.yaml --advertiser my_shop --keep",
        )
    )(report)


def report(
    config: OptionalConfigPath = None,
    advertiser: Advertiser = None,
    advertiser_id: AdvertiserId = None,
    start: Annotated[
        str | None, typer.Option("--start", metavar="DAY", help="First day; without it, 30 days up to the last one.")
    ] = None,
    end: Annotated[str | None, typer.Option("--end", metavar="DAY", help="Last day; without it, today.")] = None,
    level: Annotated[ReportLevel, typer.Option("--level", help="What a line is about.")] = ReportLevel.ADVERTISER,
    event: Annotated[
        list[str] | None, typer.Option("--event", help="A standard event; may be repeated. Without it, Purchase.")
    ] = None,
    by_day: Annotated[bool, typer.Option("--by-day/--total", help="One line a day, or one for all days.")] = True,
    keep: Annotated[
        bool, typer.Option("--keep", help="Read what `reports:` says and keep it under state_uri, as the task does.")
    ] = False,
    api_url: ApiUrl = None,
    as_json: Json = False,
) -> None:
    """Show what TikTok attributed. Days are those of the ad account's time zone, money is in its currency."""
    from airflow_provider_tiktok_offline.delivery.operations.attribution import metrics_of
    from airflow_provider_tiktok_offline.tiktok.reports import OfflineReport, ReportQuery, account, offline_report

    if keep:
        _keep(config, advertiser, api_url)
        return
    metrics = metrics_of(tuple(event or ["Purchase"]))
    client, whose = open_account(config, advertiser, advertiser_id, api_url)
    with client:
        found = account(client, whose)
        first, last = _days(start, end, found)
        query = ReportQuery(start=first, end=last, level=level.value, by_day=by_day, metrics=metrics)
        read = OfflineReport(found, tuple(offline_report(client, whose, query)))
    if as_json:
        typer.echo(json.dumps(read.to_arrow().to_pylist(), indent=2, default=str))
    else:
        _show(read, metrics)


def _keep(config: Path | None, advertiser: str | None, api_url: str | None) -> None:
    from airflow_provider_tiktok_offline.cli.contexts import delivery_context
    from airflow_provider_tiktok_offline.delivery.operations.attribution import read_attribution

    if config is None:
        raise ConfigError("--keep needs the state of an advertiser.", todo="Add --config and --advertiser.")
    reading = read_attribution(delivery_context(advertiser_config(config, advertiser), api_url=api_url))
    output().print(f"{reading.advertiser}: {reading}")


def _days(start: str | None, end: str | None, account: Account) -> tuple[date, date]:
    try:
        today = system_clock().now().astimezone(ZoneInfo(account.timezone or "UTC")).date() if end is None else None
        last = today or date.fromisoformat(str(end))
        first = last - timedelta(days=_DAYS - 1) if start is None else date.fromisoformat(start)
    except ValueError:
        raise ConfigError("is no day.", where="--start or --end", todo="Write it as 2026-11-22.") from None
    if first > last:
        raise ConfigError("the first day is after the last.", where="--start")
    return first, last


def _show(read: OfflineReport, metrics: tuple[str, ...]) -> None:
    from rich.table import Table

    shown = [name for name in metrics if name in _SHOWN or name.startswith("offline_")]
    dimensions = list(dict.fromkeys(name for row in read.rows for name in row.dimensions))
    table = Table(*dimensions, *(name.removeprefix("offline_") for name in shown), box=None)
    for row in read.rows:
        cells = [row.dimensions.get(name, "").removesuffix(" 00:00:00") for name in dimensions]
        table.add_row(*cells, *(row.metrics.get(name, "") for name in shown))
    output().print(table)
    messages().print(
        f"{len(read.rows)} lines; days in {read.account.timezone}, money in {read.account.currency}."
        " The last days still grow."
    )

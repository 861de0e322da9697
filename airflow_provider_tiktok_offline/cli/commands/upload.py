"""``upload``: one file, or one prepared directory, from validation to close-out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_tiktok_offline.cli.options import (
    Advertiser,
    ApiUrl,
    AsOf,
    ConfigPath,
    Day,
    Gate,
    Json,
    advertiser_config,
    examples,
    file_day,
    file_uri,
    moment,
)
from airflow_provider_tiktok_offline.cli.running import REFUSED, output, warn
from airflow_provider_tiktok_offline.errors import ConfigError, OutcomeUnknownError

if TYPE_CHECKING:
    from datetime import date, datetime

    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
    from airflow_provider_tiktok_offline.delivery.state.delivery_summary import DeliverySummary


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "export TIKTOK_ACCESS_TOKEN=...",
            "tiktok-offline upload sales_20261121.csv --config advertisers.yaml --advertiser my_shop --dry-run",
            "tiktok-offline upload sales_20261121.csv --config advertisers.yaml --advertiser my_shop",
            "tiktok-offline upload prepared/ --config advertisers.yaml --advertiser my_shop",
        )
    )(upload)


def upload(
    what: Annotated[
        str, typer.Argument(metavar="DIR|FILE", help="A conversion file (path or URI), or what `prepare` has written.")
    ],
    config: ConfigPath,
    advertiser: Advertiser = None,
    api_url: ApiUrl = None,
    as_of: AsOf = None,
    day: Day = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    retry_refused: Annotated[
        bool, typer.Option("--retry-refused", help="Send again what TikTok refused before.")
    ] = False,
    max_rejected_ratio: Gate = None,
    as_json: Json = False,
) -> None:
    """Deliver a conversion file to TikTok: validate, prepare, drop what was sent before, send, and close.

    The access token is read from TIKTOK_ACCESS_TOKEN. The same command goes on after an interruption: what was accepted
    is not sent again. The advertiser's mode decides whether events count; the default is a dry run.
    """
    from airflow_provider_tiktok_offline.cli.contexts import alone, delivery_context
    from airflow_provider_tiktok_offline.cli.progress import step_progress

    settings = advertiser_config(config, advertiser)
    if settings.route != "tiktok":
        raise ConfigError(
            "this advertiser's route is liveramp.", where=settings.name, todo="Use: tiktok-offline liveramp deliver."
        )
    if dry_run:
        settings = settings.model_copy(update={"mode": "dry_run"})
    if max_rejected_ratio is not None:
        settings = settings.model_copy(update={"max_rejected_ratio": max_rejected_ratio})
    with alone(settings), step_progress() as progress:
        context = delivery_context(settings, progress=progress, api_url=api_url)
        expected_on = file_day(day, what, settings)
        summary = _deliver(context, what, as_of=moment(as_of), day=expected_on, retry_refused=retry_refused)
    if as_json:
        typer.echo(json.dumps(summary.to_dict(), indent=2))
    else:
        _show(summary)
    if summary.events.get("refused"):
        raise typer.Exit(REFUSED)


def _deliver(
    context: DeliveryContext, what: str, *, as_of: datetime | None, day: date | None, retry_refused: bool
) -> DeliverySummary:
    from airflow_provider_tiktok_offline.delivery.sequences import deliver_to_tiktok, send_prepared
    from airflow_provider_tiktok_offline.delivery.source.source_file import stamp_of

    def warn_unknown(error: OutcomeUnknownError) -> None:
        warn(str(error))

    if not Path(what).is_dir():
        stamp = stamp_of(context, file_uri(what))
        return deliver_to_tiktok(
            context, stamp, as_of=as_of, day=day, retry_refused=retry_refused, on_unknown=warn_unknown
        )
    if as_of is not None:
        raise ConfigError("a prepared directory has its own.", where="--as-of", todo="Leave it out, or prepare again.")
    return send_prepared(context, Path(what), day=day, retry_refused=retry_refused, on_unknown=warn_unknown)


def _show(summary: DeliverySummary) -> None:
    from rich.table import Table

    from airflow_provider_tiktok_offline.conversions.report.report import money

    console = output()
    if summary.already_closed:
        console.print("This file is delivered already: nothing was sent.")
        if summary.mode is None:  # it was adopted: there is no summary of a run
            return
    elif summary.mode == "dry_run":
        console.print("Dry run: nothing was sent.", style="yellow")
    elif summary.mode == "test":
        console.print(
            "Test: the events show in Events Manager under Test Events and count nowhere.", style="bold yellow"
        )
    table = Table(title=f"Delivery {summary.delivery_id}", title_justify="left", box=None)
    table.add_column("")
    table.add_column("count", justify="right")
    table.add_column("value", justify="right")
    for name in ("rows_total", "rows_valid", "rows_rejected", "rows_duplicate", "rows_excluded"):
        table.add_row(name.replace("_", " "), f"{getattr(summary.rows, name):,}")
    for name, count in summary.events.items():
        table.add_row(f"events {name.replace('_', ' ')}", f"{count:,}", money(summary.values.get(name, {})))
    console.print(table)
    console.print(f"Report: {summary.report_uri}")

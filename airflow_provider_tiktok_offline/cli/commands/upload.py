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
    from airflow_provider_tiktok_offline.delivery.state.step_results import ReturnsResult


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "export TIKTOK_ACCESS_TOKEN=...",
            "tiktok-offline upload sales_20261121.csv --config advertisers.yaml --advertiser my_shop --dry-run",
            "tiktok-offline upload sales_20261121.csv --config advertisers.yaml --advertiser my_shop",
            "tiktok-offline upload prepared/ --config advertisers.yaml --advertiser my_shop",
            "tiktok-offline upload --due --config advertisers.yaml --advertiser my_shop",
        )
    )(upload)


def upload(
    config: ConfigPath,
    what: Annotated[
        str | None,
        typer.Argument(metavar="[DIR|FILE]", help="A conversion file (path or URI), or what `prepare` has written."),
    ] = None,
    advertiser: Advertiser = None,
    api_url: ApiUrl = None,
    as_of: AsOf = None,
    day: Day = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    retry_refused: Annotated[
        bool, typer.Option("--retry-refused", help="Send again what TikTok refused before.")
    ] = False,
    max_rejected_ratio: Gate = None,
    due: Annotated[
        bool, typer.Option("--due", help="Without a file: send what has waited for returns and is due.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Deliver a conversion file to TikTok: validate, prepare, drop what was sent before, send, and close.

    With `send_after_days` the file's events wait, and what has waited until today is sent.

    The access token is read from TIKTOK_ACCESS_TOKEN. The same command goes on after an interruption: what was accepted
    is not sent again. The advertiser's mode decides whether events count; the default is a dry run.
    """
    from airflow_provider_tiktok_offline.cli.contexts import alone, delivery_context
    from airflow_provider_tiktok_offline.cli.progress import step_progress
    from airflow_provider_tiktok_offline.delivery.sequences import deliver_due

    settings = advertiser_config(config, advertiser)
    if settings.route != "tiktok":
        raise ConfigError(
            "this advertiser's route is liveramp.", where=settings.name, todo="Use: tiktok-offline liveramp deliver."
        )
    if (what is None) != due:
        raise ConfigError("takes a file, or --due without one.", where="upload", todo="Name a file, or add --due.")
    if dry_run:
        settings = settings.model_copy(update={"mode": "dry_run"})
    if max_rejected_ratio is not None:
        settings = settings.model_copy(update={"max_rejected_ratio": max_rejected_ratio})
    with alone(settings), step_progress() as progress:
        context = delivery_context(settings, progress=progress, api_url=api_url)
        own = None
        if what is not None:
            expected_on = file_day(day, what, settings)
            own = _deliver(context, what, as_of=moment(as_of), day=expected_on, retry_refused=retry_refused)
        waited = deliver_due(context, on_unknown=_warn_unknown)
    summaries = [*([] if own is None else [own]), *waited]
    if as_json:
        also = {"due": [one.to_dict() for one in waited]} if due or waited else {}
        typer.echo(json.dumps({**({} if own is None else own.to_dict()), **also}, indent=2))
    else:
        for summary in summaries:
            _show(summary)
        if not summaries:
            output().print("Nothing is due: nothing was sent.")
    if any(summary.events.get("refused") for summary in summaries):
        raise typer.Exit(REFUSED)


def _warn_unknown(error: OutcomeUnknownError) -> None:
    warn(str(error))


def _deliver(
    context: DeliveryContext, what: str, *, as_of: datetime | None, day: date | None, retry_refused: bool
) -> DeliverySummary:
    from airflow_provider_tiktok_offline.delivery.sequences import deliver_to_tiktok, send_prepared
    from airflow_provider_tiktok_offline.delivery.source.source_file import stamp_of

    if not Path(what).is_dir():
        stamp = stamp_of(context, file_uri(what))
        return deliver_to_tiktok(
            context, stamp, as_of=as_of, day=day, retry_refused=retry_refused, on_unknown=_warn_unknown
        )
    if as_of is not None:
        raise ConfigError("a prepared directory has its own.", where="--as-of", todo="Leave it out, or prepare again.")
    return send_prepared(context, Path(what), day=day, retry_refused=retry_refused, on_unknown=_warn_unknown)


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
    elif summary.waiting:
        console.print(f"Nothing was sent: the events wait {summary.waiting}.", style="yellow")
    table = Table(title=f"Delivery {summary.delivery_id}", title_justify="left", box=None)
    table.add_column("")
    table.add_column("count", justify="right")
    table.add_column("value", justify="right")
    for name in ("rows_total", "rows_valid", "rows_rejected", "rows_duplicate", "rows_excluded"):
        table.add_row(name.replace("_", " "), f"{getattr(summary.rows, name):,}")
    for name, count in summary.events.items():
        table.add_row(f"events {name.replace('_', ' ')}", f"{count:,}", money(summary.values.get(name, {})))
    console.print(table)
    if summary.returns is not None:
        console.print(_of_returns(summary.returns))
    console.print(f"Report: {summary.report_uri}")


def _of_returns(returns: ReturnsResult) -> str:
    """What the returns did that came in while the events waited."""
    from airflow_provider_tiktok_offline.conversions.report.report import money, number_of

    return (
        f"Returns: {number_of(returns.reduced, 'event')} sent with less ({money(returns.taken_off) or 'nothing'}); "
        f"{number_of(returns.unmet, 'returned line')} of this file met no sale that waited"
        f" ({money(returns.unmet_value) or 'nothing'})."
    )

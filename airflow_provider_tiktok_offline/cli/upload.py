"""``upload``: one file, or one prepared directory, from validation to close-out."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_provider_tiktok_offline.cli.options import (
    Advertiser,
    ApiUrl,
    AsOf,
    ConfigPath,
    Json,
    advertiser_config,
    examples,
    file_uri,
    moment,
)
from airflow_provider_tiktok_offline.cli.running import REFUSED, output, warn
from airflow_provider_tiktok_offline.errors import ConfigError, OutcomeUnknownError, TikTokOfflineError

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext


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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    retry_refused: Annotated[
        bool, typer.Option("--retry-refused", help="Send again what TikTok refused before.")
    ] = False,
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
    with alone(settings), step_progress() as progress:
        context = delivery_context(settings, progress=progress, api_url=api_url)
        summary = deliver(context, what, as_of=moment(as_of), retry_refused=retry_refused)
    if as_json:
        typer.echo(json.dumps(summary, indent=2))
    else:
        _show(summary)
    if summary.get("events", {}).get("refused"):
        raise typer.Exit(REFUSED)


def deliver(context: DeliveryContext, what: str, *, as_of: datetime | None, retry_refused: bool) -> dict[str, Any]:
    """Run the steps of one delivery in order; the last one settles it, whatever happened before.

    :returns: the delivery's summary.
    """
    from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
    from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
    from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize
    from airflow_provider_tiktok_offline.delivery.steps.take_prepared import take_prepared
    from airflow_provider_tiktok_offline.delivery.steps.upload import upload as upload_part
    from airflow_provider_tiktok_offline.delivery.steps.validate import validate

    prepared = Path(what).is_dir()
    if prepared and as_of is not None:
        raise ConfigError("a prepared directory has its own.", where="--as-of", todo="Leave it out, or prepare again.")

    def open_delivery() -> dict[str, Any]:
        if prepared:
            return take_prepared(context, Path(what))
        return validate(context, _stamp(context, what), as_of=as_of)

    opened = open_delivery()
    delivery_id = opened["delivery_id"]
    if retry_refused and opened["closed"]:
        context.deliveries.reopen(delivery_id, reason="--retry-refused")
        opened = open_delivery()
    try:
        if not opened["closed"]:
            if not prepared:
                normalize_hash(context, delivery_id)
            for part in dedupe(context, delivery_id, retry_refused=retry_refused)["parts"]:
                try:
                    upload_part(context, delivery_id, part)
                except OutcomeUnknownError as error:
                    warn(str(error))
    except TikTokOfflineError as error:
        # Settle what was accepted; why the delivery stopped matters more than that it is open.
        with suppress(TikTokOfflineError):
            summarize(context, delivery_id)
        raise error
    return summarize(context, delivery_id)


def _stamp(context: DeliveryContext, what: str) -> dict[str, Any]:
    from airflow_provider_tiktok_offline.storage.files import open_files

    uri = file_uri(what)
    with open_files(uri, context.connections) as files:
        return dict(files.stat(uri).to_dict())


def _show(summary: dict[str, Any]) -> None:
    from rich.table import Table

    from airflow_provider_tiktok_offline.conversions.report.report import money

    console = output()
    mode = summary.get("mode")
    if summary["already_closed"]:
        console.print("This file is delivered already: nothing was sent.")
        if mode is None:  # it was adopted: there is no summary of a run
            return
    elif mode == "dry_run":
        console.print("Dry run: nothing was sent.", style="yellow")
    elif mode == "test":
        console.print(
            "Test: the events show in Events Manager under Test Events and count nowhere.", style="bold yellow"
        )
    table = Table(title=f"Delivery {summary['delivery_id']}", title_justify="left", box=None)
    table.add_column("")
    table.add_column("count", justify="right")
    table.add_column("value", justify="right")
    for name, count in summary["rows"].items():
        if isinstance(count, int):
            table.add_row(name.replace("_", " "), f"{count:,}")
    for name, count in summary["events"].items():
        table.add_row(f"events {name.replace('_', ' ')}", f"{count:,}", money(summary["values"].get(name, {})))
    console.print(table)
    console.print(f"Report: {summary['report_uri']}")

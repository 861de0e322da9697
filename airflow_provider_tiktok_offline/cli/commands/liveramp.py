"""``liveramp``: set a feed up, check files against its contract, and deliver the day's file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_tiktok_offline.cli.commands.sample import Overwrite, must_be_new
from airflow_provider_tiktok_offline.cli.contexts import alone, delivery_context
from airflow_provider_tiktok_offline.cli.options import (
    Advertiser,
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
from airflow_provider_tiktok_offline.cli.progress import step_progress
from airflow_provider_tiktok_offline.cli.running import REFUSED, output, print_json, warn

if TYPE_CHECKING:
    from datetime import date

    from airflow_provider_tiktok_offline.delivery.sequences import FeedDelivery
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

app = typer.Typer(help="The LiveRamp route: set a feed up, check, write and deliver its files.", no_args_is_help=True)
_ENTRY = "--config advertisers.yaml --advertiser my_shop"
_COLUMNS = "email_1,transaction_category,transaction_timestamp,transaction_amount,phone_1,order_id,store_code"
File = Annotated[str, typer.Argument(metavar="FILE", help="A conversion file: a path or a URI.")]
To = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")]


@app.command(
    epilog=examples(
        f"tiktok-offline liveramp sample --output sample.csv {_ENTRY}",
        f"tiktok-offline liveramp sample sales.csv --output sample.csv {_ENTRY}",
    )
)
def sample(
    config: ConfigPath,
    to: To,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="Take real rows from this file; without one, made-up rows.")
    ] = None,
    advertiser: Advertiser = None,
    columns: Annotated[str, typer.Option(help="Made-up rows: the headers, comma-separated.")] = _COLUMNS,
    categories: Annotated[
        str | None,
        typer.Option(
            help="Every transaction_category that will ever be used, comma-separated; those of FILE if left out."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make the sample file that LiveRamp sets a feed up with: at least 25 rows, every category that will be used."""
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
    from airflow_provider_tiktok_offline.delivery.operations.feed_files import make_sample

    must_be_new(to, overwrite)
    used = categories.split(",") if categories else [] if file else ["CompletePayment"]
    with _context(config, advertiser) as context:
        content = make_sample(context, file_uri(file) if file else None, columns=columns.split(","), categories=used)
    with DirectoryParts(to.parent).open_write(to.name) as stream:
        stream.write(content)
    if file:
        warn(f"{to} holds customers' data in clear.")
    output().print(f"{to} written. Send it to LiveRamp; once the feed is set up: tiktok-offline liveramp accept {to}")


@app.command(epilog=examples(f"tiktok-offline liveramp accept sample.csv {_ENTRY}"))
def accept(
    file: Annotated[
        Path, typer.Argument(metavar="SAMPLE", help="The sample file that LiveRamp has set the feed up with.")
    ],
    config: ConfigPath,
    advertiser: Advertiser = None,
    change: Annotated[
        bool, typer.Option("--change", help="Replace the contract: LiveRamp has changed the format in a support case.")
    ] = False,
) -> None:
    """Make the sample the feed's contract: every later file must have its headers, delimiter and categories."""
    from airflow_provider_tiktok_offline.delivery.operations.feed_files import accept_feed

    with _context(config, advertiser) as context:
        feed = accept_feed(context, file, replace_existing=change)
    output().print(f"Feed {feed.name}: {len(feed.columns)} columns, categories {', '.join(feed.categories)}")


@app.command(epilog=examples(f"tiktok-offline liveramp check sales_20261121.csv {_ENTRY}"))
def check(file: File, config: ConfigPath, advertiser: Advertiser = None, as_json: Json = False) -> None:
    """Hold a file against the programme's strict rules and the feed's contract; nothing is written or delivered."""
    from airflow_provider_tiktok_offline.conversions.report.report import render
    from airflow_provider_tiktok_offline.delivery.operations.feed_files import check_file

    with _context(config, advertiser) as context:
        report = check_file(context, file_uri(file))
    if as_json:
        typer.echo(report.to_json())
    else:
        render(report, output(markup=True))
    if report.gate_exceeded:
        raise typer.Exit(REFUSED)


@app.command(epilog=examples(f"tiktok-offline liveramp write sales_20261121.csv --output feed.csv {_ENTRY}"))
def write(file: File, config: ConfigPath, to: To, advertiser: Advertiser = None, overwrite: Overwrite = False) -> None:
    """Write the feed file that a delivery would make, without what was delivered before; nothing is delivered."""
    from airflow_provider_tiktok_offline.delivery.operations.feed_files import write_file

    must_be_new(to, overwrite)
    with _context(config, advertiser) as context:
        made = write_file(context, file_uri(file), to)
    warn(f"{to} holds customers' data in clear.")
    output().print(f"{to}: {made.rows:,} rows, {made.bytes:,} bytes; {made.left_out:,} rows left out")


@app.command(
    epilog=examples(
        f"tiktok-offline liveramp deliver sales_20261121.csv {_ENTRY} --dry-run",
        f"tiktok-offline liveramp deliver sales_20261121.csv {_ENTRY}",
    )
)
def deliver(
    file: File,
    config: ConfigPath,
    advertiser: Advertiser = None,
    as_of: AsOf = None,
    day: Day = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be delivered; deliver nothing.")] = False,
    max_rejected_ratio: Gate = None,
    as_json: Json = False,
) -> None:
    """Deliver a file to LiveRamp: validate, leave out what was delivered before, stream it there, and close.

    One file a UTC day: a second one waits for the next. The same command goes on after an interruption.
    """
    with _context(config, advertiser, dry_run=dry_run, max_rejected_ratio=max_rejected_ratio) as context:
        done = _deliver(context, file_uri(file), as_of, file_day(day, file, context.config))
    delivered: dict[str, object] = (
        {"outcome": "already_delivered"} if done.delivered is None else done.delivered.to_dict()
    )
    if as_json:
        typer.echo(json.dumps({**done.summary.to_dict(), "deliver": delivered}, indent=2))
        return
    output().print(f"{file}: {str(delivered['outcome']).replace('_', ' ')}")
    for name in ("file_name", "uri", "rows", "bytes", "sha256"):
        if delivered.get(name) is not None:
            output().print(f"  {name.replace('_', ' '):10} {delivered[name]}")


def _deliver(context: DeliveryContext, uri: str, as_of: str | None, day: date | None) -> FeedDelivery:
    from airflow_provider_tiktok_offline.delivery.sequences import deliver_to_liveramp
    from airflow_provider_tiktok_offline.delivery.source.source_file import stamp_of

    return deliver_to_liveramp(context, stamp_of(context, uri), as_of=moment(as_of), day=day)


@contextmanager
def _context(
    config: Path, advertiser: str | None, *, dry_run: bool = False, max_rejected_ratio: float | None = None
) -> Iterator[DeliveryContext]:
    settings = advertiser_config(config, advertiser)
    if dry_run:
        settings = settings.model_copy(update={"mode": "dry_run"})
    if max_rejected_ratio is not None:
        settings = settings.model_copy(update={"max_rejected_ratio": max_rejected_ratio})
    with alone(settings), step_progress() as progress:
        yield delivery_context(settings, progress=progress)


@app.command(epilog=examples(f"tiktok-offline liveramp files connect_files.csv {_ENTRY}"))
def files(
    export: Annotated[Path, typer.Argument(metavar="CSV", help="What Connect's Files page exports.")],
    config: ConfigPath,
    advertiser: Advertiser = None,
    as_json: Json = False,
) -> None:
    """Compare the delivered feed files with the list that LiveRamp Connect's *Files* page exports."""
    from airflow_provider_tiktok_offline.delivery.operations.connect_files import read_export
    from airflow_provider_tiktok_offline.delivery.operations.status import refresh

    found = read_export(refresh(delivery_context(advertiser_config(config, advertiser))), export)
    missing = sum(not one.found for one in found)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        for one in found:
            cells = ", ".join(f"{column} {cell}" for column, cell in one.found.items() if cell)
            output().print(f"{one.day}  {one.name}  {one.rows} rows delivered  {cells or 'NOT IN THE EXPORT'}")
        output().print(f"{len(found)} files delivered in 90 days, {missing} of them not in the export")
    if missing:
        raise typer.Exit(REFUSED)

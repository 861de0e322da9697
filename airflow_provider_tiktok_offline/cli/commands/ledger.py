"""``ledger``: make the ledger of an event set, look into it and keep it small."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_tiktok_offline.cli.commands import ledger_corrections
from airflow_provider_tiktok_offline.cli.contexts import delivery_context
from airflow_provider_tiktok_offline.cli.options import (
    Advertiser,
    ConfigPath,
    Json,
    advertiser_config,
    all_advertisers,
    examples,
)
from airflow_provider_tiktok_offline.cli.running import output, print_json
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer(help="What was sent: make, look into, correct and maintain the ledger.", no_args_is_help=True)
_ENTRY = "--config advertisers.yaml --advertiser my_shop"


@app.command(
    epilog=examples(
        f"tiktok-offline ledger init {_ENTRY}", "tiktok-offline ledger init --config advertisers.yaml --all"
    )
)
def init(
    config: ConfigPath,
    advertiser: Advertiser = None,
    every: Annotated[bool, typer.Option("--all", help="Make the ledgers of all advertisers.")] = False,
) -> None:
    """Make the ledger of the advertiser's event set, once; one that is there stays as it is.

    Without it nothing is sent: an empty ledger in the place of a lost one would mean "send everything again".
    """
    from airflow_provider_tiktok_offline.delivery.operations.maintenance import make_ledger
    from airflow_provider_tiktok_offline.errors import TikTokOfflineError

    entries = all_advertisers(config) if every else [advertiser_config(config, advertiser)]
    failed: list[TikTokOfflineError] = []
    for entry in entries:
        try:
            make_ledger(delivery_context(entry))
        except TikTokOfflineError as error:
            if len(entries) == 1:
                raise
            typer.echo(f"{entry.name}: {error}", err=True)
            failed.append(error)
        else:
            output().print(f"The ledger of event set {entry.event_set_id} is ready under {entry.state_uri}")
    if failed:
        raise typer.Exit(failed[0].exit_code)


@app.command(epilog=examples(f"tiktok-offline ledger status {_ENTRY}"))
def status(config: ConfigPath, advertiser: Advertiser = None, as_json: Json = False) -> None:
    """Show what the ledger holds: events by outcome, days, and the deliveries that are at work."""
    from airflow_provider_tiktok_offline.ledger import inspection

    holdings = inspection.status(delivery_context(advertiser_config(config, advertiser)).ledger)
    if as_json:
        typer.echo(json.dumps(holdings, indent=2))
        return
    console = output()
    for name, value in holdings.items():
        parts = value.items() if isinstance(value, dict) else []
        shown = ", ".join(f"{key} {count:,}" for key, count in parts) if isinstance(value, dict) else value
        console.print(f"{name.replace('_', ' '):16}{'' if shown is None else shown}")


@app.command(epilog=examples(f"tiktok-offline ledger files {_ENTRY}"))
def files(config: ConfigPath, advertiser: Advertiser = None, as_json: Json = False) -> None:
    """List the advertiser's deliveries, oldest first: which file stands where, and in which mode it was handled."""
    from rich.table import Table

    from airflow_provider_tiktok_offline.delivery.state.delivery_summary import mode_of
    from airflow_provider_tiktok_offline.delivery.state.waiting import due_day

    context = delivery_context(advertiser_config(config, advertiser))
    modes = [(state, mode_of(context, state)) for state in context.deliveries.list(context.config.name)]
    due = {state.id: due_day(context, state) for state, _ in modes if state.waits}
    if as_json:
        print_json([{**state.to_dict(), "mode": mode, "waits_until": due.get(state.id)} for state, mode in modes])
        return
    table = Table("delivery", "mode", "status", "file", "bytes", "opened", "holder", box=None)
    for state, mode in modes:
        opened = f"{state.opened_at:%Y-%m-%d %H:%M}"
        status = f"waits until {due[state.id]}" if state.id in due else state.status
        table.add_row(state.id, mode, status, state.file_name, f"{state.size:,}", opened, state.holder or "")
    output().print(table)


@app.command(epilog=examples(f"tiktok-offline ledger show v2-7a7e00690da783b2ddb4e75f8f39eb9d {_ENTRY}"))
def show(
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="An event id, as `events` prints it.")],
    config: ConfigPath,
    advertiser: Advertiser = None,
    as_json: Json = False,
) -> None:
    """Show everything the ledger knows of one event."""
    from airflow_provider_tiktok_offline.ledger import inspection

    records = inspection.show(delivery_context(advertiser_config(config, advertiser)).ledger, event_id)
    if as_json:
        print_json(records.to_dicts())
    elif records.is_empty():
        output().print("The ledger has never heard of this event.")
    else:
        show_table(records)


@app.command(
    epilog=examples(
        f"tiktok-offline ledger audit {_ENTRY}",
        f"tiktok-offline ledger audit {_ENTRY} --date 2026-11-21",
        f"tiktok-offline ledger audit {_ENTRY} --order-ids orders.csv --forget",
    )
)
def audit(
    config: ConfigPath,
    advertiser: Advertiser = None,
    day: Annotated[
        str | None, typer.Option("--date", metavar="DAY", help="What was recorded on this day (UTC).")
    ] = None,
    order_ids: Annotated[
        Path | None,
        typer.Option("--order-ids", metavar="FILE", help="A .csv with a column order_id: what became of them."),
    ] = None,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="With --order-ids: keep a record that a person asked to be forgotten."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a day's deliveries, what became of orders, or, with neither, who changed the ledger by hand."""
    from airflow_provider_tiktok_offline.delivery.operations.order_audit import audit_orders
    from airflow_provider_tiktok_offline.ledger import inspection
    from airflow_provider_tiktok_offline.ledger.audit import entries
    from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace

    context = delivery_context(advertiser_config(config, advertiser))
    if order_ids is not None:
        orders = audit_orders(context, order_ids, forget=forget)
        if as_json:
            print_json(orders.to_dicts())
        else:
            show_table(orders)
    elif day is not None:
        counted, records = inspection.day(context.ledger, a_day(day, "--date"))
        records = records.select("recorded_at", "delivery_id", "file_name", "route", "mode", "counts", "values")
        if as_json:
            print_json({"events": counted.to_dicts(), "deliveries": records.to_dicts()})
            return
        show_table(counted)
        show_table(records)
    else:
        changes = list(entries(LedgerPlace(context.objects, context.config.event_set_id, context.clock)))
        if as_json:
            print_json(changes)
            return
        for entry in changes:
            typer.echo(json.dumps(entry))


@app.command(epilog=examples(f"tiktok-offline ledger export ledger.parquet {_ENTRY}"))
def export(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="A .parquet or .csv file.")],
    config: ConfigPath,
    advertiser: Advertiser = None,
) -> None:
    """Write every row of the ledger to one file; event keys as hex digits."""
    from airflow_provider_tiktok_offline.ledger import inspection

    rows = inspection.export(delivery_context(advertiser_config(config, advertiser)).ledger, to)
    output().print(f"{to}: {rows:,} rows")


@app.command(epilog=examples(f"tiktok-offline ledger expire {_ENTRY}"))
def expire(
    config: ConfigPath,
    advertiser: Advertiser = None,
    *,
    clock_is_right: Annotated[
        bool,
        typer.Option(
            "--clock-is-right",
            help="You have looked at this machine's clock: trust it from now on. Kept in the audit log.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Forget what is older than the configured retention."""
    from airflow_provider_tiktok_offline.delivery.state.cleanup import forget_deliveries
    from airflow_provider_tiktok_offline.ledger import maintenance

    context = delivery_context(advertiser_config(config, advertiser))
    settings = context.config
    gone = maintenance.expire(
        context.ledger,
        retention_days=settings.ledger.retention_days,
        lookback_days=settings.lookback_days,
        record_months=settings.ledger.record_months,
        clock_trusted_by=context.holder if clock_is_right else None,
    )
    if gone.clock_doubt is not None:
        raise ConfigError(
            f"{gone.clock_doubt}: nothing was forgotten.",
            where=settings.state_uri,
            todo="Correct the clock; if it is right: ledger expire --clock-is-right.",
        )
    deliveries = forget_deliveries(context)
    if as_json:
        forgotten = asdict(gone)
        forgotten.pop("clock_doubt")
        print_json({**forgotten, "deliveries": deliveries})
        return
    output().print(
        f"Forgotten: {gone.keys:,} event keys, {gone.records:,} records, {deliveries:,} deliveries, "
        f"{gone.objects:,} objects"
    )


@app.command(epilog=examples(f"tiktok-offline ledger compact {_ENTRY}"))
def compact(config: ConfigPath, advertiser: Advertiser = None, as_json: Json = False) -> None:
    """Merge small files, and remove those that nothing needs any more."""
    from airflow_provider_tiktok_offline.ledger import maintenance

    ledger = delivery_context(advertiser_config(config, advertiser)).ledger
    merged = maintenance.compact(ledger)
    removed = maintenance.vacuum(ledger)
    if as_json:
        print_json({"merged": merged, "removed": removed})
    else:
        output().print(f"{merged:,} files merged, {removed:,} removed")


def a_day(text: str, where: str) -> date:
    """An ISO date.

    :raises ConfigError: if it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError("is no day.", where=where, todo="Write it as 2026-11-21.") from None


def show_table(frame: pl.DataFrame) -> None:
    """Print a frame, all rows of it."""
    from rich.table import Table

    table = Table(*frame.columns, box=None)
    for row in frame.iter_rows():
        table.add_row(*(_cell(value) for value in row))
    output().print(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)


ledger_corrections.register(app)

"""``status``: how every advertiser stands, from what is kept with its state."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_tiktok_offline.cli.options import ConfigPath, Json, examples
from airflow_provider_tiktok_offline.cli.running import UNUSABLE, complain, output

if TYPE_CHECKING:
    from rich.table import Table

    from airflow_provider_tiktok_offline.config import AdvertiserConfig
    from airflow_provider_tiktok_offline.delivery.state.advertiser_status import AdvertiserStatus, DeliveryStatus


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "tiktok-offline status --config advertisers.yaml",
            "tiktok-offline status --config advertisers.yaml --advertiser my_shop --json",
        )
    )(status)


def status(
    config: ConfigPath,
    advertiser: Annotated[
        str | None, typer.Option("--advertiser", "-a", help="One entry only; without it, all of them.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=90, help="How many days to show.")] = 7,
    as_json: Json = False,
) -> None:
    """Show what became of the files of the last days: rows, events by answer, what is open, and doctor's last look."""
    from airflow_provider_tiktok_offline.cli.contexts import delivery_context
    from airflow_provider_tiktok_offline.config import load_config
    from airflow_provider_tiktok_offline.delivery.operations.status import refresh
    from airflow_provider_tiktok_offline.errors import TikTokOfflineError

    loaded = load_config(config)
    entries = [loaded.advertiser(advertiser)] if advertiser else list(loaded.advertisers.values())
    faults = [] if advertiser else [str(fault) for fault in loaded.broken]
    found: list[tuple[AdvertiserConfig, AdvertiserStatus]] = []
    for entry in entries:
        try:
            found.append((entry, refresh(delivery_context(entry))))
        except TikTokOfflineError as error:
            faults.append(str(error))
    for fault in faults:
        complain(fault)
    if as_json:
        _print_json(found, days)
    else:
        output().print(_table(found, days))
    if faults:
        raise typer.Exit(UNUSABLE)


def _print_json(found: list[tuple[AdvertiserConfig, AdvertiserStatus]], days: int) -> None:
    from airflow_provider_tiktok_offline.delivery.operations.status_documents import settings_document

    content = [
        {"settings": settings_document(entry), **status.since(_first(days, entry)).to_document()}
        for entry, status in found
    ]
    typer.echo(json.dumps({"advertisers": content}, indent=2, ensure_ascii=False))


def _first(days: int, entry: AdvertiserConfig) -> date:
    return datetime.now(UTC).astimezone(entry.zone).date() - timedelta(days=days)


def _table(found: list[tuple[AdvertiserConfig, AdvertiserStatus]], days: int) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("advertiser", "day", "state", "mode"):
        table.add_column(name)
    for name in ("rows", "rejected", "accepted", "refused", "unconfirmed"):
        table.add_column(name, justify="right")
    table.add_column("what is open", overflow="fold")
    for entry, status in found:
        recent = status.since(_first(days, entry)).deliveries
        for one in reversed(recent):
            table.add_row(entry.name, one.day, one.state, one.mode, *_figures(one), one.gate_reason or one.reason)
        if not recent:
            table.add_row(entry.name, "", "no file", entry.mode)
        faults = [] if status.doctor is None else [f for f in status.doctor.findings if f.status == "failed"]
        for fault in faults:
            table.add_row("", "", "doctor", "", "", "", "", "", "", f"{fault.subject}: {fault.text} {fault.todo}")
    return table


def _figures(one: DeliveryStatus) -> tuple[str, ...]:
    from airflow_provider_tiktok_offline.conversions.report.report import percent

    rejected = "" if one.rejected_share is None else percent(one.rejected_share)
    events = (f"{one.events.get(name, 0):,}" for name in ("accepted", "refused", "unconfirmed"))
    return (f"{one.rows.get('total', 0):,}", rejected, *events)

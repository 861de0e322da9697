"""``offboard``: remove what is kept of one advertiser."""

from __future__ import annotations

from typing import Annotated

import typer

from airflow_provider_tiktok_offline.cli.contexts import alone, delivery_context
from airflow_provider_tiktok_offline.cli.options import ConfigPath, Reason, examples
from airflow_provider_tiktok_offline.cli.running import output
from airflow_provider_tiktok_offline.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=examples('tiktok-offline offboard my_shop --config advertisers.yaml --reason "contract ended"'))(
        offboard
    )


def offboard(
    name: Annotated[str, typer.Argument(help="The advertiser's name.")],
    config: ConfigPath,
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for the name to be typed.")] = False,
) -> None:
    """Remove an advertiser's state: deliveries, reports, staged parts, feed, ledger; the delivery records stay.

    The ledger stays where another advertiser of the configuration has the same event set. Pause the DAG before, and
    take the entry out of the configuration afterwards.
    """
    from airflow_provider_tiktok_offline.config import load_config
    from airflow_provider_tiktok_offline.delivery.operations.offboard import offboard as remove

    loaded = load_config(config)
    settings = loaded.advertiser(name).model_copy(update={"mode": "live"})
    shared = sorted(
        other.name
        for other in loaded.advertisers.values()
        if other.name != name and other.event_set_id == settings.event_set_id
    )
    if not yes and typer.prompt(f"This removes the state of {name} for good. Type its name", err=True) != name:
        raise ConfigError("another name was typed: nothing was removed.", where=name)
    with alone(settings):
        gone = remove(delivery_context(settings), with_ledger=not shared, reason=reason)
    kept = f"; the ledger stays for {', '.join(shared)}" if shared else " and the ledger"
    output().print(f"{name}: {gone.deliveries:,} deliveries, {gone.objects:,} objects removed{kept}")

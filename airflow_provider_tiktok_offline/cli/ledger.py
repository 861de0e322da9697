"""``ledger``: make the ledger of an event set, and look into it."""

from __future__ import annotations

import typer

from airflow_provider_tiktok_offline.cli.contexts import delivery_context
from airflow_provider_tiktok_offline.cli.options import Advertiser, ConfigPath, advertiser_config, examples
from airflow_provider_tiktok_offline.cli.running import output

app = typer.Typer(help="What was sent: make, look into, correct and maintain the ledger.", no_args_is_help=True)


@app.command(epilog=examples("tiktok-offline ledger init --config advertisers.yaml --advertiser my_shop"))
def init(config: ConfigPath, advertiser: Advertiser = None) -> None:
    """Make the ledger of the advertiser's event set, once; one that is there stays as it is.

    Without it nothing is sent: an empty ledger in the place of a lost one would mean "send everything again".
    """
    from airflow_provider_tiktok_offline.ledger.ledger import Ledger

    context = delivery_context(advertiser_config(config, advertiser))
    settings = context.config
    Ledger.init(
        context.objects,
        settings.event_set_id,
        identity=settings.identity_settings(),
        clock=context.clock,
        secret=context.ledger_secret,
    )
    output().print(f"The ledger of event set {settings.event_set_id} is ready under {settings.state_uri}")

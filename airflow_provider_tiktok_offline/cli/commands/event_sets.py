"""``event-sets``: the offline event sets of an ad account."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from airflow_provider_tiktok_offline.cli.accounts import AdvertiserId, open_account
from airflow_provider_tiktok_offline.cli.options import Advertiser, ApiUrl, Json, OptionalConfigPath, examples
from airflow_provider_tiktok_offline.cli.running import output
from airflow_provider_tiktok_offline.errors import ConfigError

app = typer.Typer(help="List, make and change offline event sets.", no_args_is_help=True)

EventSetId = Annotated[str, typer.Argument(metavar="EVENT_SET_ID", help="Its id.")]


@app.command(
    "list",
    epilog=examples(
        "tiktok-offline event-sets list --advertiser-id 7000000000000000001",
        "tiktok-offline event-sets list --config advertisers.yaml --advertiser my_shop",
    ),
)
def list_(
    config: OptionalConfigPath = None,
    advertiser: Advertiser = None,
    advertiser_id: AdvertiserId = None,
    api_url: ApiUrl = None,
    as_json: Json = False,
) -> None:
    """List the event sets of an ad account."""
    from rich.table import Table

    from airflow_provider_tiktok_offline.tiktok.event_sets import list_event_sets

    client, account = open_account(config, advertiser, advertiser_id, api_url)
    with client:
        event_sets = list_event_sets(client, account)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in event_sets], indent=2))
        return
    table = Table("id", "name", "auto-tracking", "created", box=None)
    for one in event_sets:
        table.add_row(one.event_set_id, one.name, "on" if one.auto_tracking else "off", one.created or "")
    output().print(table)


@app.command(
    epilog=examples('tiktok-offline event-sets create "Shop sales" --advertiser-id 7000000000000000001 --auto-tracking')
)
def create(
    name: Annotated[str, typer.Argument(help="Its name, as Ads Manager will show it.")],
    config: OptionalConfigPath = None,
    advertiser: Advertiser = None,
    advertiser_id: AdvertiserId = None,
    auto_tracking: Annotated[
        bool, typer.Option("--auto-tracking", help="Later campaigns of the account use it by themselves.")
    ] = False,
    api_url: ApiUrl = None,
) -> None:
    """Make an event set, unless there is one of this name, and print its id."""
    from airflow_provider_tiktok_offline.tiktok.event_sets import ensure_event_set

    client, account = open_account(config, advertiser, advertiser_id, api_url)
    with client:
        typer.echo(ensure_event_set(client, account, name, auto_tracking=auto_tracking))


@app.command(
    epilog=examples(
        'tiktok-offline event-sets rename 7100000000000000001 "All shops" --advertiser-id 7000000000000000001'
    )
)
def rename(
    event_set_id: EventSetId,
    name: Annotated[str, typer.Argument(help="Its new name.")],
    config: OptionalConfigPath = None,
    advertiser: Advertiser = None,
    advertiser_id: AdvertiserId = None,
    api_url: ApiUrl = None,
) -> None:
    """Give an event set another name."""
    from airflow_provider_tiktok_offline.tiktok.event_sets import update_event_set

    client, account = open_account(config, advertiser, advertiser_id, api_url)
    with client:
        changed = update_event_set(client, account, event_set_id, name=name)
    output().print(f"{changed.event_set_id} is now {changed.name}")


@app.command(
    epilog=examples(
        "tiktok-offline event-sets auto-tracking 7100000000000000001 --on --advertiser-id 7000000000000000001"
    )
)
def auto_tracking(
    event_set_id: EventSetId,
    on: Annotated[bool, typer.Option("--on/--off", help="Switch it on or off.", show_default=False)],
    config: OptionalConfigPath = None,
    advertiser: Advertiser = None,
    advertiser_id: AdvertiserId = None,
    api_url: ApiUrl = None,
) -> None:
    """Let later campaigns of the ad account use an event set by themselves, or not."""
    from airflow_provider_tiktok_offline.tiktok.event_sets import update_event_set

    client, account = open_account(config, advertiser, advertiser_id, api_url)
    with client:
        changed = update_event_set(client, account, event_set_id, auto_tracking=on)
    output().print(f"{changed.event_set_id} {changed.name}: auto-tracking {'on' if changed.auto_tracking else 'off'}")


@app.command(
    epilog=examples("tiktok-offline event-sets delete 7100000000000000001 --advertiser-id 7000000000000000001")
)
def delete(
    event_set_id: EventSetId,
    config: OptionalConfigPath = None,
    advertiser: Advertiser = None,
    advertiser_id: AdvertiserId = None,
    name: Annotated[str | None, typer.Option("--name", help="Its name, instead of typing it when asked.")] = None,
    api_url: ApiUrl = None,
) -> None:
    """Delete an event set with all its events, for good; its name must be typed."""
    from airflow_provider_tiktok_offline.tiktok.event_sets import delete_event_set, list_event_sets

    client, account = open_account(config, advertiser, advertiser_id, api_url)
    with client:
        event_sets = list_event_sets(client, account, event_set_ids=[event_set_id])
        if not event_sets:
            raise ConfigError("there is no such event set.", where=event_set_id)
        typed = name or typer.prompt(
            f"Deleting {event_sets[0].name!r} deletes its events for good. Type its name", err=True
        )
        delete_event_set(client, account, event_set_id, name=typed)
    output().print(f"{event_set_id} is deleted")

"""``config``: check the configuration, its JSON Schema, and a starter file."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_tiktok_offline.cli.commands import config_from_file
from airflow_provider_tiktok_offline.cli.commands.sample import must_be_new
from airflow_provider_tiktok_offline.cli.options import Json, examples
from airflow_provider_tiktok_offline.cli.running import UNUSABLE, complain, output, print_json, warn
from airflow_provider_tiktok_offline.clock import system_clock

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config import AdvertiserConfig

app = typer.Typer(help="Check advertisers.yaml, or start one.", no_args_is_help=True)
config_from_file.register(app)


@app.command(
    epilog=examples("tiktok-offline config check advertisers.yaml", "tiktok-offline config check conf.d --connections")
)
def check(
    path: Annotated[Path, typer.Argument(help="advertisers.yaml, or a directory of such files.")],
    connections: Annotated[
        bool,
        typer.Option(
            "--connections", help="Also look up every connection and pool, and read opt-out lists and calendars."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Say of every advertiser what is wrong with its settings, when it runs next and which file it will look for."""
    from airflow_provider_tiktok_offline.cli.next_run import next_run
    from airflow_provider_tiktok_offline.config import load_config
    from airflow_provider_tiktok_offline.config.shared_event_sets import conflicts

    loaded = load_config(path)
    faults = [str(fault) for fault in loaded.broken]
    warnings: list[str] = []
    notes: list[str] = []
    for conflict in conflicts(loaded.advertisers.values()):
        (faults if conflict.serious else warnings).append(f"{path}, {conflict}")
    for name, config in loaded.advertisers.items():
        warnings += [f"{path}, entry {name}, {text}." for text in config.warnings()]
        if connections:
            faults += [f"{path}, entry {name}, {fault}" for fault in _unreachable(config, warnings, notes)]
    runs = [next_run(config, system_clock().now()) for config in loaded.advertisers.values()]
    for text in warnings:
        warn(text)
    for fault in faults:
        complain(fault)
    if as_json:
        advertisers = [asdict(run) for run in runs]
        print_json({"faults": faults, "warnings": warnings, "notes": notes, "advertisers": advertisers})
    else:
        for line in [*notes, *map(str, runs)]:
            output().print(line)
        output().print(f"{len(loaded.advertisers)} advertisers can be used, {len(faults)} faults")
    if faults:
        raise typer.Exit(UNUSABLE)


@app.command(epilog=examples("tiktok-offline config schema > advertisers.schema.json"))
def schema() -> None:
    """Print the JSON Schema of advertisers.yaml, for editors."""
    from airflow_provider_tiktok_offline.config.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command(epilog=examples("tiktok-offline config init", "tiktok-offline config init conf.d/shops.yaml"))
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("advertisers.yaml"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented configuration to start from."""
    must_be_new(path, overwrite)
    path.write_text(starter(), encoding="utf-8")
    output().print(f"{path} written. Fill in ids and source, then: tiktok-offline config check {path}")


def starter() -> str:
    """The commented configuration that ``config init`` writes."""
    return files("airflow_provider_tiktok_offline.config").joinpath("starter.yaml").read_text(encoding="utf-8")


def _missing_connections(config: AdvertiserConfig) -> list[str]:
    from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
    from airflow_provider_tiktok_offline.config.connection_ids import connection_ids
    from airflow_provider_tiktok_offline.errors import ConfigError

    connections = EnvironmentConnections(config.tiktok_conn_id)
    faults = []
    for conn_id, key in connection_ids(config).items():
        try:
            connections.get(conn_id)
        except ConfigError as error:
            faults.append(f"key {key}: {error}")
    return faults


def _unreachable(config: AdvertiserConfig, warnings: list[str], notes: list[str]) -> list[str]:
    """What Airflow lacks of what the entry names, and why its calendar and opt-out list can't be used.

    :param warnings: what could not be looked up is added.
    :param notes: what the opt-out list holds is added.
    """
    from airflow_provider_tiktok_offline.cli.pool_check import pool_findings

    missing = _missing_connections(config)
    for finding in pool_findings(config):
        if finding.status == "failed":
            missing.append(f"key {finding}")
        elif finding.status == "warning":
            warnings.append(f"entry {config.name}, key {finding}")
    return missing or [*_closed_days(config), *_opt_out_list(config, notes)]


def _closed_days(config: AdvertiserConfig) -> list[str]:
    """Why the calendar of closed days can't be used."""
    from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
    from airflow_provider_tiktok_offline.delivery.source.closed_days import closed_days
    from airflow_provider_tiktok_offline.errors import TikTokOfflineError

    try:
        closed_days(config, EnvironmentConnections(config.tiktok_conn_id))
    except TikTokOfflineError as error:
        return [f"key source.closed_dates: {error}"]
    return []


def _opt_out_list(config: AdvertiserConfig, notes: list[str]) -> list[str]:
    """Why the advertiser's suppression list can't be used; what is read of it is added to the notes."""
    if config.suppression is None:
        return []
    from airflow_provider_tiktok_offline.cli.contexts import delivery_context
    from airflow_provider_tiktok_offline.delivery.source.opt_out_list import load_suppression
    from airflow_provider_tiktok_offline.errors import TikTokOfflineError

    try:
        people = load_suppression(delivery_context(config), accept=False)
    except TikTokOfflineError as error:
        return [f"key suppression: {error}"]
    if people is not None:
        notes.append(f"entry {config.name}, suppression list: {people.facts}")
    return []

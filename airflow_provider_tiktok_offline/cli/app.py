"""The tree of commands. Modules of commands import what they need when they run, so that ``--help`` is quick."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from airflow_provider_tiktok_offline import __version__
from airflow_provider_tiktok_offline.cli.commands import (
    attribution_report,
    auth,
    backtest,
    config,
    conversion_files,
    doctor,
    event_sets,
    ledger,
    liveramp,
    offboard,
    sample,
    simulator,
    status,
    upload,
)
from airflow_provider_tiktok_offline.cli.demo import command as demo
from airflow_provider_tiktok_offline.cli.running import DEBUG_VARIABLE

app = typer.Typer(
    name="tiktok-offline",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tiktok-offline {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from, without values.")] = False,
    version: Annotated[  # noqa: ARG001 - read by its callback
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """TikTok offline conversions: check, prepare and deliver conversion files, each transaction once.

    Exit codes: 0 done; 1 rows rejected above the gate, or part of the work refused; 2 unusable input or configuration.
    """
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


for _module in (
    conversion_files,
    upload,
    sample,
    simulator,
    demo,
    doctor,
    status,
    offboard,
    attribution_report,
    backtest,
):
    _module.register(app)
for _name, _group in (
    ("config", config.app),
    ("auth", auth.app),
    ("event-sets", event_sets.app),
    ("ledger", ledger.app),
    ("liveramp", liveramp.app),
):
    app.add_typer(_group, name=_name)

"""``simulator``: TikTok's Business API on loopback."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_tiktok_offline.cli.options import examples
from airflow_provider_tiktok_offline.cli.running import output

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.simulator.server import Listening


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples("tiktok-offline simulator", "tiktok-offline simulator --port 0 --state simulator.sqlite")
    )(simulator)


def simulator(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free one.")] = 8931,
    state: Annotated[Path | None, typer.Option(help="A file in which it remembers; without one, in memory.")] = None,
) -> None:
    """Serve TikTok's Business API on 127.0.0.1 until interrupted: for a rehearsal, nothing leaves the machine."""
    from airflow_provider_tiktok_offline.simulator.server import serve

    console = output()

    def announce(listening: Listening) -> None:
        from rich.table import Table

        table = Table(show_header=False, box=None)
        for label, value in listening.describe():
            table.add_row(label, value)
        console.print(f"TikTok's API, simulated, at {listening.url} (stop it with Ctrl-C)")
        console.print(table)
        console.file.flush()

    signal.signal(signal.SIGINT, signal.default_int_handler)
    serve(port, state=state, announce=announce)

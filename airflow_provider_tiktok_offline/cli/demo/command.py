"""``demo``: the main job, for real, on this machine alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from airflow_provider_tiktok_offline.cli.options import examples
from airflow_provider_tiktok_offline.cli.running import messages, output


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=examples("tiktok-offline demo", "tiktok-offline demo --rows 100000"))(demo)


def demo(
    rows: Annotated[int, typer.Option(min=1000, help="Rows of the sample file.")] = 10_000,
    keep: Annotated[Path | None, typer.Option(help="Leave everything that was made in this folder.")] = None,
) -> None:
    """Deliver a sample file from an SFTP server through Airflow to TikTok's API (simulated), and count what arrived.

    Nothing leaves this machine, and nothing stays running.
    """
    console = output()
    with ExitStack() as stack:
        place = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tiktok-offline-demo-")))
        place.mkdir(parents=True, exist_ok=True)
        from airflow_provider_tiktok_offline.cli.demo.closing_words import tell
        from airflow_provider_tiktok_offline.cli.demo.stage import Stage

        stage = Stage(place.resolve(), rows, tell=stack.enter_context(_progress()))
        runs = stage.play()
        stage.tell("Counting what TikTok holds")
        stage.check(runs)
        tell(console, stage, runs)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """What is going on: one changing line in a terminal, a line each elsewhere."""
    console = messages()
    if not console.is_terminal:
        yield console.print
        return
    with console.status("") as status:
        yield status.update

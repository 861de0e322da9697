"""Progress bars on stderr, where a person looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airflow_provider_tiktok_offline.cli.running import messages

#: ``progress(step, done, total)``: bytes while reading, events while sending; total None where unknown.
StepProgress = Callable[[str, int, int | None], None]


def _nobody(step: str, done: int, total: int | None) -> None:
    """Progress that nobody watches."""


@contextmanager
def step_progress() -> Iterator[StepProgress]:
    """A bar for each step that reports itself; nothing where stderr is no terminal."""
    console = messages()
    if not console.is_terminal:
        yield _nobody
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, int] = {}

        def show(step: str, done: int, total: int | None) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)  # type: ignore[arg-type]

        yield show

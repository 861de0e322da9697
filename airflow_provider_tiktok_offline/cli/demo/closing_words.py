"""What the demo says at its end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.cli.demo.stage import DemoRun, Stage


def tell(console: Console, stage: Stage, runs: list[DemoRun]) -> None:
    """Print rows, rejected rows by rule, runs with their steps, and where the report lies."""
    console.print(_rows(stage.summary["rows"]))
    console.print(_rejected(stage))
    console.print(_runs(runs))
    console.print(
        Text.assemble(
            (f"{len(stage.held):,} events at TikTok (simulated), each once", "bold green"),
            ", and each field by field what the file's valid rows demand, counted again with hashlib and phonenumbers.",
        )
    )
    console.print(f"Report for people: {stage.report()}", soft_wrap=True)


def _rows(rows: Mapping[str, int]) -> Table:
    table = Table(title="The file", title_justify="left", show_header=False)
    for label, name in (
        ("rows", "rows_total"),
        ("valid, sent", "rows_valid"),
        ("rejected", "rows_rejected"),
        ("duplicates", "rows_duplicate"),
        ("excluded (returns, zero amounts)", "rows_excluded"),
    ):
        table.add_row(label, f"{rows[name]:,}")
    return table


def _rejected(stage: Stage) -> Table:
    [path] = stage.state.glob(f"advertisers/*/deliveries/{stage.summary['delivery_id']}/report.json")
    counts: Counter[tuple[str, str]] = Counter()
    for issue in json.loads(path.read_text())["issues"]:
        if issue["severity"] == "error":
            counts[issue["rule"], issue["column"] or ""] += issue["rows"]
    table = Table("rule", "column", "rows", title="Rejected by rule", title_justify="left")
    table.columns[2].justify = "right"
    for (rule, column), rows in counts.most_common():
        table.add_row(rule, column, f"{rows:,}")
    return table


def _runs(runs: list[DemoRun]) -> Table:
    table = Table(title="Runs of the DAG, seconds a step", title_justify="left")
    table.add_column("")
    for number, _ in enumerate(runs, start=1):
        table.add_column(f"run {number}", justify="right")
    for step in dict.fromkeys(task["task_id"] for run in runs for task in run.tasks):
        table.add_row(step, *(_seconds(run, step) for run in runs))
    taken = [0, *(run.taken for run in runs)]
    sent = [after - before for before, after in pairwise(taken)]
    table.add_row("events sent", *(f"{count:,}" for count in sent), style="bold")
    table.caption = "\n".join(
        f"run {number}: {run.title[0].lower()}{run.title[1:]}" for number, run in enumerate(runs, 1)
    )
    table.caption_justify = "left"
    return table


def _seconds(run: DemoRun, step: str) -> str:
    tasks = [task for task in run.tasks if task["task_id"] == step]
    if not tasks:
        return "–"
    if all(task["state"] == "skipped" for task in tasks):
        return "skipped"
    took = sum(task["seconds"] or 0 for task in tasks)
    parts = f" ({len(tasks)} parts)" if len(tasks) > 1 else ""
    return f"{took:.1f}{parts}"

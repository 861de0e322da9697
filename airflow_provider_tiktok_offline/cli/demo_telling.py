"""What the demo says at its end."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.cli.demo import DemoRun, Stage

_STEPS = ("wait_for_file", "validate", "normalize_hash", "dedupe", "upload", "summary")


def tell(console: Console, stage: Stage, runs: list[DemoRun]) -> None:
    """Print rows, rejected rows by rule, runs with their steps, and where the report lies."""
    console.print(_rows(stage.summary["rows"]))
    console.print(_rejected(stage))
    console.print(_runs(runs))
    console.print(
        f"[bold green]{len(stage.held):,} events at TikTok (simulated), each once[/], and each field by field what the"
        " file's valid rows demand, counted again with hashlib and phonenumbers."
    )
    console.print(f"Report for people: {stage.report()}", soft_wrap=True)


def _rows(rows: dict[str, Any]) -> Table:
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
    table = Table("run", *_STEPS, "events sent", title="Runs of the DAG, seconds a step", title_justify="left")
    before = 0
    for run in runs:
        table.add_row(run.title, *(_seconds(run, step) for step in _STEPS), f"{run.taken - before:,}")
        before = run.taken
    return table


def _seconds(run: DemoRun, step: str) -> str:
    tasks = [task for task in run.tasks if task["task_id"] == step]
    if all(task["state"] == "skipped" for task in tasks):
        return "skipped"
    took = sum(task["seconds"] or 0 for task in tasks)
    parts = f" ({len(tasks)} parts)" if len(tasks) > 1 else ""
    return f"{took:.1f}{parts}"

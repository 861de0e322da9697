"""``backtest``: old files through rules, gate, drift and opt-outs, to choose limits before going live."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_tiktok_offline.cli.jobs import Job, opened
from airflow_provider_tiktok_offline.cli.options import Advertiser, ConfigPath, Json, advertiser_config, examples
from airflow_provider_tiktok_offline.cli.running import output
from airflow_provider_tiktok_offline.errors import ConfigError, InputFileError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
    from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
    from airflow_provider_tiktok_offline.conversions.report.report import Report
    from airflow_provider_tiktok_offline.delivery.events.day_history import DayFigures

#: A day's file is judged at this hour of the next day.
_HOUR = time(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a run would have done with one file.

    Attributes:
        file: its name.
        day: on which most of its transactions lie; None for a file without a valid row.
        outcome: ``sent``, ``alert`` (sent with a warning), ``ask`` (a person would have been asked) or ``stop``.
        reasons: why not just sent, in words.
        rows, valid, rejected, excluded, suppressed: its rows; those of people who opted out are among the excluded.
        compared_with: what it was compared with for drift.
    """

    file: str
    day: str | None
    outcome: str
    reasons: tuple[str, ...]
    rows: int = 0
    valid: int = 0
    rejected: int = 0
    excluded: int = 0
    suppressed: int = 0
    compared_with: str = ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples("tiktok-offline backtest /archive/2026 --config advertisers.yaml --advertiser my_shop")
    )(backtest)


def backtest(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A directory of old conversion files.", exists=True, file_okay=False)
    ],
    config: ConfigPath,
    advertiser: Advertiser = None,
    as_json: Json = False,
) -> None:
    """Say which of a directory's files would have stopped or alerted, and why. Nothing is sent and no state is kept.

    Each file is judged at 6:00 on the day after its own, by today's settings and the opt-out list of today, and is
    compared with the files of the directory before it.
    """
    entry = advertiser_config(config, advertiser)
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not files:
        raise ConfigError("there is no file.", where=str(folder))
    verdicts = judge_all(files, entry)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in verdicts], indent=2))
    else:
        _show(verdicts)


def judge_all(files: Sequence[Path], entry: AdvertiserConfig) -> list[Verdict]:
    """The verdicts of all files, oldest first; files without a day come last."""
    from airflow_provider_tiktok_offline.delivery.events.day_history import figures_of

    read = [(path, _read(path, entry)) for path in files]
    dated = sorted(read, key=lambda one: (_day(one[1]), one[0].name))
    history: list[DayFigures] = []
    verdicts = []
    for path, report in dated:
        verdict = _judge(path, report, entry, history)
        verdicts.append(verdict)
        # Compared are delivered files only, as in a run.
        figures = figures_of(report) if not isinstance(report, InputFileError) else None
        if figures is not None and verdict.outcome != "stop":
            history.append(figures)
    return verdicts


def _read(path: Path, entry: AdvertiserConfig) -> Report | InputFileError:
    """The report of a file as of the morning after its day."""
    try:
        with opened(str(path), entry) as job:
            # Which day it is shows only in its rows; their age is judged afterwards.
            ageless = _validate(job, replace(job.settings, lookback_days=None), job.now)
            if ageless.day is None:
                return ageless
            morning = datetime.combine(date.fromisoformat(ageless.day) + timedelta(days=1), _HOUR, entry.zone)
            return _validate(job, job.settings, morning.astimezone(UTC))
    except InputFileError as error:
        return error


def _validate(job: Job, settings: ConversionSettings, as_of: datetime) -> Report:
    from airflow_provider_tiktok_offline.conversions.preparation import prepare as engine

    options = engine.PassOptions(spill_dir=job.spill_dir, progress=job.progress("backtest"))
    return engine.validate(job.source, settings, as_of=as_of, suppression=job.suppression, options=options)


def _day(report: Report | InputFileError) -> str:
    return "9999" if isinstance(report, InputFileError) or report.day is None else report.day


def _judge(
    path: Path, report: Report | InputFileError, entry: AdvertiserConfig, history: Sequence[DayFigures]
) -> Verdict:
    from airflow_provider_tiktok_offline.delivery.events.day_history import figures_of
    from airflow_provider_tiktok_offline.delivery.events.drift import Drift, compare

    if isinstance(report, InputFileError):
        return Verdict(file=path.name, day=None, outcome="stop", reasons=(report.what.rstrip("."),))
    today = figures_of(report)
    drift = Drift((), "", compared=False)
    if today is not None and entry.drift != "off":
        drift = compare(today, history, closed=entry.source.closed_dates)
    outcome, reasons = _outcome(report, entry, drift.findings)
    return Verdict(
        file=path.name,
        day=report.day,
        outcome=outcome,
        reasons=reasons,
        rows=report.rows_total,
        valid=report.rows_valid,
        rejected=report.rows_rejected,
        excluded=report.rows_excluded,
        suppressed=report.excluded.get("suppressed", 0),
        compared_with=drift.basis,
    )


def _outcome(report: Report, entry: AdvertiserConfig, drifted: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    if report.gate_exceeded:
        return "stop", (f"gate: {report.gate_in_words}", *drifted)
    if not drifted:
        return "sent", ()
    return {"warn": "alert", "approve": "ask"}.get(entry.drift, "stop"), tuple(f"drift: {one}" for one in drifted)


def _show(verdicts: Sequence[Verdict]) -> None:
    from rich.table import Table

    from airflow_provider_tiktok_offline.conversions.report.report import percent

    table = Table("day", "file", "outcome", "rows", "rejected", "opted out", "why", box=None)
    for one in verdicts:
        rejected = percent(one.rejected, one.rows)
        table.add_row(
            one.day or "",
            one.file,
            one.outcome,
            f"{one.rows:,}",
            rejected,
            f"{one.suppressed:,}",
            "; ".join(one.reasons),
        )
    output().print(table)
    counts = {name: sum(one.outcome == name for one in verdicts) for name in ("sent", "alert", "ask", "stop")}
    output().print(f"{len(verdicts)} files: " + ", ".join(f"{count} {name}" for name, count in counts.items() if count))

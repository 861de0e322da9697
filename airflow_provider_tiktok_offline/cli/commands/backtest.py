"""``backtest``: old files through rules, gate, guards, drift and opt-outs, to choose limits before going live."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, field, replace
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
    from airflow_provider_tiktok_offline.conversions.preparation.prepare import PassOptions
    from airflow_provider_tiktok_offline.conversions.report.report import Report
    from airflow_provider_tiktok_offline.delivery.events.day_history import DayFigures
    from airflow_provider_tiktok_offline.delivery.events.guard_limits import GuardFigures

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
    from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
    from airflow_provider_tiktok_offline.delivery.source.closed_days import closed_days

    found = sorted((_read(path, entry) for path in files), key=lambda one: (one.day, one.path.name))
    before = _Before(closed_days(entry, EnvironmentConnections(entry.tiktok_conn_id)))
    verdicts = []
    for one in found:
        verdict = _judge(one, entry, before)
        verdicts.append(verdict)
        if verdict.outcome != "stop":
            before.add(one)
    return verdicts


@dataclass(frozen=True, slots=True)
class _File:
    """One file as it was read.

    Attributes:
        report: its report, or why it can't be read.
        guarded: what ``guards:`` are compared with; None if they need nothing.
    """

    path: Path
    report: Report | InputFileError
    guarded: GuardFigures | None = None

    @property
    def day(self) -> str:
        return "9999" if isinstance(self.report, InputFileError) or self.report.day is None else self.report.day


@dataclass(slots=True)
class _Before:
    """The files before, as a run would have delivered them: what drift and sizes are compared with.

    Attributes:
        closed: the days on which shops are closed.
        days, sizes: the figures and the size of each file.
    """

    closed: Container[date]
    days: list[DayFigures] = field(default_factory=list)
    sizes: list[tuple[date, int]] = field(default_factory=list)

    def add(self, one: _File) -> None:
        from airflow_provider_tiktok_offline.delivery.events.day_history import figures_of

        if isinstance(one.report, InputFileError) or (figures := figures_of(one.report)) is None:
            return
        self.days.append(figures)
        self.sizes.append((figures.day, one.report.size))


def _read(path: Path, entry: AdvertiserConfig) -> _File:
    """A file as of the morning after its day."""
    from airflow_provider_tiktok_offline.conversions.preparation import prepare as engine

    try:
        with opened(str(path), entry) as job:
            options = engine.PassOptions(spill_dir=job.spill_dir, progress=job.progress("backtest"))
            # Which day it is shows only in its rows; their age is judged afterwards.
            ageless = engine.validate(
                job.source,
                replace(job.settings, lookback_days=None),
                as_of=job.now,
                suppression=job.suppression,
                options=options,
            )
            if ageless.day is None:
                return _File(path, ageless)
            morning = datetime.combine(date.fromisoformat(ageless.day) + timedelta(days=1), _HOUR, entry.zone)
            return _of_day(path, job, entry, morning.astimezone(UTC), options)
    except InputFileError as error:
        return _File(path, error)


def _of_day(path: Path, job: Job, entry: AdvertiserConfig, as_of: datetime, options: PassOptions) -> _File:
    """A file at that moment; prepared like a run's where a guard needs its events, which are thrown away."""
    from airflow_provider_tiktok_offline.conversions.preparation import prepare as engine
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
    from airflow_provider_tiktok_offline.delivery.events.guard_limits import GuardFigures, read_figures

    guards = entry.guards
    if (guards.max_events, guards.max_value, guards.max_amount, guards.stores) == (None,) * 4:
        report = engine.validate(job.source, job.settings, as_of=as_of, suppression=job.suppression, options=options)
        return _File(path, report)
    if entry.route == "liveramp":
        # Its feed has a row an event, and no sum of it is known before it is written.
        report = engine.validate(job.source, job.settings, as_of=as_of, suppression=job.suppression, options=options)
        return _File(path, report, GuardFigures(report.rows_valid))
    parts = DirectoryParts(job.spill_dir / "parts")
    prepared = engine.prepare(
        job.source, job.settings, as_of=as_of, output=parts, suppression=job.suppression, options=options
    )
    return _File(path, prepared.report, read_figures(PreparedEvents.open(parts), guards))


def _judge(one: _File, entry: AdvertiserConfig, before: _Before) -> Verdict:
    from airflow_provider_tiktok_offline.delivery.events.day_history import figures_of
    from airflow_provider_tiktok_offline.delivery.events.drift import Drift, compare

    report = one.report
    if isinstance(report, InputFileError):
        return Verdict(file=one.path.name, day=None, outcome="stop", reasons=(report.what.rstrip("."),))
    today = figures_of(report)
    drift = Drift((), "", compared=False)
    if today is not None and entry.drift != "off":
        drift = compare(today, before.days, closed=before.closed)
    outcome, reasons = _outcome(report, entry, drift.findings, _breached(one, report, entry, before))
    return Verdict(
        file=one.path.name,
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


def _breached(one: _File, report: Report, entry: AdvertiserConfig, before: _Before) -> tuple[str, ...]:
    """The guards that the file is over, as dedupe would have said."""
    from airflow_provider_tiktok_offline.delivery.events.coverage import too_anonymous
    from airflow_provider_tiktok_offline.delivery.events.guard_limits import SIZE_DAYS, breached_limits, breached_size

    found = [] if one.guarded is None else list(breached_limits(entry.guards, one.guarded))
    if report.day is None:
        return tuple(found)
    since = date.fromisoformat(report.day) - timedelta(days=SIZE_DAYS)
    if entry.guards.size_factor is not None:
        sizes = [size for day, size in before.sizes if day >= since]
        found += breached_size(report.size, sizes, entry.guards.size_factor)
    usual = [day.identifiers for day in before.days if day.day >= since]
    anonymous = too_anonymous(report.identifiers, entry.max_anonymous_ratio, usual)
    return tuple(found) if anonymous is None else (*found, anonymous)


def _outcome(
    report: Report, entry: AdvertiserConfig, drifted: tuple[str, ...], breached: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """The worst of what gate, guards and drift say, with all their reasons."""
    reasons = (*(f"guard: {one}" for one in breached), *(f"drift: {one}" for one in drifted))
    if report.gate_exceeded:
        return "stop", (f"gate: {report.gate_in_words}", *reasons)
    if not reasons:
        return "sent", ()
    actions = {
        *({"approve": "ask"}.get(entry.guards.on_breach, "stop") for _ in breached),
        *({"warn": "alert", "approve": "ask"}.get(entry.drift, "stop") for _ in drifted),
    }
    return next(one for one in ("stop", "ask", "alert") if one in actions), reasons


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

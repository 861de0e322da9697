"""``validate``, ``prepare`` and ``events``: what a conversion file is worth, and what it becomes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from airflow_provider_tiktok_offline.cli.jobs import opened
from airflow_provider_tiktok_offline.cli.options import (
    Advertiser,
    AsOf,
    ConfigPath,
    Day,
    Gate,
    Json,
    OptionalConfigPath,
    advertiser_config,
    examples,
    file_day,
    moment,
)
from airflow_provider_tiktok_offline.cli.running import REFUSED, output, print_lines, warn
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.conversions.report.report import Report

File = Annotated[
    str, typer.Argument(metavar="FILE", help="A conversion file: a path, or a URI such as sftp://conn_id@/out/day.csv.")
]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", help="Write the report here: as JSON, or as a page if the name ends in .html."),
]
Html = Annotated[Path | None, typer.Option("--html", help="Write the report as a page for people here.")]
Rejects = Annotated[
    Path | None, typer.Option("--rejects", help="Write every issue here: line, column, rule, severity, cost, message.")
]
Repair = Annotated[
    Path | None,
    typer.Option("--repair", help="Write the rejected rows themselves here, to correct and replay; holds plain data."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=examples(
            "tiktok-offline validate sales.csv",
            "tiktok-offline validate sales.csv --profile liveramp --report report.json --rejects rejects.csv",
            "tiktok-offline validate sales.csv --config advertisers.yaml --advertiser my_shop",
        )
    )(validate)
    app.command(
        epilog=examples("tiktok-offline prepare sales.csv --config advertisers.yaml -a my_shop --output prepared/")
    )(prepare)
    app.command(epilog=examples("tiktok-offline events prepared/ | head -3"))(events)


def validate(
    file: File,
    config: OptionalConfigPath = None,
    advertiser: Advertiser = None,
    profile: Annotated[
        Literal["tiktok", "liveramp"] | None, typer.Option(help="Whose rules decide what is an error.")
    ] = None,
    as_of: AsOf = None,
    day: Day = None,
    report: ReportFile = None,
    html: Html = None,
    rejects: Rejects = None,
    repair: Repair = None,
    max_rejected_ratio: Gate = None,
    as_json: Json = False,
) -> None:
    """Check a conversion file and say what is wrong where; nothing is sent and no value is shown.

    Without a configuration: profile tiktok, no currency, no phone region (phones need their country code).
    """
    from airflow_provider_tiktok_offline.conversions.preparation import prepare as engine

    entry = advertiser_config(config, advertiser) if config is not None else None
    if entry is None and day is not None:
        raise ConfigError("needs a configuration, which says the days.", where="--day", todo="Add --config.")
    expected_on = None if entry is None else file_day(day, file, entry)
    with (
        opened(file, entry, profile=profile, max_rejected_ratio=max_rejected_ratio, day=expected_on) as job,
        _written(rejects) as rejects_stream,
        _repaired(repair) as repair_stream,
    ):
        file_report = engine.validate(
            job.source,
            job.settings,
            as_of=moment(as_of) or job.now,
            suppression=job.suppression,
            options=engine.PassOptions(
                rejects=rejects_stream,
                repair=repair_stream,
                progress=job.progress("validate"),
                spill_dir=job.spill_dir,
            ),
        )
    if entry is not None:
        from airflow_provider_tiktok_offline.delivery.events.coverage import unless_usual

        file_report = unless_usual(file_report, entry.max_anonymous_ratio, ())
    if report is not None:
        _write_report(file_report, report)
    _finish(file_report, html, as_json=as_json)


def prepare(
    file: File,
    config: ConfigPath,
    to: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Directory for the parts.")],
    advertiser: Advertiser = None,
    as_of: AsOf = None,
    day: Day = None,
    html: Html = None,
    rejects: Rejects = None,
    repair: Repair = None,
    max_rejected_ratio: Gate = None,
    as_json: Json = False,
) -> None:
    """Turn a conversion file into hashed events: Parquet parts, manifest.json and report.json; nothing is sent."""
    from airflow_provider_tiktok_offline.conversions.preparation import prepare as engine
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
    from airflow_provider_tiktok_offline.conversions.report.report import number_of

    entry = advertiser_config(config, advertiser)
    if to.exists() and not to.is_dir():
        raise ConfigError("must be a directory.", where=f"--output {to}")
    parts = DirectoryParts(to)
    with (
        opened(file, entry, max_rejected_ratio=max_rejected_ratio, day=file_day(day, file, entry)) as job,
        _written(rejects) as rejects_stream,
        _repaired(repair) as repair_stream,
    ):
        made = engine.prepare(
            job.source,
            job.settings,
            as_of=moment(as_of) or job.now,
            output=parts,
            suppression=job.suppression,
            options=engine.PassOptions(
                rejects=rejects_stream,
                repair=repair_stream,
                part_events=entry.upload.part_events,
                progress=job.progress("prepare"),
                spill_dir=job.spill_dir,
            ),
        )
    events, parts_made = made.manifest["events"], len(made.manifest["parts"])
    if not as_json:
        output().print(f"{to}: {number_of(events, 'event')} in {number_of(parts_made, 'part')}")
    _finish(made.report, html, as_json=as_json)


def events(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What `prepare` has written.")],
) -> None:
    """Print the prepared events as newline-delimited JSON, one item of TikTok's data[] a line, in file order."""
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents

    if not (directory / "manifest.json").is_file():
        raise ConfigError(
            "there is no manifest.json.",
            where=str(directory),
            todo="Make one: tiktok-offline prepare FILE --output DIR.",
        )
    print_lines(PreparedEvents.open(DirectoryParts(directory)).json_lines())


@contextmanager
def _written(path: Path | None) -> Iterator[BinaryIO | None]:
    """A file that only this user can read, there once it is whole; None where none is asked for."""
    if path is None:
        yield None
        return
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts

    with DirectoryParts(path.parent).open_write(path.name) as stream:
        yield stream


@contextmanager
def _repaired(path: Path | None) -> Iterator[BinaryIO | None]:
    if path is not None:
        warn(f"{path} will hold customers' data in clear; delete it once its rows are corrected and replayed.")
    with _written(path) as stream:
        yield stream


def _write_report(report: Report, to: Path) -> None:
    """Write the report as the file's name says: a page (.html, .htm), else JSON."""
    if to.suffix.lower() in (".html", ".htm"):
        from airflow_provider_tiktok_offline.conversions.report.html_report import html as page

        to.write_text(page(report), encoding="utf-8")
    else:
        to.write_text(report.to_json(), encoding="utf-8")


def _finish(report: Report, html: Path | None, *, as_json: bool) -> None:
    from airflow_provider_tiktok_offline.conversions.report.html_report import html as page
    from airflow_provider_tiktok_offline.conversions.report.report import render

    if html is not None:
        html.write_text(page(report), encoding="utf-8")
    if as_json:
        typer.echo(report.to_json())
    else:
        render(report, output(markup=True))
    if report.gate_exceeded:
        raise typer.Exit(REFUSED)

"""``template`` and ``sample``: a file to fill in, and files to try things with."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer

from airflow_provider_tiktok_offline.cli.options import AsOf, examples, moment
from airflow_provider_tiktok_offline.cli.running import output
from airflow_provider_tiktok_offline.errors import ConfigError

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=examples(
            "tiktok-offline sample sales.csv --rows 10000 --bad-ratio 0.03 --seed 7",
            "tiktok-offline sample sales.csv.gz --rows 2000000",
        )
    )(sample)
    app.command(epilog=examples("tiktok-offline template sales.csv", "tiktok-offline template sales.xlsx"))(template)


def template(
    file: Annotated[Path, typer.Argument(help="Where to: .csv, .tsv, .psv or .txt; .xlsx with instructions.")],
    overwrite: Overwrite = False,
) -> None:
    """Write an empty conversion file: the programme's 24 columns, in .xlsx with a row of instructions."""
    from airflow_provider_tiktok_offline.samples.template import write_template

    must_be_new(file, overwrite)
    write_template(file)
    hint = (
        " Delete the row of instructions, and save it as .csv, before it is delivered."
        if file.suffix == ".xlsx"
        else ""
    )
    output().print(f"{file} written.{hint}")


def sample(
    file: Annotated[Path, typer.Argument(help="Where to; the type (.csv, .tsv, .psv, .txt) says the delimiter.")],
    rows: Annotated[int, typer.Option(min=0, help="Data rows.")] = 1000,
    bad_ratio: Annotated[float, typer.Option(min=0, max=1, help="Share of rows with a fault, of every kind.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same file.")] = 0,
    days: Annotated[int, typer.Option(min=1, help="Transactions lie in so many days before now.")] = 7,
    as_of: AsOf = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a realistic conversion file without real people."""
    from airflow_provider_tiktok_offline.clock import system_clock
    from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample

    must_be_new(file, overwrite)
    made = write_sample(
        file,
        rows,
        as_of=(moment(as_of) or system_clock().now()).astimezone(UTC),
        bad_ratio=bad_ratio,
        seed=seed,
        form=SampleForm(days=days),
    )
    output().print(f"{file}: {made.rows} rows, {made.faults.height} of them with a fault, {made.size} bytes")


def must_be_new(file: Path, overwrite: bool) -> None:
    """Refuse to write over a file.

    :raises ConfigError: if there is one and ``overwrite`` is not given, or its folder is missing.
    """
    if not file.parent.is_dir():
        raise ConfigError("there is no such directory.", where=str(file.parent))
    if file.exists() and not overwrite:
        raise ConfigError("the file is there already.", where=str(file), todo="Give another name, or --overwrite.")

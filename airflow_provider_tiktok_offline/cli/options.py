"""Options that several commands share."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.storage.uris import is_uri, parse

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config.models import AdvertiserConfig

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="advertisers.yaml, or a directory of such files.", show_default=False)
]
OptionalConfigPath = Annotated[
    Path | None, typer.Option("--config", "-c", help="advertisers.yaml, or a directory of such files.")
]
Advertiser = Annotated[
    str | None,
    typer.Option("--advertiser", "-a", help="Name of the entry; may be left out where the file has one only."),
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="ISO8601", help="Judge the age of rows against this moment instead of now (UTC)."),
]
ApiUrl = Annotated[
    str | None, typer.Option("--api-url", metavar="URL", help="Another base URL of TikTok's API, as the simulator's.")
]
Gate = Annotated[
    float | None,
    typer.Option("--max-rejected-ratio", min=0, max=1, help="The gate; 0.05 unless the configuration says otherwise."),
]
Day = Annotated[
    str | None,
    typer.Option(
        "--day",
        metavar="YYYY-MM-DD",
        help="The day that the file is for, where its name does not say it. It decides what a file without rows does, "
        "or one with the rows of another day.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the audit trail.", show_default=False)]


def examples(*lines: str) -> str:
    """The examples below a command's help."""
    return "\n\n".join(["[bold]Examples[/bold]", *(f"$ {line}" for line in lines)])


def moment(text: str | None) -> datetime | None:
    """An ISO 8601 moment in UTC; without an offset it is taken as UTC.

    :raises ConfigError: if it is none.
    """
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            "is no ISO 8601 moment.", where="--as-of", todo="Write it as 2026-11-22 or 2026-11-22T06:00:00Z."
        ) from None
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)


def file_day(text: str | None, file: str, entry: AdvertiserConfig) -> date | None:
    """The day that a file is for: as given, else as the file's name says by the advertiser's ``source.path``.

    :param text: what ``--day`` was given.
    :raises ConfigError: if it is no day.
    """
    from airflow_provider_tiktok_offline.delivery.source.find_file import day_in_name

    if text is None:
        today = system_clock().now().astimezone(entry.zone).date()
        return day_in_name(entry.source, file.rpartition("/")[2], today=today)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError("is no day.", where="--day", todo="Write it as 2026-11-22.") from None


def file_uri(file: str) -> str:
    """A file named on the command line as the URI that the steps of a delivery take."""
    return str(parse(file)) if is_uri(file) else str(Path(file).absolute())


def all_advertisers(path: Path) -> list[AdvertiserConfig]:
    """The settings of every advertiser.

    :raises ConfigError: if an entry is broken.
    """
    from airflow_provider_tiktok_offline.config import load_config

    loaded = load_config(path)
    if loaded.broken:
        raise loaded.broken[0].error()
    return list(loaded.advertisers.values())


def advertiser_config(path: Path, name: str | None) -> AdvertiserConfig:
    """The settings of one advertiser.

    :param name: its name; None where the configuration has one advertiser only.
    :raises ConfigError: if it is missing, broken, or not the only one.
    """
    from airflow_provider_tiktok_offline.config import load_config

    loaded = load_config(path)
    if name is not None:
        return loaded.advertiser(name)
    if loaded.broken:
        raise loaded.broken[0].error()
    if len(loaded.advertisers) != 1:
        raise ConfigError(
            f"the configuration has {len(loaded.advertisers)} advertisers.",
            where=str(path),
            todo=f"Add --advertiser NAME; there are {', '.join(sorted(loaded.advertisers)[:10]) or 'none'}.",
        )
    return next(iter(loaded.advertisers.values()))

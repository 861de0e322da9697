"""Feed files without a delivery: a sample to set the feed up, a check against its contract, a file to look at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.feed_setup import (
    contract_settings,
    feed_name,
    liveramp_config,
    open_feed_state,
)
from airflow_provider_tiktok_offline.delivery.events.planning import ledger_or_none, ledger_verdicts
from airflow_provider_tiktok_offline.delivery.source.opt_out_list import load_suppression
from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import FeedError

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
    from airflow_provider_tiktok_offline.conversions.report.report import Report
    from airflow_provider_tiktok_offline.ledger.ledger import Ledger
    from airflow_provider_tiktok_offline.liveramp.feed import Feed
    from airflow_provider_tiktok_offline.liveramp.writer import FeedFile

_DELIMITERS = {"comma": ",", "tab": "\t", "pipe": "|"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFeedFile:
    """A feed file that was written for a look.

    Attributes:
        rows, bytes, sha256: of the file.
        left_out: valid rows that were delivered before, or that a delivery holds.
    """

    rows: int
    bytes: int
    sha256: str
    left_out: int

    def to_dict(self) -> dict[str, int | str]:
        """Plain values, as XCom and JSON carry them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Checked:
    """One file after a pass under the strict profile, still open."""

    source: StoredFile
    settings: ConversionSettings
    report: Report
    verdicts: Path

    def valid(self) -> Iterator[pl.DataFrame]:
        """Its valid rows."""
        import polars as pl

        from airflow_provider_tiktok_offline.conversions.preparation.row_verdicts import read_verdicts

        with self.verdicts.open("rb") as stream:
            for frame in read_verdicts(stream):
                yield frame.filter(pl.col("class") == "valid")


def make_sample(
    ctx: DeliveryContext, uri: str | None, *, columns: Sequence[str] = (), categories: Sequence[str] = ()
) -> bytes:
    """A sample file for LiveRamp to set the feed up with: at least 25 rows, every category that will be used.

    :param uri: a file of real rows; None for made-up ones.
    :param columns: the headers of a sample of made-up rows.
    :param categories: every category that will be used; empty for those that occur among the valid rows.
    :raises FeedError: if no feed can be set up with them.
    """
    from airflow_provider_tiktok_offline.liveramp.feed_sample import placeholder_sample, sample_from
    from airflow_provider_tiktok_offline.liveramp.line_set import LineSet
    from airflow_provider_tiktok_offline.liveramp.writer import FeedSource

    settings = liveramp_config(ctx)
    if uri is None:
        delimiter = _DELIMITERS[settings.delimiter or "comma"]
        return placeholder_sample(tuple(columns), delimiter, categories, now=ctx.clock.now())
    with _checked(ctx, uri) as checked:
        valid = LineSet()
        for frame in checked.valid():
            valid.add(frame["line"])
        event_map = ctx.config.event_map
        used = categories or sorted({event_map.get(name, name) for name in checked.report.categories})
        source = FeedSource(source=checked.source, settings=checked.settings, lines=valid, sha256=checked.report.sha256)
        delimiter = _DELIMITERS[settings.delimiter or checked.report.delimiter]
        return sample_from(source, delimiter=delimiter, categories=used)


def accept_feed(ctx: DeliveryContext, sample: Path, *, replace_existing: bool = False) -> Feed:
    """Make the feed's contract from the sample file that LiveRamp has set it up with.

    :param replace_existing: LiveRamp has changed the format in a support case; there may be a contract already.
    :raises FeedError: if the sample is none, or there is another contract.
    """
    from airflow_provider_tiktok_offline.liveramp.feed_sample import accept_sample

    liveramp_config(ctx)
    try:
        content = sample.read_bytes()
    except OSError as error:
        raise FeedError(f"the sample can't be read ({error.strerror}).", where=str(sample)) from None
    feed = accept_sample(
        content, file_name=sample.name, name=feed_name(ctx), advertiser=ctx.config.name, now=ctx.clock.now()
    )
    open_feed_state(ctx).accept(feed, replace_existing=replace_existing)
    return feed


def check_file(ctx: DeliveryContext, uri: str) -> Report:
    """Check a file against the programme's rules and the feed's contract; nothing is written.

    :raises FeedError: if the feed has no contract, or the file has drifted from it.
    :raises InputFileError: if the file can't be used at all.
    """
    with _checked(ctx, uri) as checked:
        _feed_file(ctx, checked, None).measure()
        return checked.report


def write_file(ctx: DeliveryContext, uri: str, to: Path) -> WrittenFeedFile:
    """Write the feed file that a delivery of this file alone would make, plain, for its owner alone to read.

    :returns: what was written.
    :raises FeedError: as :func:`check_file`.
    """
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts

    with _checked(ctx, uri) as checked:
        file = _feed_file(ctx, checked, ledger_or_none(ctx))
        with DirectoryParts(to.parent).open_write(to.name) as stream:
            for chunk in file.chunks():
                stream.write(chunk)
        return WrittenFeedFile(
            rows=file.rows, bytes=file.bytes, sha256=file.sha256, left_out=checked.report.rows_valid - file.rows
        )


def _feed_file(ctx: DeliveryContext, checked: _Checked, ledger: Ledger | None) -> FeedFile:
    """The feed file of the valid rows; with a ledger, of those that were not sent before."""
    from airflow_provider_tiktok_offline.ledger.event_states import UNTRIED_VERDICTS
    from airflow_provider_tiktok_offline.liveramp.line_set import LineSet
    from airflow_provider_tiktok_offline.liveramp.writer import FeedFile, FeedSource

    lines = LineSet()
    for frame in checked.valid():
        lines.add(frame.filter(ledger_verdicts(ctx, ledger, frame).is_in(UNTRIED_VERDICTS))["line"])
    feed = open_feed_state(ctx).contract(ctx.config.name)
    source = FeedSource(source=checked.source, settings=checked.settings, lines=lines, sha256=checked.report.sha256)
    return FeedFile(feed, [source])


@contextmanager
def _checked(ctx: DeliveryContext, uri: str) -> Iterator[_Checked]:
    from airflow_provider_tiktok_offline.conversions.preparation import prepare
    from airflow_provider_tiktok_offline.storage.files import open_files

    liveramp_config(ctx)
    settings = contract_settings(ctx)
    with (
        open_files(uri, ctx.connections) as files,
        tempfile.TemporaryDirectory(prefix="tiktok-offline-") as folder,
    ):
        source = StoredFile(uri, files.stat(uri).size, files)
        verdicts = Path(folder) / "verdicts.parquet"
        with verdicts.open("wb") as stream:
            report = prepare.validate(
                source,
                settings,
                as_of=ctx.clock.now(),
                suppression=load_suppression(ctx),
                verdicts=stream,
                options=prepare.PassOptions(
                    progress=lambda done, total, _rows: ctx.progress("check", done, total), spill_dir=folder
                ),
            )
        yield _Checked(source, settings, report, verdicts)

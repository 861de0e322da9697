"""Writes the feed file as one stream: the chosen lines of one or several source files, in the feed's form.

The output is UTF-8 without a byte order mark, rectangular, without a quote, one line end ``\\n`` a row. A value
that would need a quote can't be written: its row is left out and named by line and column.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.catalogue import severity_of
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.byte_source import ByteSource
from airflow_provider_tiktok_offline.conversions.file.header import Header
from airflow_provider_tiktok_offline.conversions.file.line_scan import Text
from airflow_provider_tiktok_offline.conversions.file.parsing import Parsed, parse, screen
from airflow_provider_tiktok_offline.conversions.file.reader import Block, FileReader, RunningDigest
from airflow_provider_tiktok_offline.conversions.rules.amounts import decimal_text, number_format, read_amounts
from airflow_provider_tiktok_offline.conversions.rules.timestamps import read_timestamps
from airflow_provider_tiktok_offline.errors import FeedError, FileChangedError
from airflow_provider_tiktok_offline.liveramp.feed import Feed, check_drift, check_new_categories, feed_columns
from airflow_provider_tiktok_offline.liveramp.line_set import LineSet
from airflow_provider_tiktok_offline.liveramp.repaired_rows import RepairedRows

_NEW_LINE = 10
#: Lines that are named of those that can't be written.
_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSource:
    """One source file of the feed file.

    Attributes:
        source: where its bytes come from.
        settings: how they are read.
        lines: the lines that go into the feed file.
        sha256: digest of the stored bytes that were validated.
        suppressed: lines left out because their people have opted out since they were planned.
        delimiter, categories: what validating found in them; None where only reading tells.
        item_orders: whether ``order_id`` is written with the product's id behind it.
    """

    source: ByteSource
    settings: ConversionSettings
    lines: LineSet
    sha256: str
    suppressed: tuple[int, ...] = ()
    delimiter: str | None = None
    categories: frozenset[str] | None = None
    item_orders: bool = False

    def known(self, feed: Feed) -> bool:
        """Whether validating has settled that each of the lines can be written, and that the feed has its category."""
        settled = severity_of("needs_quotes", self.settings) == "error" and (
            self.settings.trim_white_space or severity_of("white_space", self.settings) == "error"
        )
        if self.categories is None or not settled:
            return False
        written = {self.settings.event_map.get(name, name) for name in self.categories}
        return self.delimiter == feed.delimiter and written <= set(feed.categories)


@dataclass(slots=True, kw_only=True)
class Unwritable:
    """Rows of one source file that can't be written without a quote.

    Attributes:
        rows: column -> how many.
        lines: all of them; left out of the feed file.
        first_lines: column -> the first line numbers.
    """

    rows: dict[str, int] = field(default_factory=dict)
    lines: LineSet = field(default_factory=LineSet)
    first_lines: dict[str, list[int]] = field(default_factory=dict)

    def add(self, column: str, lines: Sequence[int]) -> None:
        """Count lines for a column."""
        self.rows[column] = self.rows.get(column, 0) + len(lines)
        self.lines.add(lines)
        named = self.first_lines.setdefault(column, [])
        named.extend(lines[: _NAMED - len(named)])


class FeedFile:
    """The feed file's plaintext. It can be streamed repeatedly, with the same bytes; it is checked the first time.

    ``rows``, ``bytes``, ``sha256`` and ``unwritable`` (by source, in order) are those of the last complete stream.

    :param feed: the contract.
    :param sources: the source files, in the order in which their rows are written.
    :param progress: called with the stored bytes of all sources read so far.
    """

    def __init__(
        self, feed: Feed, sources: Sequence[FeedSource], progress: Callable[[int], None] | None = None
    ) -> None:
        self._feed = feed
        self._sources = sources
        self._progress = progress
        self.rows = 0
        self.bytes = 0
        self.sha256 = ""
        self.unwritable = [Unwritable() for _ in sources]

    @property
    def suppressed(self) -> list[tuple[int, ...]]:
        """For each source the lines that were left out because their people have opted out."""
        return [one.suppressed for one in self._sources]

    def chunks(self) -> Iterator[bytes]:
        """The bytes, header first.

        :raises FeedError: if a source no longer has the form of the feed.
        :raises FileChangedError: if a source's bytes are not those that were validated; raised before the last chunk.
        """
        # The sources' digests are compared with those validated, so the digest of the first run stays right.
        known = bool(self.sha256)
        total = rows = 0
        unwritable = [Unwritable() for _ in self._sources]
        held = self._feed.header()
        digest: RunningDigest = hashlib.sha256(held)
        read_before = 0
        for one, faults in zip(self._sources, unwritable, strict=True):
            # As long as what is written is what was read, its digest is taken from the reader's.
            same = one is self._sources[0]
            for text, count, read in self._rows(one, faults, read_before):
                if read is None or not (text or read.digest() == digest.digest()):
                    same = False
                if same and read is not None:
                    digest = read
                elif not known:
                    digest.update(text)
                if not text:
                    continue
                # One chunk is held back, so that nothing is complete before every source is seen to be unchanged.
                total += len(held)
                yield held
                held = text
                rows += count
            read_before += self._read
        if not known:
            self.sha256 = digest.hexdigest()
        self.rows, self.bytes, self.unwritable = rows, total + len(held), unwritable
        yield held

    def check_form(self) -> int | None:
        """Compare the header of every source with the contract, without reading further.

        :returns: how many rows the file will have; None where only running through it tells.
        :raises FeedError: if a source no longer has the form of the feed.
        """
        for one in self._sources:
            with FileReader(one.source, one.settings) as reader:
                self._layout(reader.read_header(), one)
        return sum(len(one.lines) for one in self._sources) if all(map(self._known, self._sources)) else None

    def measure(self) -> None:
        """Read the stream without keeping it, for the digest and the counts."""
        for _ in self.chunks():
            pass

    def _rows(
        self, one: FeedSource, faults: Unwritable, read_before: int
    ) -> Iterator[tuple[bytes, int, RunningDigest | None]]:
        """Text, its rows, and the digest of all that was read up to it where it is what was read; the header is b""."""
        tick = None if self._progress is None else (lambda done: self._tell(read_before + done))
        with FileReader(one.source, one.settings, tick=tick) as reader:
            header = reader.read_header()
            layout = self._layout(header, one)
            yield b"", 0, reader.digest()
            for block in reader.blocks(header):
                written = layout.copy(block)
                if written is None:
                    mark = header.delimiter.encode()
                    parsed = parse(block, header.width, mark, one.settings.limits.row_characters)
                    written = layout.write(parsed, faults)
                text, rows = written
                yield bytes(text), rows, reader.digest() if text is block.data else None
        self._read = reader.size
        if reader.sha256 != one.sha256:
            raise FileChangedError(
                "the file has changed since it was validated; nothing of it was delivered.",
                rule="file_changed",
                where=one.source.uri,
                todo="Run the delivery again from validate.",
            )

    def _layout(self, header: Header, one: FeedSource) -> _Layout:
        return _Layout(self._feed, header, one, checked=bool(self.sha256) or self._known(one))

    def _known(self, one: FeedSource) -> bool:
        return one.known(self._feed)

    def _tell(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done)


class _Layout:
    """How the columns of one source become the feed's.

    :param checked: the categories of its lines are known to be the feed's.
    """

    def __init__(self, feed: Feed, header: Header, one: FeedSource, *, checked: bool) -> None:
        check_drift(feed, feed_columns(header.places, one.settings), feed.delimiter, one.source.uri)
        self._feed = feed
        self._checked = checked
        self._settings = one.settings
        self._lines = one.lines
        self._where = one.source.uri
        self._places = header.places
        self._others = header.others
        self._same_delimiter = header.delimiter == feed.delimiter
        settings = one.settings
        altered = self._rewrites_amounts() or settings.event_map or settings.format.joined or self._shifts_time()
        in_order = [header.places.get(name) for name in feed.columns] == list(range(header.width))
        self._items = one.item_orders and {"order_id", "product_id"} <= set(feed.columns)
        self._same_form = self._same_delimiter and in_order and not (altered or settings.repair or self._items)
        self._repaired = RepairedRows(header, settings, in_utc=self._shifts_time()) if settings.repair else None
        self._labels = {name: header.labels.get(name, name) for name in feed.columns}
        for column, value in one.settings.constants.items():
            if any(sign in value for sign in (feed.delimiter, '"', "\n", "\r")):
                raise FeedError("this constant would need quotes in the feed file.", where=f"constants.{column}")

    def copy(self, block: Block) -> tuple[Text, int] | None:
        """The chosen lines of a block as they are, and how many; None where they must be taken apart.

        A source that has the feed's own form is copied line by line: several times as fast as parsing and writing.
        """
        data = block.data
        returns = data.count(b"\r") if b"\r" in data else 0
        if not self._same_form or block.quoted or returns != (data.count(b"\r\n") if returns else 0):
            return None
        if self._settings.trim_white_space and screen(block, self._feed.delimiter.encode()).edges:
            return None
        chosen = self._lines.mask(np.arange(block.first_line, block.first_line + block.count, dtype=np.int64))
        rows = int(chosen.sum())
        if rows < block.count:
            data = _lines_of(data, chosen)
        if returns:
            data = data.replace(b"\r\n", b"\n")
        return (data, rows) if self._checked or self._only_known_categories(data, rows) else None

    def _only_known_categories(self, data: Text, rows: int) -> bool:
        """Whether complete rows use only the feed's categories; false also if their fields can't be told apart."""
        columns = self._feed.columns
        text = np.frombuffer(data, dtype=np.uint8)
        ends_of_fields = np.flatnonzero((text == ord(self._feed.delimiter)) | (text == _NEW_LINE))
        if len(ends_of_fields) != rows * len(columns):
            return False
        marks = ends_of_fields.reshape(rows, len(columns))
        place = columns.index("transaction_category")
        starts, ends = marks[:, place - 1] + 1, marks[:, place]
        known = 0
        for category in self._feed.categories:
            wanted = np.frombuffer(category.encode(), dtype=np.uint8)
            at = starts[ends - starts == len(wanted)]
            known += int((text[at[:, None] + np.arange(len(wanted))] == wanted).all(axis=1).sum())
        return known == rows

    def write(self, parsed: Parsed, faults: Unwritable) -> tuple[bytes, int]:
        """The chosen rows of a block as text, and how many they are."""
        chosen = self._lines.mask(parsed.lines)
        if not chosen.any():
            return b"", 0
        lines = parsed.lines[chosen]
        cells = parsed.frame if chosen.all() else parsed.frame.filter(pl.Series(chosen))
        if self._repaired is not None:
            frame = self._in_programmes_form(self._repaired.columns(parsed), chosen)
        else:
            frame = cells.select(self._column(name).alias(name) for name in self._feed.columns)
        if self._repaired is None and self._shifts_time():
            frame = frame.with_columns(self._in_utc(cells, frame))
        if self._items:
            order, item = pl.col("order_id").fill_null(""), pl.col("product_id").fill_null("")
            frame = frame.with_columns(pl.when((order != "") & (item != "")).then(order + "-" + item).otherwise(order))
        if parsed.quoted or not self._same_delimiter:
            frame = self._without_unwritable(frame, lines, faults)
        if not frame.height:
            return b"", 0
        used = frame.get_column("transaction_category").unique().to_list()
        check_new_categories(self._feed, used, self._where)
        out = io.BytesIO()
        frame.write_csv(out, include_header=False, separator=self._feed.delimiter, quote_style="never", null_value="")
        return out.getvalue(), frame.height

    def _in_programmes_form(self, columns: Mapping[str, pl.Series], chosen: npt.NDArray[np.bool_]) -> pl.DataFrame:
        """The chosen rows, as the rules have understood them."""
        frame = pl.DataFrame([columns[name].alias(name) for name in self._feed.columns]).filter(pl.Series(chosen))
        events = dict(self._settings.event_map)
        return frame.with_columns(pl.col("transaction_category").replace(events)) if events else frame

    def _column(self, name: str) -> pl.Expr:
        settings = self._settings
        place = self._places.get(name)
        if name in settings.format.joined:
            parts = [pl.col(str(self._others[part])).str.strip_chars() for part in settings.format.joined[name]]
            return pl.concat_str(parts, separator=" ").str.strip_chars()
        if place is None:
            return pl.lit(settings.constants[name])
        cell = pl.col(str(place))
        if settings.trim_white_space:
            cell = cell.str.strip_chars()
        if name == "transaction_amount" and self._rewrites_amounts():
            cell = cell.map_batches(self._in_programme_form, return_dtype=pl.String, is_elementwise=True)
        if name == "transaction_category" and settings.event_map:
            cell = cell.replace(dict(settings.event_map))
        return cell

    def _rewrites_amounts(self) -> bool:
        """Whether the file writes amounts in another form than the programme's."""
        written = self._settings.format
        return written.decimal == "," or written.thousands is not None or written.strip_symbols

    def _in_programme_form(self, cells: pl.Series) -> pl.Series:
        """Amounts with a point and two decimals; cells that are no amount stay as they are."""
        amounts = read_amounts(cells.str.strip_chars(), number_format(self._settings.format))
        texts = [decimal_text(units) if known else cell for units, known, cell in
                 zip(amounts.units.tolist(), amounts.known.tolist(), cells.to_list(), strict=True)]  # fmt: skip
        return pl.Series(cells.name, texts, dtype=pl.String)

    def _shifts_time(self) -> bool:
        """Whether what the file calls a time is not simply a time in UTC."""
        settings = self._settings
        zoned = settings.time_zone != "UTC" or "time_zone" in settings.extensions
        zoned = zoned or any(store.time_zone for store in settings.stores.values())
        return zoned or settings.offset == "apply" or bool(settings.format.timestamp_formats)

    def _in_utc(self, cells: pl.DataFrame, frame: pl.DataFrame) -> pl.Series:
        """The timestamps in the programme's form for UTC."""
        settings = self._settings
        zones: pl.Series | str = settings.time_zone
        own = settings.extensions.get("time_zone")
        by_store: Mapping[str, str] = {
            code: store.time_zone for code, store in settings.stores.items() if store.time_zone
        }
        if own is not None or by_store:
            zone = pl.lit(settings.time_zone)
            if by_store and "store_code" in self._places:
                zone = pl.col(str(self._places["store_code"])).replace_strict(dict(by_store), default=zone)
            if own is not None and own in self._others:
                cell = pl.col(str(self._others[own])).str.strip_chars()
                zone = pl.when(cell != "").then(cell).otherwise(zone)
            zones = cells.select(zone.alias("zone")).get_column("zone")
        written = frame.get_column("transaction_timestamp").str.strip_chars()
        times = read_timestamps(
            written,
            zones,
            offset=settings.offset,
            date_only_time=settings.date_only_time,
            formats=settings.format.timestamp_formats,
        )
        if not times.known.all():
            raise FeedError("a timestamp that was validated can't be read.", where=self._where)
        moments = pl.Series("transaction_timestamp", times.epoch).cast(pl.Int64) * 1_000_000
        return moments.cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%SZ-0000")

    def _without_unwritable(
        self, frame: pl.DataFrame, lines: npt.NDArray[np.int64], faults: Unwritable
    ) -> pl.DataFrame:
        mark = {"\t": r"\t", "|": r"\|"}.get(self._feed.delimiter, self._feed.delimiter)
        pattern = rf'["\r\n{mark}]'
        marks = frame.select(pl.col(name).str.contains(pattern).fill_null(False) for name in frame.columns)
        wrong = marks.select(pl.any_horizontal(pl.all())).to_series()
        if not wrong.any():
            return frame
        for name in marks.columns:
            hit = lines[marks.get_column(name).to_numpy()]
            if len(hit):
                faults.add(self._labels[name], hit.tolist())
        return frame.filter(~wrong)


def _lines_of(data: Text, chosen: npt.NDArray[np.bool_]) -> bytes:
    """Only the chosen lines, cut out in runs: mostly few of many lines are left out, or chosen."""
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == _NEW_LINE) + 1
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends])
    turns = np.flatnonzero(np.diff(chosen, prepend=False, append=False))
    view = memoryview(data)
    return b"".join(view[first:last] for first, last in starts[turns].reshape(-1, 2).tolist())

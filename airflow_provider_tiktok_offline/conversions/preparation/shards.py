"""A large file in shards: each is checked by itself, on any machine, and what they left is settled as one file.

A shard leaves its staged rows as parts, the keys of its rows, its verdicts and its counts. Nothing of it is plaintext.
The report, the issues and the events are those of one pass over the whole file: shards end where its blocks end, and
what needs the whole file (duplicates, collisions, orders, damaged ids, the gate) is looked at when all are there.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.events.row_keys import FIELDS, Hashes, StoredKeys
from airflow_provider_tiktok_offline.conversions.file.byte_source import ByteSource
from airflow_provider_tiktok_offline.conversions.file.cutting import RangedSource, read_piece
from airflow_provider_tiktok_offline.conversions.file.reader import FileReader
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Suppression
from airflow_provider_tiktok_offline.conversions.preparation.blocks import (
    BlockResult,
    BlockWorker,
    Currencies,
    Requested,
)
from airflow_provider_tiktok_offline.conversions.preparation.part_store import PartStore, damaged
from airflow_provider_tiktok_offline.conversions.preparation.part_writer import PartWriter, ShardPart
from airflow_provider_tiktok_offline.conversions.preparation.prepare import check_blocks, put_manifest
from airflow_provider_tiktok_offline.conversions.preparation.shard_plan import Shards, decoded, new_prefix, shard_object
from airflow_provider_tiktok_offline.conversions.preparation.staged_faults import staged_faults
from airflow_provider_tiktok_offline.conversions.preparation.tally import MOST_UNKNOWN_COUNTED, Tally, TallyDocument
from airflow_provider_tiktok_offline.conversions.preparation.whole_file import Job, PassOptions, WholeFile
from airflow_provider_tiktok_offline.conversions.report.report import Report
from airflow_provider_tiktok_offline.conversions.rules.damaged_ids import IdColumn, merge_columns
from airflow_provider_tiktok_offline.errors import FileChangedError

_KEYS = pa.schema([(f"field_{number}", pa.uint64()) for number in range(FIELDS)])
#: Read of a file where only its header is wanted.
_HEADER_BYTES = 1 << 16
_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, slots=True)
class Shard:
    """What a shard has left beside its objects; written last, so that it makes the shard complete.

    Attributes:
        number: of the shard.
        prefix: how the names of its other objects begin; each try has its own.
        tally: what was counted.
        unknown: of each block with unknown categories, how often each stands in it.
        currencies: the number of each currency in the keys.
        parts: its parts of staged rows.
        plain: columns of ids, of which an id does not end in ``.0``.
        exact: columns of ids, of which a long one does not end in zeros.
        tokens: columns of ids -> keyed digests of rounded ids, each as long as the id.
        note: what the caller keeps with it.
    """

    number: int
    prefix: str
    tally: TallyDocument
    unknown: list[list[tuple[str, int]]]
    currencies: dict[int, str]
    parts: list[ShardPart]
    plain: list[str]
    exact: list[str]
    tokens: dict[str, list[str]]
    note: str


@dataclass(frozen=True, slots=True)
class ShardRequest:
    """What is asked for of a shard beyond its rows' classes, and how it is read.

    Attributes:
        events: whether the valid rows are staged.
        verdicts: whether each row's verdict is kept.
        suppression: people who opted out.
        options: how the pass runs; ``rejects`` and ``repair`` have no meaning here.
        note: kept with what the shard leaves.
    """

    events: bool = True
    verdicts: bool = False
    suppression: Suppression | None = None
    options: PassOptions = field(default_factory=PassOptions)
    note: str = ""


def prepare_shard(
    source: RangedSource,
    settings: ConversionSettings,
    shards: Shards,
    number: int,
    *,
    output: PartStore,
    request: ShardRequest | None = None,
) -> Shard:
    """Check the rows of one shard, and leave in ``output`` what :func:`merge_shards` needs of them.

    Called again, it leaves the same.

    :param request: None for one with nothing but its defaults.
    :raises FileChangedError: the file, or the settings, are not those that it was cut with.
    """
    if settings.fingerprint() != shards.settings:
        raise FileChangedError(
            "the settings have changed since the file was cut into shards.", rule="settings_changed",
            where=source.uri, todo="Clear the task that cuts it, and what follows.",
        )  # fmt: skip
    request = request or ShardRequest()
    options = request.options
    with FileReader(source, settings, block_bytes=_HEADER_BYTES) as reader:
        header = reader.read_header()
    job = Job(source, settings, shards.as_of, request.suppression, options)
    writer = _ShardWriter(number, settings, output, options, shards.seeds, events=request.events)
    with WholeFile(job, header, None, None) as whole:
        worker = whole.worker(shards.seeds, Requested(events=request.events, verdicts=request.verdicts))
        with writer:
            done = 0

            def take(result: BlockResult) -> None:
                nonlocal done
                writer.take(result)
                done += sum(result.tally.rows.values())
                if options.progress is not None:
                    options.progress(done, shards.rows(number), done)

            check_blocks(read_piece(source, settings, header, shards.cut, shards.pieces[number]), worker, take)
    return writer.finish(worker, request.note)


def read_shard(store: PartStore, number: int) -> Shard:
    """What a shard has left."""
    return decoded(store, shard_object(number), Shard)


def merge_shards(
    source: ByteSource,
    settings: ConversionSettings,
    shards: Shards,
    left: PartStore,
    *,
    output: PartStore | None = None,
    verdicts: BinaryIO | None = None,
    suppression: Suppression | None = None,
    options: PassOptions | None = None,
) -> Report:
    """Settle a file whose shards were all checked: what :func:`.prepare.prepare` or ``validate`` does at the end.

    :param left: what the shards have left.
    :param output: gets the list of what is no event, report and manifest; None where no events are staged. Parts are
        named as they are in ``left``.
    :param verdicts: gets one verdict a row as Parquet.
    :raises InputFileError: an object is damaged, or the file has no rows.
    """
    options = options or PassOptions()
    started = options.clock.monotonic()
    with FileReader(source, settings, block_bytes=_HEADER_BYTES) as reader:
        header = reader.read_header()
    job = Job(source, settings, shards.as_of, suppression, options)
    writer = None if output is None else PartWriter(output, options.part_events, settings, options.spill_dir)
    try:
        with WholeFile(job, header, writer, verdicts, keys_again=lambda: merge.keys()) as whole:
            merge = _Merge(whole, left, [read_shard(left, number) for number in range(len(shards.pieces))])
            merge.take_all(writer)
            whole.settle(merge.currencies.names)
            report = whole.report(shards.cut.facts, options.clock.monotonic() - started)
        if writer is not None and output is not None:
            put_manifest(writer, output, report)
    finally:
        if writer is not None:
            writer.close()
    return report


class _ShardWriter:
    """Takes the results of a shard's blocks, in the order of the file; used as a context manager."""

    def __init__(
        self, number: int, settings: ConversionSettings, output: PartStore, options: PassOptions,
        seeds: tuple[int, int], *, events: bool,
    ) -> None:  # fmt: skip
        self._number, self._prefix = number, new_prefix(number)
        self._output = output
        self._key = seeds[0].to_bytes(8, "little")
        self._parts = None
        if events:
            self._parts = PartWriter(output, options.part_events, settings, None, shard=self._prefix)
        self._tally = Tally()
        self._unknown: list[list[tuple[str, int]]] = []
        self._ids: dict[str, IdColumn] = {}
        self._broken: list[Hashes] = []
        self._stack = ExitStack()
        self._verdicts: pa.RecordBatchStreamWriter | None = None

    def __enter__(self) -> _ShardWriter:
        stream = self._stack.enter_context(self._output.open_write(f"{self._prefix}keys.arrow"))
        self._keys = self._stack.enter_context(pa.ipc.new_stream(stream, _KEYS, options=_LZ4))
        return self

    def __exit__(self, *fault: object) -> None:
        self._stack.__exit__(*fault)  # type: ignore[arg-type]

    def take(self, result: BlockResult) -> None:
        if result.tally.unknown and len(self._tally.unknown) < MOST_UNKNOWN_COUNTED:
            self._unknown.append(list(result.tally.unknown.items()))
        self._tally.merge(result.tally)
        merge_columns(self._ids, result.ids)
        if len(result.broken_orders):
            self._broken.append(result.broken_orders)
        if len(result.keys):
            self._keys.write_batch(pa.RecordBatch.from_arrays(list(map(pa.array, result.keys.matrix)), schema=_KEYS))
        if self._parts is not None and result.staged is not None:
            self._parts.add(result.staged, result.returns)
        if result.verdicts is not None:
            table = result.verdicts.to_arrow(compat_level=pl.CompatLevel.oldest())
            if self._verdicts is None:
                stream = self._stack.enter_context(self._output.open_write(f"{self._prefix}verdicts.arrow"))
                self._verdicts = self._stack.enter_context(pa.ipc.new_stream(stream, table.schema, options=_LZ4))
            self._verdicts.write_table(table)

    def finish(self, worker: BlockWorker, note: str) -> Shard:
        parts = [] if self._parts is None else self._parts.finish_shard()
        lines = {f"{kind}-{name}": getattr(column, kind) for name, column in self._ids.items() for kind in _LINES}
        content = io.BytesIO()
        np.savez(content, broken=np.concatenate([np.empty(0, dtype=np.uint64), *self._broken]), **lines)
        self._output.put(f"{self._prefix}lines.npz", content.getvalue())
        self._tally.unknown.clear()
        shard = Shard(
            self._number,
            self._prefix,
            self._tally.document(),
            self._unknown,
            worker.currencies.names,
            parts,
            [name for name, column in self._ids.items() if column.plain],
            [name for name, column in self._ids.items() if column.exact],
            {name: [self._token(value) for value in sorted(column.values)] for name, column in self._ids.items()},
            note,
        )
        self._output.put(shard_object(self._number), msgspec.json.encode(shard))
        return shard

    def _token(self, value: str) -> str:
        """What stands for an id: as long as it is, the same for the same id in every shard of a file, and no id."""
        digest = hashlib.blake2b(value.encode(), key=self._key, digest_size=32).hexdigest()
        return (digest * (len(value) // len(digest) + 1))[: len(value)]


#: The lines that a column of ids notes.
_LINES = ("pointed", "rounded")


@dataclass(slots=True)
class _Merge:
    """What all shards of a file have left, in the order of the file."""

    whole: WholeFile
    left: PartStore
    shards: list[Shard]
    currencies: Currencies = field(default_factory=Currencies)

    def take_all(self, writer: PartWriter | None) -> None:
        for shard in self.shards:
            tally = Tally.of_document(shard.tally)
            for unknown in shard.unknown:
                self.whole.tally.note_unknown(dict(unknown))
            self.whole.tally.merge(tally)
            broken, ids = self._lines(shard)
            self.whole.take_lines(broken, ids)
            if writer is not None:
                writer.add_shard(shard.parts, self.left, shard.prefix)
            for verdicts in self._verdicts(shard):
                self.whole.take_verdicts(verdicts)
        for keys in self.keys():
            self.whole.finder.add_stored(keys)

    def keys(self) -> Iterator[StoredKeys]:
        """The keys of all rows."""
        for shard in self.shards:
            names = [shard.currencies[code] for code in range(len(shard.currencies))]
            codes = np.array([self.currencies.code(name) for name in names], dtype=np.uint64)
            as_they_are = codes.tolist() == list(range(len(codes)))
            for batch in self._batches(shard, "keys.arrow"):
                *columns, currency = [column.to_numpy() for column in batch.columns]
                yield StoredKeys([*columns, currency if as_they_are else codes[currency]])

    def _verdicts(self, shard: Shard) -> Iterator[pl.DataFrame]:
        if self.whole.wants_verdicts:
            for batch in self._batches(shard, "verdicts.arrow"):
                frame = pl.from_arrow(batch)
                if isinstance(frame, pl.DataFrame):
                    yield frame

    def _batches(self, shard: Shard, ending: str) -> Iterator[pa.RecordBatch]:
        name = f"{shard.prefix}{ending}"
        with staged_faults(name), self.left.open_read(name) as stream, pa.ipc.open_stream(stream) as batches:
            yield from batches

    def _lines(self, shard: Shard) -> tuple[Hashes, Mapping[str, IdColumn]]:
        name = f"{shard.prefix}lines.npz"
        try:
            with np.load(io.BytesIO(self.left.get(name)), allow_pickle=False) as arrays:
                ids = {
                    column: IdColumn(
                        arrays[f"pointed-{column}"], column in shard.plain, arrays[f"rounded-{column}"],
                        column in shard.exact, frozenset(tokens),
                    )
                    for column, tokens in shard.tokens.items()
                }  # fmt: skip
                return arrays["broken"], ids
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
            raise damaged(name) from None


__all__ = ["Shard", "merge_shards", "prepare_shard", "read_shard"]

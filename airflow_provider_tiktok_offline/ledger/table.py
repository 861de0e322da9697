"""A Delta table with a witness: its newest version is known beside the table, so that falling back is noticed.

Deleting the last entry of a Delta log loads the version before it without an error. The witness holds the highest
version and its row count and is advanced after every commit; a table that has fallen behind it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import LedgerDamagedError, TikTokOfflineError
from airflow_provider_tiktok_offline.ledger.key_probe import KeyProbe, SummedRows, sum_of
from airflow_provider_tiktok_offline.ledger.snapshots import DataFile, Snapshot, snapshot_of
from airflow_provider_tiktok_offline.ledger.table_faults import CommitConflict, table_faults
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable, WriterProperties

_LOG_ENTRY = re.compile(r"_delta_log/(\d{20})\.json$")
_CHECKPOINT = re.compile(r"_delta_log/(\d{20})\.checkpoint")
#: Commits between checkpoints of the log.
_CHECKPOINT_INTERVAL = "20"
#: Files whose whole rows are read at once, which bounds memory.
_AT_ONCE = 4
#: Files whose keys are read side by side, and keys of each that are in memory.
_FILES_AT_ONCE, _KEYS_AT_ONCE = 4, 1_000_000
_WRAP = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Witness:
    """What is known of a table beside it.

    Attributes:
        version: the highest version ever committed.
        rows: its row count.
        log_from: the oldest log entry that must be there.
        sums: name of each data file -> sum over its keys, where the table has keys.
    """

    version: int
    rows: int
    log_from: int
    sums: dict[str, int] = field(default_factory=dict)


class WitnessedTable:
    """One Delta table of the ledger, partitioned by ``day``.

    :param path: its folder in the store; the witness lies beside it.
    :param keys: its column of keys; the witness then tells if one of them was changed.
    """

    def __init__(self, objects: ObjectStore, path: str, clock: Clock, *, keys: str | None = None) -> None:
        self._keys = keys
        self._objects = objects
        self.path = path
        self._witness = f"{path}.witness.json"
        self._clock = clock
        self._where = f"{objects.uri}/{path}"
        #: What was loaded last, and with which options.
        self._loaded: tuple[DeltaTable, dict[str, str]] | None = None

    def create(self, schema: pl.Schema) -> None:
        """Make the empty table and its witness; a creation that broke off is completed."""
        from deltalake import DeltaTable

        # If another process has just made it, that table is loaded; if there is none, loading tells why.
        with suppress(CommitConflict, TikTokOfflineError), self._faults():
            DeltaTable.create(
                self._objects.delta_uri(self.path),
                schema=pl.DataFrame(schema=schema).to_arrow().schema,
                mode="ignore",
                partition_by=["day"],
                # The log is kept until maintenance trims it, so that a missing entry is always a fault.
                configuration={
                    "delta.enableExpiredLogCleanup": "false",
                    "delta.checkpointInterval": _CHECKPOINT_INTERVAL,
                },
                storage_options=self._objects.storage_options or None,
            )
        self._load()
        documents.create(self._objects, self._witness, {"version": 0, "rows": 0, "log_from": 0})

    def remains(self) -> bool:
        """Whether anything of the table is there."""
        return self._objects.get(self._witness) is not None or bool(self._objects.list(f"{self.path}/_delta_log"))

    def commits(self) -> int:
        """How many commits the table has seen beyond its creation, whatever state it is in."""
        witness = documents.read_typed(self._objects, self._witness, Witness)
        newest = max(_versions(_LOG_ENTRY, self._objects.list(f"{self.path}/_delta_log")), default=0)
        return max(newest, 0 if witness is None else witness.version)

    def snapshot(self) -> Snapshot:
        """The newest version, compared with the witness, its log and its files.

        :raises LedgerDamagedError: if anything of it is missing or cut off.
        """
        witness = self._read_witness()
        newest = snapshot_of(self._newest())
        fault = self._fault(newest, witness)
        if fault is not None and (again := self._read_witness()) != witness:
            fault = self._fault(newest, again)  # maintenance trimmed the log in between
        if fault is not None:
            raise LedgerDamagedError(
                fault,
                where=self._where,
                todo="Nothing was sent. Restore the table, or rebuild it (docs/operations.md).",
            )
        return newest

    def append(
        self, rows: pl.DataFrame | pa.RecordBatchReader, snapshot: Snapshot, *, app_id: str, transaction: int
    ) -> Snapshot:
        """Commit rows as the version after the snapshot's, or not at all.

        :param app_id: names the writer's transactions; :meth:`.Snapshot.transaction` finds the last one.
        :returns: the table with the rows.
        :raises CommitConflict: if another writer came first.
        """
        from deltalake import CommitProperties, Transaction, write_deltalake

        loaded, self._loaded = self._loaded, None
        written = SummedRows(rows) if self._keys else None
        sums: dict[str, int] = {}
        try:
            with self._faults():
                table = snapshot.committable(app_id)
                if table is None:
                    raise CommitConflict
                write_deltalake(
                    table,
                    rows if written is None else written.reader(),
                    mode="append",
                    storage_options=self._objects.storage_options or None,
                    writer_properties=_writer_properties(),
                    commit_properties=CommitProperties(
                        max_commit_retries=0, app_transactions=[Transaction(app_id, transaction)]
                    ),
                )
        except CommitConflict:
            # The commit may have been ours, its answer lost and the client's own retry refused.
            newest = snapshot_of(self._load())
            if newest.transaction(app_id) < transaction:
                raise
        else:
            newest = snapshot_of(table)
            self._loaded = loaded
            sums = written.of_file(snapshot, newest) if written is not None else {}
        self.advance(newest, sums=sums)
        return newest

    def advance(self, newest: Snapshot, *, log_from: int | None = None, sums: Mapping[str, int] | None = None) -> None:
        """Bring the witness up to a version.

        :param sums: name of a new data file -> sum over its keys, where that is known.
        """
        made = dict(sums or {})

        def edit(document: documents.Document) -> documents.Document | None:
            before = documents.typed(document, Witness, f"{self._objects.uri}/{self._witness}")
            if self._keys:
                known = before.sums.keys() | made.keys()
                made.update(self._sums([file for file in newest.files if file.name not in known]))
            after = dict(document)
            if newest.version > before.version:
                after.update(version=newest.version, rows=newest.rows)
            if newest.version >= before.version and self._keys:
                sums = before.sums | made
                after["sums"] = {file.name: sums[file.name] for file in newest.files if file.name in sums}
            if log_from is not None:
                after["log_from"] = max(log_from, before.log_from)
            return None if after == document else after

        documents.change(self._objects, self._witness, self._clock, edit)

    def scan(self, files: Sequence[DataFile], columns: list[str]) -> pl.LazyFrame:
        """Some of a snapshot's files, lazily; a column ``file`` of their own names each row's."""
        root = self._objects.delta_uri(self.path)
        return pl.scan_parquet(
            [f"{root}/{file.path}" for file in files],
            storage_options=self._objects.storage_options or None,
            hive_partitioning=False,
            glob=False,
            include_file_paths="file" if "file" in columns else None,
        ).select(columns)

    def matching(self, files: Sequence[DataFile], keys: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
        """The rows of some files whose ``event_key`` is among ``keys``.

        First only keys are read, to see which files hold any; few do, and of those the rest is read.
        """
        wanted = keys.lazy()
        probe = KeyProbe(keys["event_key"])
        looked = self._look(files, probe)
        # The sums are made on the way, of the keys that are read anyway.
        self._check_sums({name: total for name, (total, _) in looked.items()})
        holding = [file for file in files if looked[file.name][1]]
        rows = [
            self.collect(self.scan(holding[start : start + _AT_ONCE], columns).join(wanted, on="event_key", how="semi"))
            for start in range(0, len(holding), _AT_ONCE)
        ]
        return pl.concat(rows) if rows else self.collect(self.scan(files[:1], columns).head(0))

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Run a query over :meth:`scan` in constant memory.

        :raises LedgerDamagedError: if a file can't be read.
        """
        with self._faults():
            return frame.collect(engine="streaming")

    def sink(self, frame: pl.LazyFrame, to: Path) -> None:
        """Write what a query over :meth:`scan` gives to a local file, Parquet or CSV by its ending.

        :raises LedgerDamagedError: if a file can't be read.
        """
        with self._faults():
            (frame.sink_parquet if to.suffix == ".parquet" else frame.sink_csv)(to)

    def delete_before(self, day: date) -> int:
        """Drop whole partitions older than ``day``; how many rows that were."""
        before = self.snapshot()
        rows = sum(file.rows for file in before.files if file.day < day.isoformat())
        if rows:
            self._commit(lambda table: table.delete(f"day < '{day.isoformat()}'"))
        return rows

    def compact(self) -> int:
        """Merge small files of each partition; how many files went."""
        snapshot = self.snapshot()
        if self._keys:
            self._check_sums(self._sums(snapshot.files))
        before = len(snapshot.files)
        self._commit(lambda table: table.optimize.compact())
        return before - len(self.snapshot().files)

    def vacuum(self, retention_hours: int) -> int:
        """Remove files that no version of the last hours needs, those of commits that lost a race too."""
        removed: list[str] = []
        self._commit(
            lambda table: removed.extend(
                table.vacuum(
                    retention_hours=retention_hours, dry_run=False, enforce_retention_duration=False, full=True
                )
            )
        )
        return len(removed)

    def trim_log(self) -> None:
        """Write a checkpoint and drop the log's entries from before it."""
        table = self._load()
        with self._faults():
            table.create_checkpoint()
        log = self._objects.list(f"{self.path}/_delta_log")
        oldest_needed = max(_versions(_CHECKPOINT, log), default=0)
        self.advance(snapshot_of(self._load()), log_from=oldest_needed)
        for path in log:
            if any(version < oldest_needed for version in _versions(_LOG_ENTRY, [path])):
                self._objects.delete(path)

    def _sums(self, files: Sequence[DataFile]) -> dict[str, int]:
        """Name of each file -> sum over its keys."""
        return {} if self._keys is None else {name: total for name, (total, _) in self._look(files, None).items()}

    def _look(self, files: Sequence[DataFile], probe: KeyProbe | None) -> dict[str, tuple[int, bool]]:
        """Name of each file -> sum over its keys, and whether it may hold one of the probe's."""

        def look(file: DataFile) -> tuple[int, bool]:
            total, holds = 0, False
            for start in range(0, max(file.rows, 1), _KEYS_AT_ONCE):
                keys = self.scan([file], ["event_key"]).slice(start, _KEYS_AT_ONCE).collect()["event_key"]
                total += sum_of(keys)
                holds = holds or (probe is not None and probe.may_hold(keys))
            return total & _WRAP, holds

        try:
            with self._faults(), ThreadPoolExecutor(_FILES_AT_ONCE) as readers:
                return dict(zip((file.name for file in files), readers.map(look, files), strict=True))
        except ValueError:
            raise self._changed("one of its files") from None

    def _check_sums(self, found: Mapping[str, int]) -> None:
        """Compare the sums of files with the witness.

        :raises LedgerDamagedError: if a key of a file was changed.
        """
        known = self._read_witness().sums if self._keys else {}
        for name, total in found.items():
            if known.get(name, total) != total:
                raise self._changed(f"the file {name}")

    def _changed(self, what: str) -> LedgerDamagedError:
        return LedgerDamagedError(
            f"the keys in {what} of the table are not those that were committed",
            where=self._where,
            todo="Nothing was sent. Restore the file, or rebuild the ledger (docs/operations.md).",
        )

    def _commit(self, action: Callable[[DeltaTable], object]) -> None:
        """Commit a change of files that leaves the rows as they are, or drops old ones."""
        for _ in documents.attempts(self._clock, self._where):
            self.snapshot()
            table = self._load()
            with suppress(CommitConflict):
                with self._faults():
                    action(table)
                break
        self.advance(snapshot_of(self._load()))

    def _newest(self) -> DeltaTable:
        """The table at its newest version; one that was loaded before reads the newer entries of the log alone."""
        loaded, self._loaded = self._loaded, None
        options = self._objects.storage_options
        if loaded is not None and loaded[1] == options:
            with suppress(CommitConflict, TikTokOfflineError):
                with self._faults():
                    loaded[0].update_incremental()
                self._loaded = loaded
                return loaded[0]
        table = self._load()
        self._loaded = table, options
        return table

    def _load(self) -> DeltaTable:
        from deltalake import DeltaTable

        with self._faults():
            return DeltaTable(self._objects.delta_uri(self.path), storage_options=self._objects.storage_options or None)

    def _read_witness(self) -> Witness:
        witness = documents.read_typed(self._objects, self._witness, Witness)
        if witness is None:
            raise LedgerDamagedError(
                "the witness of a table is missing", where=f"{self._objects.uri}/{self._witness}",
                todo="Nothing was sent. Restore it from a backup, or rebuild the ledger (docs/operations.md).",
            )  # fmt: skip
        return witness

    def _fault(self, newest: Snapshot, witness: Witness) -> str | None:
        """What is wrong with the table, or None."""
        if newest.version < witness.version:
            return f"the table stands at version {newest.version}, but version {witness.version} was committed"
        if newest.version == witness.version and newest.rows != witness.rows:
            return f"version {newest.version} holds {newest.rows} rows, but {witness.rows} were committed"
        stored = self._objects.sizes(self.path)
        missing = sorted(set(range(witness.log_from, newest.version + 1)) - set(_versions(_LOG_ENTRY, stored)))
        if missing:
            return f"entry {missing[0]} of the table's log is missing ({len(missing)} in all)"
        for file in newest.files:
            size = stored.get(f"{self.path}/{file.path}")
            if size is None:
                return f"the table's file {file.path} is missing"
            if size != file.size:
                return f"the table's file {file.path} is cut off or was changed"
        return None

    @contextmanager
    def _faults(self) -> Iterator[None]:
        with table_faults(self._where, remote=bool(self._objects.storage_options)), self._objects.table_access():
            yield


def _versions(pattern: re.Pattern[str], paths: Iterable[str]) -> list[int]:
    """The versions in the names of log entries or checkpoints."""
    return [int(match.group(1)) for path in paths if (match := pattern.search(path))]


def _writer_properties() -> WriterProperties:
    from deltalake import ColumnProperties, WriterProperties

    # Keys and contents are random: a dictionary of them, or compression, costs time and saves next to nothing.
    plain = ColumnProperties(dictionary_enabled=False)
    return WriterProperties(compression="UNCOMPRESSED", column_properties={"event_key": plain, "content": plain})

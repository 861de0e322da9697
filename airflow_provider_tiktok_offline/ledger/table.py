"""A Delta table with a witness: its newest version is known beside the table, so that falling back is noticed.

Deleting the last entry of a Delta log loads the version before it without an error. The witness holds the highest
version and its row count and is advanced after every commit; a table that has fallen behind it is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import LedgerDamagedError, TikTokOfflineError
from airflow_provider_tiktok_offline.ledger.key_columns import ChangedKeysError, KeyColumns, KeySums, SummedRows
from airflow_provider_tiktok_offline.ledger.key_probe import HEAD, Heads, KeyProbe, head_column
from airflow_provider_tiktok_offline.ledger.snapshots import DataFile, Snapshot, snapshot_of
from airflow_provider_tiktok_offline.ledger.table_faults import CommitConflict, table_faults
from airflow_provider_tiktok_offline.ledger.table_writing import (
    overwrite_day,
    schema_mode,
    with_heads,
    writer_properties,
)
from airflow_provider_tiktok_offline.ledger.witness import Witness, checkpoint_versions, log_versions
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

#: Commits between checkpoints of the log.
_CHECKPOINT_INTERVAL = "20"
#: Entries of the log after which maintenance writes a checkpoint: reading one takes as long as some ten entries.
_CHECKPOINT_ENTRIES = 10
#: Files of a day are merged into ones of so many bytes.
_MERGED_BYTES = 100 * 1024 * 1024


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
        from deltalake import CommitProperties, DeltaTable

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
                # Of two that make it at once, the second may not make a version 1 of nothing.
                commit_properties=CommitProperties(max_commit_retries=0),
            )
        self._load()
        documents.create(self._objects, self._witness, {"version": 0, "rows": 0, "log_from": 0})

    def remains(self) -> bool:
        """Whether anything of the table is there."""
        return self._objects.get(self._witness) is not None or bool(self._objects.list(f"{self.path}/_delta_log"))

    def commits(self) -> int:
        """How many commits the table has seen beyond its creation, whatever state it is in."""
        witness = documents.read_typed(self._objects, self._witness, Witness)
        newest = max(log_versions(self._objects.list(f"{self.path}/_delta_log")), default=0)
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
        sums: dict[str, KeySums] = {}
        try:
            with self._faults():
                table = snapshot.committable(app_id)
                if table is None:
                    raise CommitConflict
                write_deltalake(
                    table,
                    rows if written is None else written.reader(),
                    mode="append",
                    schema_mode=schema_mode(table, rows),
                    storage_options=self._objects.storage_options or None,
                    writer_properties=writer_properties(),
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

    def advance(
        self, newest: Snapshot, *, log_from: int | None = None, sums: Mapping[str, KeySums] | None = None
    ) -> None:
        """Bring the witness up to a version.

        :param sums: name of a new data file -> the sums over its keys, where they are known.
        """
        made = dict(sums or {})

        def edit(document: documents.Document) -> documents.Document | None:
            before = documents.typed(document, Witness, f"{self._objects.uri}/{self._witness}")
            if self._keys:
                known = before.sums.keys() | made.keys()
                unread = [file for file in newest.files if file.name not in known]
                with self._faults():
                    made.update(self._columns(before).sums(unread) if unread else {})
            after = dict(document)
            if newest.version > before.version:
                after.update(version=newest.version, rows=newest.rows)
            if newest.version >= before.version and self._keys:
                keys = before.sums | {name: one.keys for name, one in made.items()}
                heads = before.heads | {name: one.heads for name, one in made.items() if one.heads is not None}
                after["sums"] = {file.name: keys[file.name] for file in newest.files if file.name in keys}
                after["heads"] = {file.name: heads[file.name] for file in newest.files if file.name in heads}
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
            # A file of an earlier package has no heads.
            extra_columns="ignore",
            include_file_paths="file" if "file" in columns else None,
        ).select(columns)

    def matching(self, files: Sequence[DataFile], keys: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
        """The rows of some files whose ``event_key`` is among ``keys``.

        First only the keys' heads are read, to see which files hold any; few do, and of those the rest is read.
        """
        key_columns = self._columns(self._read_witness())
        with self._faults():
            holding = key_columns.holding(files, KeyProbe(keys["event_key"]))
        return self._rows_of(holding, keys, columns) if holding else self.collect(self.scan(files[:1], columns).head(0))

    def heads(self, file: DataFile) -> Iterator[Heads]:
        """The heads of a file's keys, some at a time.

        :raises LedgerDamagedError: at the end, if one of them was changed.
        """
        with self._faults():
            yield from self._columns(self._read_witness()).heads(file)

    def check_keys(self, files: Sequence[DataFile]) -> None:
        """Compare all keys of some files with what was committed.

        :raises LedgerDamagedError: if one was changed.
        """
        with self._faults():
            self._columns(self._read_witness()).check(files)

    def rows_with_heads(self, files: Sequence[DataFile], heads: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
        """The rows of some files whose keys' ``head`` is among some, with ``head``.

        :raises LedgerDamagedError: if a head is not that of its key.
        """
        key_columns = self._columns(self._read_witness())
        rows = []
        for some in key_columns.in_groups(files):
            known = key_columns.has_heads(some[0])
            every = self.scan(some, [*columns, "head"]) if known else self.scan(some, columns).with_columns(HEAD)
            found = self.collect(every.join(heads.lazy(), on="head", how="semi"))
            if not found["head"].equals(head_column(found["event_key"])):
                raise self._changed("one of its files")
            rows.append(found)
        return pl.concat(rows)

    def _rows_of(self, files: Sequence[DataFile], keys: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
        found = self.rows_with_heads(files, head_column(keys["event_key"]).unique().to_frame(), columns).drop("head")
        rows = found.join(keys, on="event_key", how="semi", maintain_order="left")
        if rows.height < found.height:
            # Another key with the same first eight bytes, or one that was changed behind them.
            self.check_keys(files)
        return rows

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
        small = Counter(file.day for file in snapshot.files if file.size < _MERGED_BYTES)
        if not any(count > 1 for count in small.values()):
            return 0
        if self._keys:
            self.check_keys(snapshot.files)
        before = len(snapshot.files)
        self._commit(lambda table: table.optimize.compact(target_size=_MERGED_BYTES))
        return before - len(self.snapshot().files)

    def add_heads(self) -> int:
        """Write the files of earlier packages anew, a day at a time, with the heads of their keys; how many files.

        :raises LedgerDamagedError: if a key of them was changed.
        """
        written = 0
        for day in sorted({file.day for file in self._without_heads()}):

            def rewrite(table: DeltaTable, day: str = day) -> None:
                files = [file for file in snapshot_of(table).files if file.day == day]
                self._columns(self._read_witness()).check(files)
                overwrite_day(table, day, with_heads(self.scan, table, files), self._objects.storage_options)

            before = len(self._without_heads())
            self._commit(rewrite)
            written += before - len(self._without_heads())
        return written

    def _without_heads(self) -> list[DataFile]:
        columns = self._columns(self._read_witness())
        return [file for file in self.snapshot().files if file.rows and not columns.has_heads(file)]

    def vacuum(self, retention_hours: int) -> int:
        """Remove files that no version of the last hours needs, those of commits that lost a race too."""
        needed = {f"{self.path}/{file.path}" for file in self.snapshot().files}
        if all(path in needed or "/_delta_log/" in path for path in self._objects.list(self.path)):
            return 0
        removed: list[str] = []
        self._commit(lambda table: removed.extend(table.vacuum(
            retention_hours=retention_hours, dry_run=False, enforce_retention_duration=False, full=True,
        )))  # fmt: skip
        return len(removed)

    def trim_log(self) -> None:
        """Write a checkpoint once there are some entries since the last one, and drop the entries from before it."""
        folder = f"{self.path}/_delta_log"
        log = self._objects.list(folder)
        if max(log_versions(log), default=0) - max(checkpoint_versions(log), default=0) >= _CHECKPOINT_ENTRIES:
            table = self._newest()
            with self._faults():
                table.create_checkpoint()
            log = self._objects.list(folder)
        oldest_needed = max(checkpoint_versions(log), default=0)
        unneeded = [path for path in log if any(version < oldest_needed for version in log_versions([path]))]
        if unneeded:
            self.advance(snapshot_of(self._newest()), log_from=oldest_needed)
            self._objects.delete_each(unneeded)

    def _columns(self, witness: Witness) -> KeyColumns:
        return KeyColumns(self.scan, witness.sums, witness.heads)

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
            # A table whose commit broke off is not used again.
            loaded, self._loaded = self._loaded, None
            table = self._load() if loaded is None else loaded[0]
            with suppress(CommitConflict):
                with self._faults():
                    action(table)
                self._loaded = loaded
                break
        self.advance(snapshot_of(self._newest()))

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
        return witness.fault(newest, self.path, lambda: self._objects.sizes(self.path))

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            with table_faults(self._where, remote=bool(self._objects.storage_options)), self._objects.table_access():
                yield
        except ChangedKeysError as error:
            raise self._changed(error.what) from None

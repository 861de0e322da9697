"""A Delta table with a witness: what was last committed is known beside the table, so that going back is noticed.

Deleting the last entry of a Delta log loads the version before it without an error. The witness holds the highest
version and its row count and is advanced after every commit; a table that has fallen behind it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import LedgerDamagedError, LedgerError, StorageError, TikTokOfflineError
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.backends.cloud_faults import cloud_fault
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

if TYPE_CHECKING:
    from deltalake import DeltaTable

_LOG_ENTRY = re.compile(r"_delta_log/(\d{20})\.json$")
#: Commits between checkpoints of the log.
_CHECKPOINT_INTERVAL = "20"
#: Files whose whole rows are read at once, which bounds memory.
_AT_ONCE = 4


class CommitConflict(Exception):
    """Another writer committed first: read again."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a table.

    Attributes:
        path: below the table's folder.
        rows: rows in it.
        day: its partition.
    """

    path: str
    rows: int
    day: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table at one version, proven to be what was last committed.

    Attributes:
        version: its version.
        files: its Parquet files.
        rows: rows in all of them.
    """

    version: int
    files: tuple[DataFile, ...]
    rows: int
    _table: DeltaTable

    def transaction(self, app_id: str) -> int:
        """The highest version of an application's transaction, -1 for none."""
        found = self._table.transaction_version(app_id)
        return -1 if found is None else found


class WitnessedTable:
    """One Delta table of the ledger, partitioned by ``day``.

    :param path: its folder in the store; the witness lies beside it.
    """

    def __init__(self, objects: ObjectStore, path: str, clock: Clock) -> None:
        self._objects = objects
        self.path = path
        self._witness = f"{path}.witness.json"
        self._clock = clock
        self._where = f"{objects.uri}/{path}"

    def create(self, schema: pl.Schema) -> None:
        """Make the empty table and its witness; what a broken-off creation left is completed."""
        from deltalake import DeltaTable

        try:
            with self._errors():
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
        except _Refused:
            self._load()  # another process may just have made it
        documents.create(self._objects, self._witness, {"version": 0, "rows": 0, "log_from": 0})

    def remains(self) -> bool:
        """Whether anything of the table is there."""
        return self._objects.get(self._witness) is not None or bool(self._objects.list(f"{self.path}/_delta_log"))

    def commits(self) -> int:
        """How many commits the table has seen beyond its creation, whatever state it is in."""
        witness = documents.read(self._objects, self._witness)
        entries = (_LOG_ENTRY.search(path) for path in self._objects.list(f"{self.path}/_delta_log"))
        newest = max((int(entry.group(1)) for entry in entries if entry), default=0)
        return max(newest, 0 if witness is None else witness[0]["version"])

    def snapshot(self) -> Snapshot:
        """The newest version, held against the witness, its log and its files.

        :raises LedgerDamagedError: if anything of it is missing or cut off.
        """
        witness = self._read_witness()
        table = self._load()
        found = _snapshot(table)
        fault = self._fault(found, table, witness)
        if fault is not None and (again := self._read_witness()) != witness:
            fault = self._fault(found, table, again)  # maintenance trimmed the log in between
        if fault is not None:
            raise LedgerDamagedError(
                fault,
                where=self._where,
                todo="Nothing was sent. Restore the table, or rebuild it (docs/operations.md).",
            )
        return found

    def append(self, frame: pl.DataFrame | Any, snapshot: Snapshot, *, app_id: str, transaction: int) -> None:
        """Commit rows as the version after the snapshot's, or not at all.

        :param frame: a frame or a stream of Arrow batches.
        :raises CommitConflict: if another writer came first.
        """
        from deltalake import CommitProperties, Transaction, write_deltalake
        from deltalake.exceptions import CommitFailedError

        try:
            with self._errors():
                write_deltalake(
                    snapshot._table,
                    frame,
                    mode="append",
                    storage_options=self._objects.storage_options or None,
                    writer_properties=_writer_properties(),
                    commit_properties=CommitProperties(
                        max_commit_retries=0, app_transactions=[Transaction(app_id, transaction)]
                    ),
                )
        except _Refused as refused:
            if not isinstance(refused.__cause__, CommitFailedError):
                raise self._translated(refused.__cause__) from None
            # The commit may have been ours, its answer lost and the client's own retry refused.
            newest = _snapshot(self._load())
            if newest.transaction(app_id) < transaction:
                raise CommitConflict from None
        else:
            newest = _snapshot(snapshot._table)  # the writer has moved it on
        self.advance(newest)

    def advance(self, newest: Snapshot, *, log_from: int | None = None) -> None:
        """Bring the witness up to a version."""

        def edit(document: documents.Document) -> documents.Document | None:
            after = dict(document)
            if newest.version > document["version"]:
                after.update(version=newest.version, rows=newest.rows)
            if log_from is not None:
                after["log_from"] = max(log_from, document["log_from"])
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
        hits = self.scan(files, ["event_key", "file"]).join(wanted, on="event_key", how="semi")
        names = {path.rpartition("/")[2] for path in self.collect(hits.group_by("file").len())["file"]}
        holding = [file for file in files if file.path.rpartition("/")[2] in names]
        found = [
            self.collect(self.scan(holding[start : start + _AT_ONCE], columns).join(wanted, on="event_key", how="semi"))
            for start in range(0, len(holding), _AT_ONCE)
        ]
        return pl.concat(found) if found else self.scan(files[:1], columns).collect_schema().to_frame()

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Run a query over :meth:`scan` in constant memory.

        :raises LedgerDamagedError: if a file can't be read.
        """
        try:
            with self._errors():
                return frame.collect(engine="streaming")
        except _Refused as refused:
            raise self._translated(refused.__cause__) from None

    def delete_before(self, day: date) -> int:
        """Drop whole partitions older than ``day``; how many rows that were."""
        before = self.snapshot()
        rows = sum(file.rows for file in before.files if file.day < day.isoformat())
        if rows:
            self._commit(lambda table: table.delete(f"day < '{day.isoformat()}'"))
        return rows

    def compact(self) -> int:
        """Merge small files of each partition; how many files went."""
        before = len(self.snapshot().files)
        self._commit(lambda table: table.optimize.compact())
        return before - len(self.snapshot().files)

    def vacuum(self, retention_hours: int) -> int:
        """Remove files that no version of the last hours needs, those of commits that lost a race too."""
        gone: list[str] = []
        self._commit(
            lambda table: gone.extend(
                table.vacuum(
                    retention_hours=retention_hours, dry_run=False, enforce_retention_duration=False, full=True
                )
            )
        )
        return len(gone)

    def trim_log(self) -> None:
        """Write a checkpoint and drop the log's entries from before it."""
        table = self._load()
        with self._mapped():
            table.create_checkpoint()
        keep = _oldest_needed(self._objects.list(f"{self.path}/_delta_log"))
        self.advance(_snapshot(self._load()), log_from=keep)
        for path in self._objects.list(f"{self.path}/_delta_log"):
            entry = _LOG_ENTRY.search(path)
            if entry and int(entry.group(1)) < keep:
                self._objects.delete(path)

    def _commit(self, action: Any) -> None:
        from deltalake.exceptions import CommitFailedError

        for _ in documents.attempts(self._clock, self._where):
            self.snapshot()
            try:
                with self._errors():
                    action(self._load())
                break
            except _Refused as refused:
                if not isinstance(refused.__cause__, CommitFailedError):
                    raise self._translated(refused.__cause__) from None
        self.advance(_snapshot(self._load()))

    def _load(self) -> DeltaTable:
        from deltalake import DeltaTable

        with self._mapped():
            return DeltaTable(self._objects.delta_uri(self.path), storage_options=self._objects.storage_options or None)

    def _read_witness(self) -> documents.Document:
        found = documents.read(self._objects, self._witness)
        if found is None:
            raise LedgerDamagedError(
                "the witness of a table is missing", where=f"{self._objects.uri}/{self._witness}",
                todo="Nothing was sent. Restore it from a backup, or rebuild the ledger (docs/operations.md).",
            )  # fmt: skip
        return found[0]

    def _fault(self, found: Snapshot, table: DeltaTable, witness: documents.Document) -> str | None:
        if found.version < witness["version"]:
            return f"the table stands at version {found.version}, but version {witness['version']} was committed"
        if found.version == witness["version"] and found.rows != witness["rows"]:
            return f"version {found.version} holds {found.rows} rows, but {witness['rows']} were committed"
        there = self._objects.sizes(self.path)
        entries = {int(entry.group(1)) for path in there if (entry := _LOG_ENTRY.search(path))}
        missing = sorted(set(range(witness["log_from"], found.version + 1)) - entries)
        if missing:
            return f"entry {missing[0]} of the table's log is missing ({len(missing)} in all)"
        for path, size in _sizes(table).items():
            if there.get(f"{self.path}/{path}") is None:
                return f"the table's file {path} is missing"
            if there[f"{self.path}/{path}"] != size:
                return f"the table's file {path} is cut off or was changed"
        return None

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            with self._errors():
                yield
        except _Refused as refused:
            raise self._translated(refused.__cause__) from None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from deltalake.exceptions import DeltaError

        try:
            yield
        except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
            raise _Refused from error
        except BaseException as error:
            # A panic in the Rust library is no Exception; an interrupt or a kill is none of ours.
            if type(error).__name__ != "PanicException":
                raise
            raise _Refused from error

    def _translated(self, error: BaseException | None) -> TikTokOfflineError:
        text = str(error)
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            return cloud_fault(error, self._where)
        if error is not None and self._objects.storage_options and any(sign in text for sign in _TRANSPORT):
            fault: StorageError = cloud_fault(error, self._where)
            return fault
        return LedgerDamagedError(
            f"a table can't be read ({type(error).__name__})",
            where=self._where,
            todo="Nothing was sent. Restore the table, or rebuild it (docs/operations.md).",
        )


#: What a failing connection or store, as against a damaged table, is known by in the libraries' messages.
_TRANSPORT = ("error sending request", "Generic S3 error", "Generic GCS error", "403 Forbidden", "401 Unauthorized",
              "NoSuchBucket", "status code: 5")  # fmt: skip


class _Refused(LedgerError):
    """Carries a library's error as its cause until it is told what it means."""

    def __init__(self) -> None:
        super().__init__("a library refused")


def _snapshot(table: DeltaTable) -> Snapshot:
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    if actions.is_empty():
        return Snapshot(table.version(), (), 0, table)
    files = tuple(
        DataFile(path, rows, str(day))
        for path, rows, day in actions.select("path", "num_records", "partition.day").iter_rows()
    )
    return Snapshot(table.version(), files, sum(file.rows for file in files), table)


def _sizes(table: DeltaTable) -> dict[str, int]:
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    return {} if actions.is_empty() else dict(actions.select("path", "size_bytes").iter_rows())


def _oldest_needed(log: list[str]) -> int:
    checkpoints = [int(found.group(1)) for path in log if (found := re.search(r"/(\d{20})\.checkpoint", path))]
    return max(checkpoints, default=0)


def _writer_properties() -> Any:
    from deltalake import ColumnProperties, WriterProperties

    # Keys are random: a dictionary of them costs time and saves nothing.
    return WriterProperties(
        compression="SNAPPY", column_properties={"event_key": ColumnProperties(dictionary_enabled=False)}
    )
